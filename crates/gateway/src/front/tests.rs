//! What holds for every request and every answer.

use http::StatusCode;
use http_body_util::{BodyExt as _, Empty};

use super::*;
use crate::testing::TestGateways;

#[test]
fn a_gateway_is_one_plain_segment_and_nothing_else() {
    for path in ["/mcp/acme", "/mcp/acme/"] {
        assert_eq!(gateway_slug(path), Some("acme"), "{path}");
    }
    for path in [
        "/mcp",
        "/mcp/",
        "/mcp//",
        "/mcp/acme//",
        "/mcp/acme/oauth2/token",
        "/x/mcp/acme",
    ] {
        assert_eq!(gateway_slug(path), None, "{path}");
    }
}

#[tokio::test]
async fn paths_beside_a_gateway_are_denied_by_the_router_with_its_headers() {
    let test = TestGateways::new().await;
    let front = crate::testing::front(Arc::clone(&test.app));
    for (path, kind) in [
        ("/mcp/nobody", "application/json"),
        ("/mcp/%61cme", "application/json"),
        ("/mcp/", "application/problem+json"),
        ("/mcp/nobody/", "application/json"),
        ("/mcp/nobody/made-up", "application/problem+json"),
    ] {
        let request = Request::post(path).body(Empty::<Bytes>::new()).unwrap();
        let answer = front.answer(Ipv4Addr::LOCALHOST.into(), request).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], kind, "{path}");
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if kind == "application/problem+json" {
            assert_eq!(body["type"], "urn:gatewright:problem:not-found");
            assert_eq!(body["instance"].as_str().unwrap().len(), 16);
        }
    }
}

#[tokio::test]
async fn the_date_of_answers_follows_a_clock_that_jumps() {
    let test = TestGateways::new().await;
    let front = crate::testing::front(Arc::clone(&test.app));
    let date_of = async |host: Option<&str>| {
        let mut request = Request::get("/healthz");
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = front.receive(Ipv4Addr::LOCALHOST.into(), request).await;
        (
            answer.status(),
            answer.headers()[header::DATE].to_str().unwrap().to_owned(),
        )
    };
    // One that is answered, and one that is refused at the door.
    for (host, status) in [(Some("x"), StatusCode::OK), (None, StatusCode::BAD_REQUEST)] {
        let told = |date: &str| (status, date.to_owned());
        assert_eq!(date_of(host).await, told("Fri, 15 Jan 2027 08:00:00 GMT"));
        test.clock.advance(Duration::from_hours(24));
        assert_eq!(date_of(host).await, told("Sat, 16 Jan 2027 08:00:00 GMT"));
        test.clock.set_back(Duration::from_hours(24));
        assert_eq!(date_of(host).await, told("Fri, 15 Jan 2027 08:00:00 GMT"));
    }
}
