//! Who a request is for, and what a server receives about them.

use std::time::Duration;

use gatewright_domain::api_key::KeyRole;
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use rstest::rstest;
use serde_json::Value;

use super::world::{PUBLIC_URL, World};

/// What an assertion says, once its signature, type and key are found good.
fn claims(world: &World, headers: &HeaderMap) -> Value {
    let token = headers["gatewright-assertion"].to_str().unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("gatewright-assertion+jwt"));
    let keys: JwkSet = serde_json::from_slice(&world.app.signing.jwks()).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    // The clock of the test stands still in another year.
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn a_server_is_told_who_the_user_is_and_nothing_else_of_the_client() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada|1").await;
    let bearer = format!("Bearer {}", ada.token);
    let answer = world
        .call(
            "acme",
            &[
                ("authorization", &bearer),
                ("cookie", "session=secret"),
                ("gatewright-assertion", "forged"),
                ("gatewright-user-id", "mallory"),
                ("arcade-user-id", "mallory"),
                ("x-forwarded-for", "6.6.6.6"),
                ("x-team", "red"),
            ],
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let calls = world.upstream.calls();
    assert_eq!(calls.len(), 1);
    let told = &calls[0];
    let mut names: Vec<&str> = told.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "content-length",
            "content-type",
            "gatewright-assertion",
            "host",
            "mcp-method",
            "mcp-name",
            "mcp-protocol-version",
            "user-agent",
            "x-team"
        ]
    );
    assert_eq!(told["x-team"], "blue");
    assert!(told["host"].to_str().unwrap().starts_with("127.0.0.1:"));
    let directory = world.app.directory.current().unwrap();
    let server_url = directory.gateway("acme").unwrap().servers[0].server.url.clone();
    let claims = claims(&world, told);
    assert_eq!(claims["iss"], PUBLIC_URL);
    assert_eq!(claims["aud"], server_url);
    assert_eq!(claims["project"], world.project.to_string());
    assert_eq!(claims["sub"], ada.user.to_string());
    assert_eq!(claims["subject"], "ada|1");
    assert_eq!(claims["mode"], "user_source");
    assert_eq!(claims["user_source"], world.source.id.to_string());
    assert_eq!(claims["gateway"], world.gateway_id("acme").to_string());
    assert_eq!(claims["name"], "Ada");
    assert_eq!(claims.get("email"), None);
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
}

#[tokio::test]
async fn an_assertion_serves_a_while_and_one_user_only() {
    let world = World::new().await;
    let (ada, bob) = (
        world.sign_in("acme", "ada").await,
        world.sign_in("acme", "bob").await,
    );
    for token in [&ada.token, &ada.token, &bob.token] {
        assert_eq!(world.call_with("acme", token).await.status, StatusCode::OK);
    }
    world.clock.advance(Duration::from_secs(31));
    world.app.refresh_directory().await.unwrap();
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
    let calls = world.upstream.calls();
    let assertion = |index: usize| calls[index]["gatewright-assertion"].clone();
    assert_eq!(assertion(0), assertion(1));
    assert_ne!(assertion(0), assertion(2));
    assert_ne!(
        assertion(0),
        assertion(3),
        "a new one long before the old one ends"
    );
    assert_eq!(claims(&world, &calls[2])["subject"], "bob");
}

#[tokio::test]
async fn answers_have_heads_of_our_own() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let answer = world.call_with("acme", &ada.token).await;
    let mut names: Vec<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    // The listener adds the length, which is the body's.
    assert_eq!(
        names,
        ["cache-control", "content-type", "date", "x-content-type-options"]
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.json()["result"]["content"][0]["text"], "told");
}

#[tokio::test]
async fn a_key_vouches_for_the_user_id_beside_it() {
    let world = World::new().await;
    let key = world.key(KeyRole::Gateway, None, None).await;
    let bearer = format!("Bearer {}", key.expose());
    for header in ["gatewright-user-id", "arcade-user-id"] {
        let answer = world
            .call("keys", &[("authorization", &bearer), (header, "ada@example.com")])
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    let calls = world.upstream.calls();
    let claims = claims(&world, &calls[0]);
    assert_eq!(claims["project"], world.project.to_string());
    assert_eq!(claims["sub"], format!("{}|ada@example.com", world.project));
    assert_eq!(claims["subject"], "ada@example.com");
    assert_eq!(claims["mode"], "headers");
    assert_eq!(claims.get("user_source"), None);
}

#[rstest]
#[case::missing(&[])]
#[case::empty(&[("gatewright-user-id", "")])]
#[case::twice(&[("gatewright-user-id", "a"), ("gatewright-user-id", "a")])]
#[case::two_that_differ(&[("gatewright-user-id", "a"), ("arcade-user-id", "b")])]
#[case::underscores(&[("gatewright_user_id", "a")])]
#[tokio::test]
async fn a_key_without_exactly_one_user_is_refused(#[case] headers: &[(&str, &str)]) {
    let world = World::new().await;
    let key = world.key(KeyRole::Gateway, None, None).await;
    let bearer = format!("Bearer {}", key.expose());
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    let answer = world.call("keys", &all).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.json()["error_description"]
            .as_str()
            .unwrap()
            .contains("ser"),
        "{}",
        answer.body
    );
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn keys_open_their_own_gateways_only() {
    let world = World::new().await;
    let user = ("gatewright-user-id", "ada");
    let soon = world.app.now().plus(Duration::from_mins(1));
    let good = world
        .key(KeyRole::Gateway, Some(world.gateway_id("keys")), Some(soon))
        .await;
    let elsewhere = world
        .key(KeyRole::Gateway, Some(world.gateway_id("acme")), None)
        .await;
    let admin = world.key(KeyRole::Admin, None, None).await;
    let bearer = |key: &str| format!("Bearer {key}");
    let good = bearer(good.expose());
    assert_eq!(
        world.call("keys", &[("authorization", &good), user]).await.status,
        StatusCode::OK
    );
    for key in [elsewhere.expose(), admin.expose(), "gwk_made-up"] {
        let answer = world.call("keys", &[("authorization", &bearer(key)), user]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer") && !challenge.contains("resource_metadata"),
            "{challenge}"
        );
    }
    // The user id alone is worth nothing.
    assert_eq!(world.call("keys", &[user]).await.status, StatusCode::UNAUTHORIZED);
    world.clock.advance(Duration::from_mins(2));
    world.app.refresh_directory().await.unwrap();
    assert_eq!(
        world.call("keys", &[("authorization", &good), user]).await.status,
        StatusCode::UNAUTHORIZED,
        "expired"
    );
}
