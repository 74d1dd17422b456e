//! What must not work: each sees a page, and that no user and no code came of it.

use std::time::Duration;

use axum::body::Body;
use gatewright_domain::user::UserStatus;
use http::{Request, StatusCode, header};
use rstest::rstest;
use serde_json::{Value, json};

use crate::relying_party::testing::{Signer, SignerKind, World};

const BAD: StatusCode = StatusCode::BAD_REQUEST;

#[rstest]
#[case::no_nonce(json!({"nonce": null}))]
#[case::other_nonce(json!({"nonce": "another"}))]
#[case::other_issuer(json!({"iss": "https://evil.example.com"}))]
#[case::no_issuer(json!({"iss": null}))]
#[case::other_audience(json!({"aud": "another"}))]
#[case::several_audiences(json!({"aud": ["client-1", "another"], "azp": "another"}))]
#[case::other_party(json!({"azp": "another"}))]
#[case::no_expiry(json!({"exp": null}))]
#[case::text_expiry(json!({"exp": "1800000300"}))]
#[case::expired(json!({"exp": 1_799_999_400}))]
#[case::no_issue_time(json!({"iat": null}))]
#[case::text_issue_time(json!({"iat": "now"}))]
#[case::clock_ahead(json!({"iat": 1_800_000_600}))]
#[case::clock_behind(json!({"iat": 1_799_996_399}))]
#[case::wrong_hash(json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}))]
#[case::no_sub(json!({"sub": null}))]
#[tokio::test]
async fn id_tokens_that_are_not_for_this_sign_in(#[case] claims: Value) {
    let world = World::new().await;
    world.provider.script().claims = claims;
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
    world.provider.script().claims = json!({});
    world.sign_in().await.code();
}

#[rstest]
#[case::unsigned(json!({"alg": "none"}))]
#[case::symmetric(json!({"alg": "HS256", "kid": "k1"}))]
#[case::critical(json!({"alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": true}))]
#[case::other_family(json!({"alg": "RS256", "kid": "k1"}))]
#[tokio::test]
async fn headers_that_promise_too_little(#[case] header: Value) {
    let world = World::new().await;
    world.provider.script().header = Some(header);
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
}

#[tokio::test]
async fn a_token_keyed_with_the_public_key_as_a_shared_secret() {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        let claims = json!({"iss": world.provider.issuer(), "aud": "client-1", "sub": "alice",
            "iat": script.now, "exp": script.now + 300});
        let public = script.keys[0]["x"].as_str().unwrap().to_owned();
        let forged = jsonwebtoken::encode(
            &jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256),
            &claims,
            &jsonwebtoken::EncodingKey::from_secret(public.as_bytes()),
        );
        script.answer = json!({"id_token": forged.unwrap()});
    }
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
}

#[tokio::test]
async fn a_key_inside_the_token_is_neither_used_nor_fetched() {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        let attacker = Signer::new(SignerKind::P256, Some("k1"));
        let jku = format!("{}/attacker", world.provider.issuer());
        script.header =
            Some(json!({"alg": "ES256", "kid": "k1", "jwk": attacker.jwk(), "jku": jku, "x5u": jku}));
        script.signer = attacker;
    }
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
    assert_eq!(world.provider.asked("attacker"), 0);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_fetches_once_per_cool_down() {
    let world = World::new().await;
    for n in 0..8 {
        let kid = format!("unknown-{n}");
        world.provider.script().signer = Signer::new(SignerKind::P256, Some(&kid));
        let seen = world.sign_in().await;
        world.assert_refused(&seen, BAD).await;
    }
    assert_eq!(world.provider.asked("jwks"), 2);
    world.advance(Duration::from_secs(16)).await;
    world.sign_in().await;
    world.sign_in().await;
    assert_eq!(world.provider.asked("jwks"), 3);
}

#[rstest]
#[case::missing(json!({}))]
#[case::null(json!({"uid": null}))]
#[case::list(json!({"uid": ["a"]}))]
#[case::object(json!({"uid": {"a": 1}}))]
#[case::boolean(json!({"uid": true}))]
#[case::fraction(json!({"uid": 1.5}))]
#[case::empty(json!({"uid": ""}))]
#[case::too_long(json!({"uid": "a".repeat(256)}))]
#[case::nul(json!({"uid": "a\u{0}b"}))]
#[case::other_case(json!({"UID": "a"}))]
#[tokio::test]
async fn subjects_that_name_no_one(#[case] mut claims: Value) {
    let world = World::with(|source| source.subject_claim = "uid".to_owned()).await;
    // A `null` in a script removes the claim; a list of one `null` represents a claim that is null.
    if claims.get("uid") == Some(&Value::Null) {
        claims = json!({"uid": [null]});
    }
    world.provider.script().claims = claims;
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
}

#[tokio::test]
async fn an_unverified_address_as_subject() {
    let world = World::with(|source| source.subject_claim = "email".to_owned()).await;
    world.provider.script().claims = json!({"email_verified": false});
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
}

#[tokio::test]
async fn another_browser_is_refused_and_the_code_is_not_redeemed() {
    let world = World::new().await;
    let victim = world.allow().await;
    let attacker = world.allow().await;
    let name = victim.cookie.split('=').next().unwrap();
    let forged = format!("{name}={}", attacker.cookie.split('=').nth(1).unwrap());
    for cookie in [
        "",
        "gatewright-sign-in-00000000=1.x",
        attacker.cookie.as_str(),
        forged.as_str(),
    ] {
        let seen = world.get(&victim.query("code=stolen"), cookie).await;
        world.assert_refused(&seen, StatusCode::FORBIDDEN).await;
    }
    assert_eq!(world.provider.asked("token"), 0);
    world.provider.script().nonce = victim.parameter("nonce");
    world.come_back(&victim).await.code();
}

#[tokio::test]
async fn states_that_are_missing_forged_or_expired() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    for query in ["code=c", "code=c&state=", "state=forged", ""] {
        let seen = world.get(query, &sign_in.cookie).await;
        world.assert_refused(&seen, BAD).await;
    }
    let forged = world.get("code=c&state=forged", &sign_in.cookie).await;
    world.assert_refused(&forged, StatusCode::FORBIDDEN).await;
    world.advance(Duration::from_secs(601)).await;
    let seen = world.come_back(&sign_in).await;
    world.assert_refused(&seen, BAD).await;
    assert!(seen.body.contains("You have 10 minutes"), "{}", seen.body);
    assert_eq!(world.provider.asked("token"), 0);
}

#[tokio::test]
async fn parameters_that_appear_twice_or_contradict() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    for rest in [
        "code=a&code=b",
        "code=a&error=access_denied",
        "code=a&state=x",
        "code=a&iss=a&iss=b",
    ] {
        let seen = world.get(&sign_in.query(rest), &sign_in.cookie).await;
        world.assert_refused(&seen, BAD).await;
    }
    assert_eq!(world.provider.asked("token"), 0);
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_any_token_request() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    for issuer in [
        "https://evil.example.com",
        &format!("{}/", world.provider.issuer()),
    ] {
        let issuer: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
        let seen = world
            .get(&sign_in.query(&format!("code=c&iss={issuer}")), &sign_in.cookie)
            .await;
        world.assert_refused(&seen, BAD).await;
    }
    assert_eq!(world.provider.asked("token"), 0);
    world.come_back(&sign_in).await.code();
}

#[tokio::test]
async fn an_issuer_that_was_announced_and_is_missing() {
    let world = World::new().await;
    world.provider.script().discovery = json!({"authorization_response_iss_parameter_supported": true});
    let sign_in = world.allow().await;
    let seen = world.come_back(&sign_in).await;
    world.assert_refused(&seen, BAD).await;
    assert_eq!(world.provider.asked("token"), 0);
}

#[tokio::test]
async fn a_person_who_says_no_is_sent_back_to_the_client() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    for _ in 0..2 {
        let seen = world
            .get(
                &sign_in.query("error=access_denied&error_description=no"),
                &sign_in.cookie,
            )
            .await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER);
        let location = seen.location.unwrap();
        assert!(
            location.starts_with("http://127.0.0.1:33418/callback?error=access_denied"),
            "{location}"
        );
        assert!(location.contains("state=client+state") || location.contains("state=client%20state"));
    }
    let seen = world.get(&sign_in.query("error=access_denied"), "").await;
    world.assert_refused(&seen, StatusCode::FORBIDDEN).await;
    // The person thinks again.
    world.come_back(&sign_in).await.code();
}

#[rstest]
#[case("error=invalid_scope")]
#[case("error=server_error&error_description=%3Cscript%3Ealert(1)%3C/script%3E")]
#[case("error=%3Cscript%3E")]
#[tokio::test]
async fn other_errors_of_the_provider_are_a_page_that_repeats_nothing(#[case] rest: &str) {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let seen = world.get(&sign_in.query(rest), &sign_in.cookie).await;
    world.assert_refused(&seen, BAD).await;
    assert!(!seen.body.contains("<script") && !seen.body.contains("invalid_scope"));
    let without_state = world.get(rest, &sign_in.cookie).await;
    world.assert_refused(&without_state, BAD).await;
}

#[tokio::test]
async fn an_answer_that_is_posted_is_a_page_with_a_reference() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let code = sign_in.provider_code();
    let posted = Request::post("/oauth2/intermediate_callback")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(sign_in.query(&format!("code={code}"))))
        .unwrap();
    let seen = world.send(posted).await;
    world.assert_refused(&seen, BAD).await;
    let (_, failure) = world.refusal(seen.reference()).await;
    assert!(failure.advice.contains("response mode"), "{failure:?}");
    // Its code belongs only to this sign-in.
    let other = world.allow().await;
    let stolen = world
        .get(&other.query(&format!("code={code}")), &other.cookie)
        .await;
    world.assert_refused(&stolen, BAD).await;
    assert_eq!(world.provider.asked("token"), 0);
    world.provider.script().nonce = sign_in.parameter("nonce");
    world.come_back(&sign_in).await.code();
}

#[tokio::test]
async fn an_empty_error_beside_a_code_is_not_an_error() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let query = sign_in.query("error=&error_description=&code=c");
    world.get(&query, &sign_in.cookie).await.code();
}

#[tokio::test]
async fn a_source_that_changed_in_between() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    world
        .edit_source(|source| {
            source.subject_claim = "oid".to_owned();
            source.identity_epoch += 1;
        })
        .await;
    let seen = world.come_back(&sign_in).await;
    world.assert_refused(&seen, BAD).await;
    assert_eq!(world.provider.asked("token"), 0);
}

#[tokio::test]
async fn a_blocked_user_gets_a_page_and_no_code() {
    let world = World::new().await;
    world.sign_in().await.code();
    let user = world.users().await.remove(0);
    let mut tx = world.app.store.write().await.unwrap();
    let project = world.source.project_id;
    assert!(
        gatewright_store::user::set_status(&mut tx, project, user.id, UserStatus::Blocked)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    world.advance(Duration::from_secs(1)).await;
    let seen = world.sign_in().await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert_eq!(seen.location, None);
    assert_eq!(world.users().await[0].last_sign_in_at, user.last_sign_in_at);
}

#[tokio::test]
async fn an_answer_without_an_id_token() {
    let world = World::new().await;
    world.provider.script().answer = json!({"id_token": null});
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
}
