//! Codes: redeemed once, by whom they were issued to.

use std::time::Duration;

use http::{Request, StatusCode};
use serde_json::json;

use super::world::{ISSUER, World, code_form};

const PATH: &str = "/mcp/acme/oauth2/token";

#[tokio::test]
async fn a_code_becomes_an_access_token_of_this_gateway_and_a_refresh_token() {
    let world = World::new().await;
    let client = world.client().await;
    let code = world.code(&client).await;
    let answer = world.redeem(&client, &code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let json = answer.json();
    assert_eq!(
        (&json["token_type"], &json["expires_in"]),
        (&json!("Bearer"), &json!(3_600))
    );
    assert_eq!(json["scope"], "mcp offline_access");
    assert!(
        json["refresh_token"]
            .as_str()
            .is_some_and(|token| (43..200).contains(&token.len()))
    );
    let token = json["access_token"].as_str().unwrap();
    let claims = world
        .app
        .signing
        .verify_access_token(token, world.app.now())
        .unwrap();
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (ISSUER, ISSUER));
    assert_eq!(claims.gateway, world.entry("acme").gateway.id);
    assert!(claims.client_id.starts_with("cli_"));
    assert!(world.is_live(token).await);
    let plain = world.code_of(&client, "mcp").await;
    assert_eq!(world.redeem(&client, &plain).await.json()["scope"], "mcp");
}

#[tokio::test]
async fn fifty_redemptions_at_once_have_one_winner() {
    let world = World::new().await;
    let client = world.client().await;
    let code = world.code(&client).await;
    let all = futures_util::future::join_all((0..50).map(|_| world.redeem(&client, &code))).await;
    let (won, lost): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((won.len(), lost.len()), (1, 49));
    assert!(lost.iter().all(|answer| answer.error() == "invalid_grant"));
    let token = won[0].json()["access_token"].as_str().unwrap().to_owned();
    assert!(world.is_live(&token).await);
}

#[tokio::test]
async fn a_resend_is_refused_and_a_late_replay_also_ends_the_grant() {
    let world = World::new().await;
    let client = world.client().await;
    let code = world.code(&client).await;
    let json = world.redeem(&client, &code).await.json();
    let (token, refresh) = (
        json["access_token"].as_str().unwrap(),
        json["refresh_token"].as_str().unwrap(),
    );
    world.advance(Duration::from_secs(10)).await;
    assert_eq!(world.redeem(&client, &code).await.error(), "invalid_grant");
    assert!(world.is_live(token).await);
    assert_eq!(world.revocations().await, []);
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.redeem(&client, &code).await.error(), "invalid_grant");
    assert!(!world.is_live(token).await);
    let told = world.revocations().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].changes[0].after, Some(json!("code_replayed")));
    assert_eq!(world.refresh(&client, refresh).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_code_that_another_client_replays_ends_no_grant() {
    let world = World::new().await;
    let client = world.client().await;
    let stranger = world.client().await;
    let code = world.code(&client).await;
    let json = world.redeem(&client, &code).await.json();
    let token = json["access_token"].as_str().unwrap();
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.redeem(&stranger, &code).await.error(), "invalid_grant");
    assert!(world.is_live(token).await);
    assert_eq!(world.revocations().await, []);
    // The client's own replay ends it still.
    assert_eq!(world.redeem(&client, &code).await.error(), "invalid_grant");
    assert!(!world.is_live(token).await);
}

#[tokio::test]
async fn strangers_cannot_redeem_a_code_nor_use_it_up() {
    let world = World::new().await;
    let client = world.client().await;
    let stranger = world.client().await;
    let code = world.code(&client).await;
    let other_verifier = "A".repeat(43);
    let changed = |name: &str, value: &'static str| {
        let mut form = code_form(&client, &code);
        form.retain(|(key, _)| *key != name);
        let name: &'static str = if name == "redirect_uri" {
            "redirect_uri"
        } else {
            "code_verifier"
        };
        if !value.is_empty() {
            form.push((name, value));
        }
        form
    };
    let mut wrong_verifier = code_form(&client, &code);
    wrong_verifier.retain(|(key, _)| *key != "code_verifier");
    wrong_verifier.push(("code_verifier", &other_verifier));
    for (form, error) in [
        (code_form(&stranger, &code), "invalid_grant"),
        (
            changed("redirect_uri", "https://app.example/other"),
            "invalid_grant",
        ),
        (wrong_verifier, "invalid_grant"),
        (changed("code_verifier", ""), "invalid_request"),
        (changed("code_verifier", "short"), "invalid_request"),
    ] {
        let answer = world.post(PATH, &form).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (StatusCode::BAD_REQUEST, error),
            "{form:?}"
        );
    }
    let unknown = world.post(PATH, &code_form("nobody", &code)).await;
    assert_eq!(
        (unknown.status, unknown.error().as_str()),
        (StatusCode::UNAUTHORIZED, "invalid_client")
    );
    let elsewhere = world
        .post("/mcp/other/oauth2/token", &code_form(&client, &code))
        .await;
    assert_eq!(elsewhere.error(), "invalid_client");
    assert_eq!(world.redeem(&client, &code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_code_is_valid_for_a_minute_and_for_its_own_resource() {
    let world = World::new().await;
    let client = world.client().await;
    let code = world.code(&client).await;
    let mut form = code_form(&client, &code);
    form.push(("resource", "http://127.0.0.1:8080/mcp/other"));
    assert_eq!(world.post(PATH, &form).await.error(), "invalid_target");
    world.advance(Duration::from_secs(59)).await;
    assert_eq!(world.redeem(&client, &code).await.status, StatusCode::OK);
    let late = world.code(&client).await;
    world.advance(Duration::from_mins(1)).await;
    assert_eq!(world.redeem(&client, &late).await.error(), "invalid_grant");
}

#[tokio::test]
async fn the_root_alias_finds_the_gateway_by_client_or_resource() {
    let world = World::new().await;
    let client = world.client().await;
    let code = world.code(&client).await;
    assert_eq!(
        world.post("/token", &code_form(&client, &code)).await.status,
        StatusCode::OK
    );
    let metadata = json!({"redirect_uris": [super::world::REDIRECT], "token_endpoint_auth_method": "none"});
    let registered = world.register("/register", &metadata).await.json();
    let unbound = registered["client_id"].as_str().unwrap();
    let code = world.code(unbound).await;
    let mut form = code_form(unbound, &code);
    let unclear = world.post("/token", &form).await;
    assert_eq!(
        (unclear.status, unclear.error().as_str()),
        (StatusCode::BAD_REQUEST, "invalid_target")
    );
    form.push(("resource", ISSUER));
    assert_eq!(world.post("/token", &form).await.status, StatusCode::OK);
    // A client that is not known anywhere learns that, and registers again.
    for client in ["nobody", "v1.00000000.AAAA"] {
        let unknown = world.post("/token", &code_form(client, "code")).await;
        assert_eq!(
            (unknown.status, unknown.error().as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_client")
        );
    }
    let described = world
        .post("/token", &code_form("https://app.example/client.json", "code"))
        .await;
    assert_eq!(described.error(), "invalid_target");
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_refused_in_json() {
    let world = World::new().await;
    let client = world.client().await;
    for (form, error) in [
        (vec![("client_id", client.as_str())], "invalid_request"),
        (
            vec![("client_id", client.as_str()), ("grant_type", "password")],
            "unsupported_grant_type",
        ),
        (vec![("grant_type", "authorization_code")], "invalid_client"),
    ] {
        assert_eq!(world.post(PATH, &form).await.error(), error, "{form:?}");
    }
    let huge = "x".repeat(100_000);
    let answer = world.post(PATH, &[("client_id", &huge)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.json().is_object());
}

#[tokio::test]
async fn a_body_of_another_content_type_gets_an_error_that_names_the_right_one() {
    let world = World::new().await;
    let client = world.client().await;
    let send = async |path: &str, content_type: Option<&str>, body: String| {
        let mut request = Request::post(path);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        world.send(request.body(body).unwrap()).await
    };
    let json = json!({"grant_type": "authorization_code", "client_id": client}).to_string();
    for path in [PATH, "/token", "/mcp/acme/oauth2/revoke", "/revoke"] {
        for content_type in ["application/json", "multipart/form-data; boundary=x", ""] {
            let answer = send(path, Some(content_type), json.clone()).await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (StatusCode::BAD_REQUEST, "invalid_request"),
                "{path} {content_type}"
            );
            for text in ["application/x-www-form-urlencoded", "Content-Type"] {
                assert!(answer.body.contains(text), "{path}: {}", answer.body);
            }
        }
        // A body that says that it is a form, or says nothing, is answered with what it lacks.
        for content_type in [None, Some("Application/X-WWW-Form-urlencoded; charset=UTF-8")] {
            let answer = send(path, content_type, String::new()).await;
            assert!(!answer.body.contains("Content-Type"), "{path}: {}", answer.body);
        }
    }
    let registration = "/mcp/acme/oauth2/register";
    let form = "redirect_uris=https%3A%2F%2Fapp.example%2Fcb".to_owned();
    let answer = send(
        registration,
        Some("application/x-www-form-urlencoded"),
        form.clone(),
    )
    .await;
    assert_eq!(answer.error(), "invalid_request");
    assert!(answer.body.contains("application/json"), "{}", answer.body);
    let answer = send(registration, Some("application/json"), form).await;
    assert_eq!(answer.error(), "invalid_client_metadata");
    // Someone who sends the right thing under a wrong name is understood.
    let code = world.code(&client).await;
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(code_form(&client, &code))
        .finish();
    assert_eq!(
        send(PATH, Some("text/plain;charset=UTF-8"), body).await.status,
        StatusCode::OK
    );
}
