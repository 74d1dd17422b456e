//! Each rule for ID tokens, beside the token that keeps it.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::jose::{
    key_set::Owner,
    signer::{Signer, SignerKind, encode},
};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com/tenant";
const CLIENT: &str = "client-1";

/// A signer and the key set that publishes it.
fn provider() -> (Signer, KeySet) {
    let signer = Signer::new(SignerKind::P256, Some("k1"));
    let published = json!({"keys": [signer.jwk()]}).to_string();
    let keys = KeySet::parse(Owner::Provider, published.as_bytes()).unwrap();
    (signer, keys)
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": CLIENT, "sub": "alice", "nonce": "n", "iat": NOW, "exp": NOW + 300})
}

fn check(token: &str, keys: &KeySet, access_token: Option<&str>) -> Result<IdToken, IdTokenError> {
    UnverifiedToken::parse(token)?.verify(keys)?.check(&Expected {
        issuer: ISSUER,
        client_id: CLIENT,
        nonce: "n",
        access_token,
        now: Timestamp::from_seconds(NOW),
    })
}

/// The outcome for the usual claims with `changes` merged in; a `null` removes a claim.
fn with(changes: &Value) -> Result<IdToken, IdTokenError> {
    let (signer, keys) = provider();
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    check(&signer.token(&claims), &keys, Some("the access token"))
}

#[rstest]
#[case::as_it_is(json!({}))]
#[case::audience_list(json!({"aud": [CLIENT]}))]
#[case::several_audiences(json!({"aud": ["other", CLIENT], "azp": CLIENT}))]
#[case::several_audiences_without_azp(json!({"aud": ["other", CLIENT]}))]
#[case::azp(json!({"azp": CLIENT}))]
#[case::integer_sub(json!({"sub": 42}))]
#[case::fractional_times(json!({"iat": 1_800_000_000.5, "exp": 1_800_000_300.25}))]
#[case::clock_ahead(json!({"iat": NOW + 60, "nbf": NOW + 60}))]
#[case::clock_behind(json!({"iat": NOW - 60}))]
#[case::dated_back(json!({"iat": NOW - 600, "nbf": NOW - 600}))]
#[case::expired_within_skew(json!({"exp": NOW - 60}))]
#[case::at_hash(json!({"at_hash": half_hash(SignatureAlgorithm::named("ES256").unwrap(), "the access token")}))]
#[case::unknown_claims(json!({"session_state": "x", "groups": ["a", "b"]}))]
fn good_tokens_pass(#[case] changes: Value) {
    with(&changes).unwrap();
}

#[rstest]
#[case(json!({"iss": null}), IdTokenError::Issuer(IssuerDifference::Missing))]
#[case(json!({"iss": "https://idp.example.com/tenant/"}), IdTokenError::Issuer(IssuerDifference::ProviderHasSlash))]
#[case(json!({"iss": "https://IDP.example.com/tenant"}), IdTokenError::Issuer(IssuerDifference::Case))]
#[case(json!({"iss": "https://idp.example.com/other"}), IdTokenError::Issuer(IssuerDifference::Other))]
#[case(json!({"aud": null}), IdTokenError::Audience)]
#[case(json!({"aud": "other"}), IdTokenError::Audience)]
#[case(json!({"aud": ["other"]}), IdTokenError::Audience)]
#[case(json!({"aud": [CLIENT, 7]}), IdTokenError::Audience)]
#[case(json!({"aud": {"a": CLIENT}}), IdTokenError::Audience)]
#[case(json!({"aud": [CLIENT, "other"], "azp": "other"}), IdTokenError::AuthorizedParty)]
#[case(json!({"azp": "other"}), IdTokenError::AuthorizedParty)]
#[case(json!({"exp": null}), IdTokenError::Time("exp"))]
#[case(json!({"exp": "1800000300"}), IdTokenError::Time("exp"))]
#[case(json!({"iat": null}), IdTokenError::Time("iat"))]
#[case(json!({"iat": true}), IdTokenError::Time("iat"))]
#[case(json!({"nbf": "soon"}), IdTokenError::Time("nbf"))]
#[case(json!({"exp": NOW - 600}), IdTokenError::Expired(600))]
#[case(json!({"iat": NOW + 600}), IdTokenError::Future(600))]
#[case(json!({"nbf": NOW + 600}), IdTokenError::Future(600))]
#[case(json!({"iat": NOW - 3_601}), IdTokenError::Stale(3_601))]
#[case(json!({"nonce": null}), IdTokenError::NonceMissing)]
#[case(json!({"nonce": ["n"]}), IdTokenError::NonceMissing)]
#[case(json!({"nonce": "another"}), IdTokenError::NonceWrong)]
#[case(json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), IdTokenError::AccessTokenHash)]
#[case(json!({"at_hash": 1}), IdTokenError::AccessTokenHash)]
#[case(json!({"sub": null}), IdTokenError::Sub(SubjectError::Missing("sub".into())))]
#[case(json!({"sub": ""}), IdTokenError::Sub(SubjectError::Empty("sub".into())))]
fn bad_claims_are_refused(#[case] changes: Value, #[case] reason: IdTokenError) {
    assert_eq!(with(&changes).unwrap_err(), reason);
}

#[test]
fn unsigned_and_symmetric_tokens_are_refused() {
    let (signer, keys) = provider();
    for algorithm in ["none", "None", "HS256", "HS512", "ES512"] {
        let token = signer.token_with(&json!({"alg": algorithm, "kid": "k1"}), &claims());
        assert_eq!(
            check(&token, &keys, None).unwrap_err(),
            IdTokenError::Algorithm(algorithm.to_owned())
        );
    }
    let unsigned = format!(
        "{}.{}.",
        encode(br#"{"alg":"none"}"#),
        encode(claims().to_string().as_bytes())
    );
    assert_eq!(
        check(&unsigned, &keys, None).unwrap_err(),
        IdTokenError::Algorithm("none".into())
    );
}

#[test]
fn another_kind_of_token_is_not_an_id_token() {
    let (signer, keys) = provider();
    let of_kind = |typ: &str| {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": typ});
        check(&signer.token_with(&header, &claims()), &keys, None)
    };
    for good in ["JWT", "jwt", "application/jwt", "id_token+jwt", ""] {
        assert!(of_kind(good).is_ok(), "{good}");
    }
    for (typ, kind) in [
        ("at+jwt", "at+jwt"),
        ("application/at+jwt", "at+jwt"),
        ("AT+JWT", "at+jwt"),
        ("logout+jwt", "logout+jwt"),
    ] {
        assert_eq!(of_kind(typ).unwrap_err(), IdTokenError::Kind(kind), "{typ}");
    }
}

#[test]
fn an_embedded_key_is_not_used_and_a_critical_extension_is_refused() {
    let (_, keys) = provider();
    let attacker = Signer::new(SignerKind::P256, Some("k1"));
    let embedded =
        json!({"alg": "ES256", "kid": "k1", "jwk": attacker.jwk(), "jku": "https://evil.example.com/jwks"});
    assert_eq!(
        check(&attacker.token_with(&embedded, &claims()), &keys, None).unwrap_err(),
        IdTokenError::Signature
    );
    let (signer, keys) = provider();
    let critical = json!({"alg": "ES256", "kid": "k1", "crit": ["exp"], "exp": NOW});
    assert_eq!(
        check(&signer.token_with(&critical, &claims()), &keys, None).unwrap_err(),
        IdTokenError::CriticalHeader
    );
}

#[test]
fn a_key_that_is_not_published_is_distinguished_from_a_wrong_signature() {
    let (_, keys) = provider();
    let stranger = Signer::new(SignerKind::P256, Some("k2"));
    assert_eq!(
        check(&stranger.token(&claims()), &keys, None).unwrap_err(),
        IdTokenError::UnknownKey("k2".into())
    );
    let impostor = Signer::new(SignerKind::P256, Some("k1"));
    assert_eq!(
        check(&impostor.token(&claims()), &keys, None).unwrap_err(),
        IdTokenError::Signature
    );
}

#[rstest]
#[case("")]
#[case("a.b")]
#[case("a.b.c")]
#[case("a.b.c.d")]
#[case("....")]
#[case("e30.e30.e30")]
fn what_is_not_a_token_is_refused(#[case] token: &str) {
    let (_, keys) = provider();
    let refused = check(token, &keys, None).unwrap_err();
    assert!(
        matches!(refused, IdTokenError::Malformed(_) | IdTokenError::Encrypted),
        "{refused}"
    );
}

#[test]
fn no_message_repeats_a_claim() {
    for name in ["iss", "aud", "azp", "nonce", "at_hash", "exp", "iat"] {
        let refused = with(&json!({name: "s3cr3t-value"})).unwrap_err();
        assert!(!refused.to_string().contains("s3cr3t-value"), "{refused}");
    }
}

#[test]
fn a_signed_userinfo_answer_is_for_this_client_where_it_says_so() {
    let signed = |claims: Value| SignedClaims {
        algorithm: SignatureAlgorithm::named("ES256").unwrap(),
        claims: claims.as_object().unwrap().clone(),
    };
    assert!(
        signed(json!({"sub": "a"}))
            .into_userinfo(ISSUER, CLIENT)
            .is_some()
    );
    assert!(
        signed(json!({"sub": "a", "iss": ISSUER, "aud": [CLIENT]}))
            .into_userinfo(ISSUER, CLIENT)
            .is_some()
    );
    assert!(
        signed(json!({"sub": "a", "iss": "other"}))
            .into_userinfo(ISSUER, CLIENT)
            .is_none()
    );
    assert!(
        signed(json!({"sub": "a", "aud": "other"}))
            .into_userinfo(ISSUER, CLIENT)
            .is_none()
    );
}

proptest::proptest! {
    #[test]
    fn taking_any_text_apart_never_panics(token in "[A-Za-z0-9_.=-]{0,120}") {
        let _ = UnverifiedToken::parse(&token);
    }

    #[test]
    fn a_changed_payload_never_verifies(position in 0_usize..200, replacement in "[A-Za-z0-9_-]") {
        let (signer, keys) = provider();
        let token = signer.token(&claims());
        let start = token.find('.').unwrap() + 1;
        let end = token.rfind('.').unwrap();
        let at = start + position % (end - start);
        let mut changed = token.clone();
        changed.replace_range(at..=at, &replacement);
        proptest::prop_assume!(changed != token);
        proptest::prop_assert!(check(&changed, &keys, None).is_err());
    }
}
