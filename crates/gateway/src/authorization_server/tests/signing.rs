//! Clients that sign (`private_key_jwt`): with keys in their document, at a URL, or entered by an administrator.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gatewright_domain::preregistered_client::ClientProof;
use gatewright_oauth::client_assertion::TYPE;
use gatewright_store::used_assertion;
use http::StatusCode;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{
    host::{self, Host},
    world::{Answer, ISSUER, REDIRECT, World, authorize, code_form},
};
use crate::jose::signer::{Signer, SignerKind, encode};

const TOKEN: &str = "/mcp/acme/oauth2/token";
pub(super) const CLIENT: &str = "https://app.example/client.json";

/// The claims of a good assertion, each with its own id.
pub(super) fn claims(world: &World, client: &str) -> Value {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let now = world.app.now().as_seconds();
    json!({
        "iss": client, "sub": client, "aud": ISSUER, "iat": now, "exp": now + 300,
        "jti": format!("id {number}"),
    })
}

fn changed(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

async fn send(world: &World, path: &str, form: Vec<(&str, &str)>, assertion: Option<&str>) -> Answer {
    let mut form = form;
    if let Some(assertion) = assertion {
        form.extend([("client_assertion_type", TYPE), ("client_assertion", assertion)]);
    }
    world.post(path, &form).await
}

pub(super) async fn redeem(world: &World, client: &str, code: &str, assertion: Option<&str>) -> Answer {
    send(world, TOKEN, code_form(client, code), assertion).await
}

async fn refresh(world: &World, client: &str, token: &str, assertion: Option<&str>) -> Answer {
    let form = vec![
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", token),
    ];
    send(world, TOKEN, form, assertion).await
}

pub(super) fn text(answer: &Answer, name: &str) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()[name].as_str().unwrap().to_owned()
}

#[track_caller]
pub(super) fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (StatusCode::UNAUTHORIZED, "invalid_client"),
        "{what}: {}",
        answer.body
    );
}

/// How many assertions are remembered. Looking forgets them all, so it comes last.
async fn remembered(world: &World) -> u64 {
    let mut tx = world.app.store.write().await.unwrap();
    let far = world.app.now().plus(Duration::from_hours(24));
    used_assertion::prune(&mut tx, far, 1_000).await.unwrap()
}

/// A client whose document has its key, and that key.
async fn described(world: &World, methods: &[&str]) -> Signer {
    let signer = Signer::new(SignerKind::P256, Some("k1"));
    describe(world, methods, &signer).await;
    signer
}

/// Publishes the document with a key, as a fetch would when it is due again.
async fn describe(world: &World, methods: &[&str], signer: &Signer) {
    let document = json!({
        "client_id": CLIENT, "client_name": "Signing", "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": methods[0], "token_endpoint_auth_methods_supported": methods,
        "jwks": {"keys": [signer.jwk()]},
    });
    host::publish(world, &document).await;
}

#[tokio::test]
async fn a_client_that_signs_needs_its_key_every_time() {
    let world = World::new().await;
    let signer = described(&world, &["private_key_jwt"]).await;
    let fresh = || signer.token(&claims(&world, CLIENT));
    assert!(world.get(&authorize(CLIENT, &[])).await.is_page(200));
    let code = world.code(CLIENT).await;
    assert_refused(
        &redeem(&world, CLIENT, &code, None).await,
        "no assertion for a code",
    );
    let tokens = redeem(&world, CLIENT, &code, Some(&fresh())).await;
    let (access, token) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    assert_refused(
        &refresh(&world, CLIENT, &token, None).await,
        "no assertion for a refresh",
    );
    let token = text(
        &refresh(&world, CLIENT, &token, Some(&fresh())).await,
        "refresh_token",
    );
    let revoke = async |assertion| {
        let form = vec![("client_id", CLIENT), ("token", token.as_str())];
        send(&world, "/mcp/acme/oauth2/revoke", form, assertion).await
    };
    assert_refused(&revoke(None).await, "no assertion for a revocation");
    assert!(world.is_live(&access).await);
    assert_eq!(revoke(Some(&fresh())).await.status, StatusCode::OK);
    assert!(!world.is_live(&access).await);
}

#[tokio::test]
async fn the_id_in_the_assertion_is_enough_and_the_token_endpoint_is_an_audience_too() {
    let world = World::new().await;
    let signer = described(&world, &["private_key_jwt"]).await;
    let code = world.code(CLIENT).await;
    let endpoint = json!(format!("{ISSUER}/oauth2/token"));
    let assertion = signer.token(&changed(claims(&world, CLIENT), "aud", endpoint));
    let mut form = code_form(CLIENT, &code);
    form.retain(|(name, _)| *name != "client_id");
    let answer = send(&world, TOKEN, form, Some(&assertion)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn assertions_that_prove_nothing_are_refused_and_use_nothing_up() {
    let world = World::new().await;
    let signer = described(&world, &["private_key_jwt"]).await;
    let code = world.code(CLIENT).await;
    let good = claims(&world, CLIENT);
    let now = world.app.now().as_seconds();
    let with = |name: &str, value: Value| signer.token(&changed(good.clone(), name, value));
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        signer.token(&claims)
    };
    let unsigned = format!(
        "{}.{}.",
        encode(br#"{"alg":"none"}"#),
        encode(good.to_string().as_bytes())
    );
    // The public key as a shared secret.
    let symmetric = {
        let key = jsonwebtoken::EncodingKey::from_secret(signer.jwk().to_string().as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::new(Algorithm::HS256), &good, &key).unwrap()
    };
    let kind = json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"});
    let critical = json!({"alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1});
    for (what, assertion) in [
        ("another audience", with("aud", json!("https://other.example"))),
        (
            "another gateway",
            with("aud", json!("http://127.0.0.1:8080/mcp/other")),
        ),
        (
            "two audiences",
            with("aud", json!([ISSUER, "https://other.example"])),
        ),
        (
            "another issuer",
            with("iss", json!("https://evil.example/client.json")),
        ),
        (
            "another subject",
            with("sub", json!("https://evil.example/client.json")),
        ),
        ("expired", with("exp", json!(now - 60))),
        ("lives for an hour", with("exp", json!(now + 3_600))),
        ("no end", without("exp")),
        ("no id", without("jti")),
        ("alg none", unsigned),
        ("alg HS256", symmetric),
        (
            "another key",
            Signer::new(SignerKind::P256, Some("k1")).token(&good),
        ),
        ("another kind of token", signer.token_with(&kind, &good)),
        ("a critical extension", signer.token_with(&critical, &good)),
        ("no JWT", "assertion".to_owned()),
    ] {
        assert_refused(&redeem(&world, CLIENT, &code, Some(&assertion)).await, what);
    }
    let mut form = code_form(CLIENT, &code);
    let assertion = signer.token(&good);
    form.extend([
        ("client_assertion", assertion.as_str()),
        ("client_assertion_type", "urn:x"),
    ]);
    assert_refused(&world.post(TOKEN, &form).await, "another type");
    // None of them has used up the code, nor the id they all bear.
    let answer = redeem(&world, CLIENT, &code, Some(&assertion)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(remembered(&world).await, 1);
}

#[tokio::test]
async fn an_assertion_is_taken_once_however_many_send_it_at_once() {
    let world = World::new().await;
    let signer = described(&world, &["private_key_jwt"]).await;
    let assertion = signer.token(&claims(&world, CLIENT));
    let mut codes = Vec::new();
    for _ in 0..10 {
        codes.push(world.code(CLIENT).await);
    }
    let requests = codes
        .iter()
        .map(|code| redeem(&world, CLIENT, code, Some(&assertion)));
    let answers = futures_util::future::join_all(requests).await;
    let (good, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((good.len(), refused.len()), (1, 9));
    for answer in refused {
        assert_refused(answer, "a second use");
    }
    // A code whose assertion was used before is as it was.
    let mut again = 0;
    for code in &codes {
        let fresh = signer.token(&claims(&world, CLIENT));
        again += usize::from(redeem(&world, CLIENT, code, Some(&fresh)).await.status == StatusCode::OK);
    }
    assert_eq!(again, 9);
    // Nor is it good for anything else, until it has run out.
    let token = text(good[0], "refresh_token");
    assert_refused(
        &refresh(&world, CLIENT, &token, Some(&assertion)).await,
        "for a refresh",
    );
    for (seconds, what) in [(359, "at its end"), (1, "after its end")] {
        world.advance(Duration::from_secs(seconds)).await;
        describe(&world, &["private_key_jwt"], &signer).await;
        assert_refused(&refresh(&world, CLIENT, &token, Some(&assertion)).await, what);
    }
    let fresh = signer.token(&claims(&world, CLIENT));
    text(
        &refresh(&world, CLIENT, &token, Some(&fresh)).await,
        "refresh_token",
    );
}

#[tokio::test]
async fn a_client_that_may_sign_writes_nothing_without_a_code_or_token() {
    let world = World::new().await;
    let signer = described(&world, &["private_key_jwt"]).await;
    for number in 0..20 {
        let assertion = signer.token(&claims(&world, CLIENT));
        let made_up = format!("made-up {number}");
        assert_eq!(
            redeem(&world, CLIENT, &made_up, Some(&assertion)).await.error(),
            "invalid_grant"
        );
        assert_eq!(
            refresh(&world, CLIENT, &made_up, Some(&assertion)).await.error(),
            "invalid_grant"
        );
        let form = vec![("client_id", CLIENT), ("token", made_up.as_str())];
        let answer = send(&world, "/mcp/acme/oauth2/revoke", form, Some(&assertion)).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(remembered(&world).await, 0);
}

#[tokio::test]
async fn of_several_methods_the_client_chooses_and_keeps_to_its_key() {
    let world = World::new().await;
    let signer = described(&world, &["private_key_jwt", "none"]).await;
    let fresh = || signer.token(&claims(&world, CLIENT));
    let code = world.code(CLIENT).await;
    let token = text(&redeem(&world, CLIENT, &code, None).await, "refresh_token");
    let token = text(&refresh(&world, CLIENT, &token, None).await, "refresh_token");
    text(
        &refresh(&world, CLIENT, &token, Some(&fresh())).await,
        "refresh_token",
    );
    let code = world.code(CLIENT).await;
    let token = text(
        &redeem(&world, CLIENT, &code, Some(&fresh())).await,
        "refresh_token",
    );
    assert_refused(&refresh(&world, CLIENT, &token, None).await, "without the key");
    text(
        &refresh(&world, CLIENT, &token, Some(&fresh())).await,
        "refresh_token",
    );

    // One that lists only `none` is public, whatever keys it contains.
    let signer = described(&world, &["none"]).await;
    let code = world.code(CLIENT).await;
    let assertion = signer.token(&claims(&world, CLIENT));
    assert_refused(
        &redeem(&world, CLIENT, &code, Some(&assertion)).await,
        "no keys to check it with",
    );
    text(&redeem(&world, CLIENT, &code, None).await, "refresh_token");
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_kept_and_fetched_again_when_they_rotate() {
    let host = Host::start().await;
    let client = host.url();
    let mut document = host.document();
    document["token_endpoint_auth_method"] = json!("private_key_jwt");
    document["jwks_uri"] = json!(host.keys_url());
    host.answers(200, &[], &document.to_string());
    let world = host.world().await;
    let redeem_with = async |signer: &Signer| {
        let code = world.code(&client).await;
        let assertion = signer.token(&claims(&world, &client));
        redeem(&world, &client, &code, Some(&assertion)).await
    };
    let (old, new) = (
        Signer::new(SignerKind::Rsa, Some("old")),
        Signer::new(SignerKind::Ed25519, Some("new")),
    );
    let serve = |signer: &Signer| host.answers_keys(200, &json!({"keys": [signer.jwk()]}).to_string());
    // The host is unavailable: not now. The reason is not revealed.
    host.answers_keys(503, "");
    let away = redeem_with(&old).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.headers.contains_key("retry-after") && !away.body.contains("localhost"));
    serve(&old);
    text(&redeem_with(&old).await, "access_token");
    let asked = host.asked_for_keys();
    text(&redeem_with(&old).await, "access_token");
    assert_eq!(host.asked_for_keys(), asked, "kept");

    serve(&new);
    text(&redeem_with(&new).await, "access_token");
    assert_eq!(host.asked_for_keys(), asked + 1, "an unknown key is looked for");
    // A flood of unknown keys only causes occasional requests to the host.
    for _ in 0..5 {
        assert_refused(&redeem_with(&old).await, "an old key");
    }
    assert_eq!(host.asked_for_keys(), asked + 1);
    world.advance(Duration::from_secs(15)).await;
    assert_refused(&redeem_with(&old).await, "an old key");
    assert_eq!(host.asked_for_keys(), asked + 2);
}

#[tokio::test]
async fn keys_are_never_fetched_from_where_strangers_may_not_lead() {
    let world = World::new().await;
    for place in [
        "https://127.0.0.1/jwks",
        "https://10.0.0.1/jwks",
        "https://169.254.169.254/jwks",
    ] {
        let document = json!({
            "client_id": CLIENT, "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": place,
        });
        host::publish(&world, &document).await;
        let code = world.code(CLIENT).await;
        let assertion = Signer::new(SignerKind::P256, None).token(&claims(&world, CLIENT));
        let answer = redeem(&world, CLIENT, &code, Some(&assertion)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{place}");
        assert!(!answer.body.contains("address"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_preregistered_client_signs_with_the_keys_its_administrator_entered() {
    let world = World::new().await;
    let signer = Signer::new(SignerKind::P256, None);
    let jwks = json!({"keys": [signer.jwk()]}).to_string();
    let client = world.preregister(ClientProof::Key { jwks }).await;
    let code = world.code(&client).await;
    assert_refused(&redeem(&world, &client, &code, None).await, "no assertion");
    let stranger = Signer::new(SignerKind::P256, None).token(&claims(&world, &client));
    assert_refused(
        &redeem(&world, &client, &code, Some(&stranger)).await,
        "a stranger's key",
    );
    let assertion = signer.token(&claims(&world, &client));
    let token = text(
        &redeem(&world, &client, &code, Some(&assertion)).await,
        "refresh_token",
    );
    assert_refused(&refresh(&world, &client, &token, None).await, "no assertion");
    let assertion = signer.token(&claims(&world, &client));
    text(
        &refresh(&world, &client, &token, Some(&assertion)).await,
        "refresh_token",
    );
    // A client without keys proves nothing by signing.
    let public = world.client().await;
    let code = world.code(&public).await;
    assert_eq!(redeem(&world, &public, &code, None).await.status, StatusCode::OK);
}
