//! Registration: what is handed out, what is refused, and that none of it is stored.

use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::world::{REDIRECT, World, authorize, code_form};

const PATH: &str = "/mcp/acme/oauth2/register";

#[tokio::test]
async fn a_public_client_gets_an_id_and_no_secret() {
    let world = World::new().await;
    let metadata =
        json!({"redirect_uris": [REDIRECT], "client_name": "Example", "token_endpoint_auth_method": "none"});
    let answer = world.register(PATH, &metadata).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let json = answer.json();
    assert!(json.get("client_secret").is_none());
    assert_eq!(json["client_id_issued_at"], 1_800_000_000);
    assert_eq!(
        json["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert!(
        json.as_object()
            .unwrap()
            .values()
            .all(|value| *value != Value::Null)
    );
    assert!(json["client_id"].as_str().unwrap().len() <= 1_024);
}

#[tokio::test]
async fn a_confidential_client_must_show_its_secret_in_either_place() {
    let world = World::new().await;
    let json = world
        .register(PATH, &json!({"redirect_uris": [REDIRECT]}))
        .await
        .json();
    assert_eq!(json["token_endpoint_auth_method"], "client_secret_basic");
    let (id, secret) = (
        json["client_id"].as_str().unwrap(),
        json["client_secret"].as_str().unwrap(),
    );
    let header = |secret: &str| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    };
    for (basic, post) in [(None, None), (Some("wrong"), None), (None, Some("wrong"))] {
        let code = world.code(id).await;
        let mut form = code_form(id, &code);
        form.extend(post.map(|secret| ("client_secret", secret)));
        let headers: Vec<(&str, String)> = basic
            .map(|secret| ("authorization", header(secret)))
            .into_iter()
            .collect();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let refused = world.post_with("/mcp/acme/oauth2/token", &form, &headers).await;
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_client")
        );
        assert_eq!(
            refused.header("www-authenticate").starts_with("Basic"),
            basic.is_some()
        );
        let good = header(secret);
        let accepted = world
            .post_with(
                "/mcp/acme/oauth2/token",
                &code_form(id, &code),
                &[("authorization", &good)],
            )
            .await;
        assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.body);
    }
    let code = world.code(id).await;
    let mut form = code_form(id, &code);
    form.push(("client_secret", secret));
    assert_eq!(
        world.post("/mcp/acme/oauth2/token", &form).await.status,
        StatusCode::OK
    );
    // Asked for by name, as claude.ai may.
    let by_name = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_post"});
    let answer = world.register(PATH, &by_name).await.json();
    assert_eq!(answer["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(answer["client_secret_expires_at"], 0);
    let (id, secret) = (
        answer["client_id"].as_str().unwrap(),
        answer["client_secret"].as_str().unwrap(),
    );
    let code = world.code(id).await;
    let mut form = code_form(id, &code);
    assert_eq!(
        world.post("/mcp/acme/oauth2/token", &form).await.error(),
        "invalid_client"
    );
    form.push(("client_secret", secret));
    assert_eq!(
        world.post("/mcp/acme/oauth2/token", &form).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_id_is_bound_to_its_gateway_and_one_of_the_root_to_none() {
    let world = World::new().await;
    let bound = world.client().await;
    assert!(world.get(&authorize(&bound, &[])).await.is_page(200));
    let other = authorize(&bound, &[("resource", "")]).replace("/mcp/acme/", "/mcp/other/");
    assert!(world.get(&other).await.is_page(400));
    let metadata = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"});
    let json = world.register("/register", &metadata).await.json();
    let unbound = json["client_id"].as_str().unwrap();
    assert!(world.get(&authorize(unbound, &[])).await.is_page(200));
    let other = authorize(unbound, &[("resource", "")]).replace("/mcp/acme/", "/mcp/other/");
    assert!(world.get(&other).await.is_page(200));
}

#[tokio::test]
async fn redirects_that_lead_elsewhere_are_refused_when_registering() {
    let world = World::new().await;
    for uri in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://a.example/\u{7}",
        "http://a.example/cb",
        "myapp://cb",
        "ms-settings:network",
        "https://a.example/cb?state=x",
        "https://a.example/cb?x=1&error_description=x",
    ] {
        let answer = world.register(PATH, &json!({"redirect_uris": [uri]})).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (StatusCode::BAD_REQUEST, "invalid_redirect_uri"),
            "{uri}"
        );
        assert!(!answer.body.contains("alert"), "{uri}");
    }
}

#[tokio::test]
async fn huge_registrations_are_refused_and_none_is_stored() {
    let world = World::new().await;
    let size = || {
        let path = world
            .app
            .config
            .database
            .data_dir
            .join(crate::config::SQLITE_FILE);
        let wal = path.with_extension("db-wal");
        [path, wal]
            .iter()
            .filter_map(|path| std::fs::metadata(path).ok())
            .map(|file| file.len())
            .sum::<u64>()
    };
    let before = size();
    for _ in 0..200 {
        world.client().await;
    }
    assert_eq!(size(), before);
    let many = vec![REDIRECT; 10_000];
    let refused = world.register(PATH, &json!({"redirect_uris": many})).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let long: Vec<String> = (0..10)
        .map(|n| format!("https://{n}{}.example/callback", "x".repeat(60)))
        .collect();
    let refused = world.register(PATH, &json!({"redirect_uris": long})).await;
    assert_eq!(refused.error(), "invalid_client_metadata");
    let request = Request::post(PATH).body("[".repeat(60_000)).unwrap();
    assert_eq!(world.send(request).await.status, StatusCode::BAD_REQUEST);
}
