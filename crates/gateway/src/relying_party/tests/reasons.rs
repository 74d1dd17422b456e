//! What an administrator finds in the log when a sign-in was refused: the exact reason, and which setting to change. Each
//! sees a page and that nothing was stored, too, and that no line has more of what was sent than it should.

use http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::relying_party::testing::{Log, SECRET, Signer, SignerKind, TokenRule, World};

const BAD: StatusCode = StatusCode::BAD_REQUEST;

/// What is in no line, whatever happens.
fn assert_discreet(log: &Log) {
    let text = log.text();
    for told in [SECRET, "provider-code-", "an access token", "alice@example.com"] {
        assert!(!text.contains(told), "{told:?} is in the log:\n{text}");
    }
}

#[rstest]
#[case::shared_secret(json!({"alg": "HS512"}), &["HS512", "signature algorithm", "RS256"])]
#[case::unsigned(json!({"alg": "none"}), &["none", "signature algorithm"])]
#[case::unpublished_key(json!({"alg": "ES256", "kid": "k7"}), &["k7", "jwks_uri"])]
#[case::extension(json!({"alg": "ES256", "kid": "k1", "crit": ["b64"]}), &["crit", "header extensions"])]
#[tokio::test]
async fn a_signature_that_cannot_be_accepted(#[case] header: Value, #[case] told: &[&str]) {
    let log = Log::listen();
    let world = World::new().await;
    world.provider.script().header = Some(header);
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
    let failure = log.failure();
    assert!(told.iter().all(|word| failure.contains(word)), "{failure}");
    assert_discreet(&log);
}

#[rstest]
#[case::clock_ahead(json!({"iat": 1_800_000_600}), &["600", "clocks"])]
#[case::clock_behind(json!({"iat": 1_799_996_399}), &["3601", "clocks"])]
#[case::expired(json!({"exp": 1_799_999_400}), &["600", "clocks"])]
#[case::text_time(json!({"exp": "soon"}), &["`exp`", "OpenID Connect"])]
#[case::issuer_with_a_slash(json!({"iss": "SLASH"}), &["slash"])]
#[case::audience(json!({"aud": "another"}), &["`aud`", "client id"])]
#[case::nonce(json!({"nonce": null}), &["nonce"])]
#[case::token_hash(json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), &["at_hash"])]
#[case::subject(json!({"sub": ["alice"]}), &["`sub`"])]
#[tokio::test]
async fn a_claim_that_cannot_be_accepted(#[case] mut claims: Value, #[case] told: &[&str]) {
    let log = Log::listen();
    let world = World::new().await;
    if claims["iss"] == "SLASH" {
        claims["iss"] = json!(format!("{}/", world.provider.issuer()));
    }
    world.provider.script().claims = claims;
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
    let failure = log.failure();
    assert!(told.iter().all(|word| failure.contains(word)), "{failure}");
    assert_discreet(&log);
}

#[rstest]
#[case::the_standard_word("invalid_grant", 400, "invalid_grant")]
#[case::a_word_of_the_vendors("bad_verification_code", 200, "bad_verification_code")]
#[case::another_status("expired_code", 403, "expired_code")]
#[case::a_long_story("<script>alert(1)</script>", 400, "400")]
#[tokio::test]
async fn a_code_that_the_provider_does_not_take(
    #[case] error: &str,
    #[case] status: u16,
    #[case] told: &str,
) {
    let log = Log::listen();
    let world = World::new().await;
    world.provider.script().token_rule = TokenRule::Always(status, error.to_owned());
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
    assert!(!seen.body.contains(error), "{seen:?}");
    assert!(log.failure().contains(told), "{}", log.failure());
    assert_eq!(
        world.provider.asked("token"),
        1,
        "nothing is said against the secret"
    );
    assert_discreet(&log);
}

#[rstest]
#[case(400, "invalid_client")]
#[case(401, "invalid_client")]
#[case(403, "invalid_client")]
#[case(400, "unauthorized_client")]
#[case(401, "unauthorized_client")]
#[case(403, "unauthorized_client")]
#[tokio::test]
async fn a_client_secret_that_the_provider_does_not_take(#[case] status: u16, #[case] error: &'static str) {
    let log = Log::listen();
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.client_refusal = (status, error);
        script.secrets.clear();
    }
    let seen = world.sign_in().await;
    world.assert_refused(&seen, BAD).await;
    let failure = log.failure();
    let reason = format!("the provider refused the client credentials (HTTP {status}, {error})");
    assert!(
        failure.contains(&reason) && failure.contains("Enter the client secret again"),
        "{failure}"
    );
    assert_discreet(&log);
    // And if there is another secret to fall back on, users do not notice.
    let newest = world.seal("not known there");
    let previous = world.seal(SECRET);
    world
        .edit_source(|source| {
            source.client_secret.current = newest;
            source.client_secret.previous = Some(previous);
        })
        .await;
    world.provider.script().secrets = vec![SECRET.to_owned()];
    world.sign_in().await.code();
}

#[tokio::test]
async fn a_refusal_without_state_is_distinguished_from_an_incomplete_answer() {
    let log = Log::listen();
    let world = World::new().await;
    let sign_in = world.allow().await;
    let seen = world.get("error=access_denied", &sign_in.cookie).await;
    world.assert_refused(&seen, BAD).await;
    assert!(seen.body.contains("did not sign you in"), "{seen:?}");
    assert!(log.failure().contains("access_denied"), "{}", log.failure());
    world.come_back(&sign_in).await.code();
}

#[tokio::test]
async fn a_signed_userinfo_answer_that_does_not_verify_is_left_aside() {
    let log = Log::listen();
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.claims = json!({"name": null, "email": null});
        script.signed_userinfo = Some(Signer::new(SignerKind::P256, Some("k1")));
    }
    world.sign_in().await.code();
    assert_eq!(world.users().await[0].display_name, None);
    assert!(
        log.text().contains("continuing without userinfo"),
        "{}",
        log.text()
    );
}
