//! What real providers do differently and may.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rstest::rstest;
use serde_json::{Value, json};

use crate::relying_party::testing::{SignIn, Signer, SignerKind, World};

#[tokio::test]
async fn a_plain_sign_in_ends_with_a_code_and_a_user() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    assert_eq!(sign_in.url.path(), "/authorize");
    assert_eq!(
        sign_in.parameter("redirect_uri"),
        "http://127.0.0.1:8080/oauth2/intermediate_callback"
    );
    assert_eq!(sign_in.parameter("scope"), "openid profile email");
    assert!(sign_in.cookie.starts_with("gatewright-sign-in-"));
    let code = world.come_back(&sign_in).await.code();
    assert_eq!(code.len(), 43);
    let users = world.users().await;
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].key.subject, "alice");
    assert_eq!(users[0].key.claim, "sub");
    assert_eq!(users[0].key.issuer, world.provider.issuer());
    assert_eq!(users[0].display_name.as_deref(), Some("Alice"));
    let script = world.provider.script();
    let form = &script.forms[0];
    assert!(form["code"].starts_with("provider-code-"), "{}", form["code"]);
    assert_eq!(
        form["redirect_uri"],
        "http://127.0.0.1:8080/oauth2/intermediate_callback"
    );
    let challenge = gatewright_oauth::pkce::CodeChallenge::of(&form["code_verifier"]);
    assert_eq!(challenge.as_str(), sign_in.parameter("code_challenge"));
    let basic = script.authorizations[0]
        .as_ref()
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap();
    assert_eq!(STANDARD.decode(basic).unwrap(), b"client-1:correct%20horse");
    assert!(!script.asked.contains_key("userinfo"));
}

#[rstest]
#[case::audience_list(json!({"aud": ["client-1"]}), json!({}), json!({}))]
#[case::several_audiences(json!({"aud": ["client-1", "api"], "azp": "client-1"}), json!({}), json!({}))]
#[case::lower_case_type(json!({}), json!({"token_type": "bearer"}), json!({}))]
#[case::no_scope(json!({}), json!({"scope": null, "expires_in": null}), json!({}))]
#[case::session_state(json!({}), json!({"session_state": "abc", "not-before-policy": 0}), json!({}))]
#[case::no_access_token(json!({}), json!({"access_token": null}), json!({}))]
#[case::methods_unknown(json!({}), json!({}), json!({"scopes_supported": null, "response_types_supported": null}))]
#[case::post(json!({}), json!({}), json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}))]
#[case::clock_ahead(json!({"iat": 1_800_000_060}), json!({}), json!({}))]
#[case::clock_behind(json!({"iat": 1_799_999_940, "exp": 1_799_999_999}), json!({}), json!({}))]
#[case::dated_back(json!({"iat": 1_799_999_400, "nbf": 1_799_999_400, "exp": 1_800_003_300}), json!({}), json!({}))]
#[case::several_audiences_without_azp(json!({"aud": ["client-1", "api"]}), json!({}), json!({}))]
#[case::empty_error(json!({}), json!({"error": ""}), json!({}))]
#[tokio::test]
async fn providers_may_differ(#[case] claims: Value, #[case] answer: Value, #[case] discovery: Value) {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        (script.claims, script.answer, script.discovery) = (claims, answer, discovery);
    }
    world.sign_in().await.code();
    assert_eq!(world.users().await.len(), 1);
}

#[rstest]
#[case::rsa(SignerKind::Rsa, None)]
#[case::rsa_with_kid(SignerKind::Rsa, Some("rsa"))]
#[case::p384(SignerKind::P384, None)]
#[case::ed25519(SignerKind::Ed25519, Some("ed"))]
#[tokio::test]
async fn keys_of_every_kind_verify_without_alg_and_use(#[case] kind: SignerKind, #[case] kid: Option<&str>) {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        let signer = Signer::new(kind, kid);
        script.keys = vec![json!({"kty": "oct", "k": "AAAA"}), signer.jwk()];
        script.signer = signer;
    }
    world.sign_in().await.code();
}

#[tokio::test]
async fn a_token_without_kid_finds_its_key_among_several() {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        let signer = Signer::new(SignerKind::P256, Some("k9"));
        script.keys.push(signer.jwk());
        script.signer = signer;
        script.header = Some(json!({"alg": "ES256"}));
    }
    world.sign_in().await.code();
}

#[rstest]
#[case(json!({"sub": 42}), "sub", "42")]
#[case(json!({"sub": 1}), "sub", "1")]
#[case(json!({"sub": "auth0|abc"}), "sub", "auth0|abc")]
#[case(json!({"sub": "2y0-RkPBxLmF_A8mFZdRn1mYpd1s4kpcSSK1B4Nq1xw="}), "sub", "2y0-RkPBxLmF_A8mFZdRn1mYpd1s4kpcSSK1B4Nq1xw=")]
#[case(json!({"oid": "Ünï|7"}), "oid", "Ünï|7")]
#[case(json!({"email": "a@example.com", "email_verified": true}), "email", "a@example.com")]
#[tokio::test]
async fn the_subject_is_the_configured_claim(
    #[case] claims: Value,
    #[case] claim: &str,
    #[case] subject: &str,
) {
    let world = World::with(|source| source.subject_claim = claim.to_owned()).await;
    world.provider.script().claims = claims;
    world.sign_in().await.code();
    let users = world.users().await;
    assert_eq!(users[0].key.subject, subject);
    assert_eq!(users[0].key.claim, claim);
}

#[tokio::test]
async fn subjects_that_differ_in_case_are_two_people_and_a_second_sign_in_is_the_same() {
    let world = World::new().await;
    world.sign_in().await.code();
    world.sign_in().await.code();
    assert_eq!(world.users().await.len(), 1);
    world.provider.script().claims = json!({"sub": "Alice"});
    world.sign_in().await.code();
    assert_eq!(world.users().await.len(), 2);
}

#[tokio::test]
async fn userinfo_adds_what_the_id_token_lacks() {
    let world = World::new().await;
    world.provider.script().claims = json!({"name": null, "email": null});
    world.sign_in().await.code();
    let users = world.users().await;
    assert_eq!(users[0].display_name.as_deref(), Some("Alice"));
    assert_eq!(users[0].email.as_deref(), Some("alice@example.com"));
    assert_eq!(world.provider.asked("userinfo"), 1);
}

#[tokio::test]
async fn userinfo_may_come_signed() {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        let signer = Signer::new(SignerKind::P384, Some("userinfo"));
        script.keys.push(signer.jwk());
        script.claims = json!({"name": null, "email": null});
        script.userinfo =
            json!({"iss": world.provider.issuer(), "aud": "client-1", "sub": "alice", "name": "Alice"});
        script.signed_userinfo = Some(signer);
    }
    world.sign_in().await.code();
    assert_eq!(world.users().await[0].display_name.as_deref(), Some("Alice"));
}

#[rstest]
#[case::path("/tenant/v2.0")]
#[case::slash("/")]
#[case::path_and_slash("/realms/Acme/")]
#[tokio::test]
async fn an_issuer_may_have_a_path_and_end_with_a_slash(#[case] end: &str) {
    let world = World::with(|source| source.issuer.push_str(end)).await;
    let issuer = world.source.issuer.clone();
    {
        let mut script = world.provider.script();
        script.discovery = json!({"issuer": issuer, "authorization_response_iss_parameter_supported": true});
        script.claims = json!({"iss": issuer});
    }
    let sign_in = world.allow().await;
    let named: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
    let query = sign_in.query(&format!("code=c&iss={named}"));
    world.get(&query, &sign_in.cookie).await.code();
    assert_eq!(world.users().await[0].key.issuer, issuer);
}

#[tokio::test]
async fn userinfo_about_someone_else_is_not_used_and_does_no_harm() {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.claims = json!({"name": null, "email": null});
        script.userinfo = json!({"sub": "mallory", "name": "Mallory", "email": "m@example.com"});
    }
    world.sign_in().await.code();
    assert_eq!(world.users().await[0].display_name, None);
}

#[tokio::test]
async fn documents_and_keys_are_fetched_once_and_again_when_they_are_old() {
    let world = World::new().await;
    for _ in 0..3 {
        world.sign_in().await.code();
    }
    assert_eq!(
        (
            world.provider.asked("openid-configuration"),
            world.provider.asked("jwks")
        ),
        (1, 1)
    );
    world.advance(Duration::from_secs(601)).await;
    world.sign_in().await.code();
    assert_eq!(
        (
            world.provider.asked("openid-configuration"),
            world.provider.asked("jwks")
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn the_issuer_parameter_is_accepted_whether_announced_or_not() {
    for announced in [false, true] {
        let world = World::new().await;
        world.provider.script().discovery =
            json!({"authorization_response_iss_parameter_supported": announced});
        let sign_in = world.allow().await;
        let issuer: String =
            url::form_urlencoded::byte_serialize(world.provider.issuer().as_bytes()).collect();
        let query = sign_in.query(&format!("code=c&iss={issuer}&session_state=x"));
        world.get(&query, &sign_in.cookie).await.code();
    }
}

#[tokio::test]
async fn a_browser_with_many_sign_ins_in_progress_loses_its_own_oldest() {
    let world = World::new().await;
    let mut away = Vec::new();
    for _ in 0..11 {
        world.advance(Duration::from_secs(1)).await;
        let held: Vec<String> = away
            .iter()
            .map(|sign_in: &SignIn| sign_in.cookie.clone())
            .collect();
        let sign_in = world.try_allow(&held.join("; ")).await.unwrap();
        let names = held.iter().map(|cookie| cookie.split_once('=').unwrap().0);
        let oldest: Vec<&str> = names.take(sign_in.expired.len()).collect();
        assert_eq!(sign_in.expired, oldest);
        away.drain(..oldest.len());
        away.push(sign_in);
        let line: usize = away.iter().map(|sign_in| sign_in.cookie.len() + 2).sum();
        assert!(line <= 6_000, "{line}");
    }
    assert!((5..=10).contains(&away.len()), "{}", away.len());
    // The others still work.
    for sign_in in &away {
        world.provider.script().nonce = sign_in.parameter("nonce");
        world.come_back(sign_in).await.code();
    }
}

#[tokio::test]
async fn keys_that_are_rotated_in_between_are_fetched_again() {
    let world = World::new().await;
    world.sign_in().await.code();
    {
        let mut script = world.provider.script();
        let next = Signer::new(SignerKind::P256, Some("k2"));
        script.keys = vec![next.jwk()];
        script.signer = next;
    }
    world.sign_in().await.code();
    world.sign_in().await.code();
    assert_eq!(world.provider.asked("jwks"), 2);
}

#[tokio::test]
async fn an_address_the_provider_no_longer_vouches_for_is_removed() {
    let world = World::new().await;
    let email = async || world.users().await[0].email.clone();
    world.sign_in().await.code();
    assert_eq!(email().await.as_deref(), Some("alice@example.com"));
    // Saying nothing takes nothing away.
    {
        let mut script = world.provider.script();
        script.claims = json!({"email": null});
        script.userinfo = json!({"sub": "alice"});
    }
    world.sign_in().await.code();
    assert_eq!(email().await.as_deref(), Some("alice@example.com"));
    for unverified in [json!(false), json!("false")] {
        world.provider.script().claims = json!({"email_verified": true});
        world.sign_in().await.code();
        assert_eq!(email().await.as_deref(), Some("alice@example.com"));
        world.provider.script().claims = json!({"email": "boss@example.com", "email_verified": unverified});
        world.sign_in().await.code();
        assert_eq!(email().await, None);
    }
}
