//! The walkthrough's failures. Its success is tested by the gateway, which has the other end.

use axum::{Router, routing::any};
use http::{StatusCode, header};
use tokio::net::TcpListener;

use super::*;

async fn walk_to(router: Router) -> (Vec<Step>, Problem) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp/demo", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, router).into_future());
    let mut steps = Vec::new();
    let outcome = walk(&Url::parse(&url).unwrap(), |step| steps.push(step)).await;
    server.abort();
    (steps, outcome.unwrap_err())
}

#[tokio::test]
async fn an_open_server_is_not_a_gateway() {
    let (steps, problem) = walk_to(Router::new().fallback(any(async || "hello"))).await;
    assert_eq!(steps, []);
    assert_eq!(problem.step, "The client calls the gateway without a token");
    assert_eq!(problem.expected, "401 with a challenge");
    assert_eq!(problem.came, "the response was 200 OK: hello");
}

#[tokio::test]
async fn a_challenge_without_metadata_is_named() {
    let bare = [(header::WWW_AUTHENTICATE, "Bearer realm=\"x\"")];
    let (_, problem) =
        walk_to(Router::new().fallback(any(async move || (StatusCode::UNAUTHORIZED, bare)))).await;
    assert!(problem.came.contains("Bearer realm=\"x\""), "{problem}");
}

#[tokio::test]
async fn the_metadata_of_another_resource_is_refused() {
    let challenge = async |headers: http::HeaderMap| {
        let host = headers[header::HOST].to_str().unwrap().to_owned();
        let value = format!("Bearer resource_metadata=\"http://{host}/prm\"");
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, value)])
    };
    let metadata = async || axum::Json(serde_json::json!({ "resource": "http://127.0.0.1:1/mcp/other" }));
    let (steps, problem) = walk_to(
        Router::new()
            .route("/mcp/demo", any(challenge))
            .route("/prm", any(metadata)),
    )
    .await;
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].learnt[0], ("answer", "401 Unauthorized".to_owned()));
    assert!(problem.came.contains("http://127.0.0.1:1/mcp/other"), "{problem}");
    assert!(problem.remedy.contains("server.public_url"), "{problem}");
}

#[test]
fn a_fingerprint_distinguishes_secrets_and_reveals_none() {
    let shown = fingerprint("a-very-secret-token");
    assert_eq!(shown, fingerprint("a-very-secret-token"));
    assert_ne!(shown, fingerprint("a-very-secret-tokem"));
    assert!(!shown.contains("secret") && shown.ends_with("(19 characters)"));
}
