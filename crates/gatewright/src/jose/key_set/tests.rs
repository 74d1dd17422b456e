//! Which keys are read, and which of them verify what.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::jose::signer::{Signer, SignerKind};

const MESSAGE: &[u8] = b"header.payload";

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn named(name: &str) -> SignatureAlgorithm {
    SignatureAlgorithm::named(name).unwrap()
}

#[rstest]
#[case(SignerKind::Rsa, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])]
#[case(SignerKind::P256, &["ES256"])]
#[case(SignerKind::P384, &["ES384"])]
#[case(SignerKind::Ed25519, &["EdDSA", "Ed25519"])]
fn every_accepted_algorithm_verifies_with_its_kind_of_key_only(
    #[case] kind: SignerKind,
    #[case] algorithms: &[&str],
) {
    let signer = Signer::new(kind, Some("k1"));
    let keys = set(&[signer.jwk()]);
    for (name, ..) in ACCEPTED {
        let algorithm = named(name);
        if algorithms.contains(&name) {
            let signature = signer.sign(MESSAGE, algorithm.algorithm);
            assert_eq!(
                keys.verify(algorithm, Some("k1"), MESSAGE, &signature),
                Verification::Good,
                "{name}"
            );
            assert_eq!(
                keys.verify(algorithm, Some("k1"), b"other", &signature),
                Verification::Bad,
                "{name}"
            );
        } else {
            assert_eq!(
                keys.verify(algorithm, Some("k1"), MESSAGE, "AAAA"),
                Verification::NoKey,
                "{name}"
            );
        }
    }
}

#[rstest]
#[case("none")]
#[case("HS256")]
#[case("HS384")]
#[case("HS512")]
#[case("ES512")]
#[case("rs256")]
#[case("RSA1_5")]
#[case("")]
fn no_other_algorithm_is_known(#[case] name: &str) {
    assert_eq!(SignatureAlgorithm::named(name), None);
}

#[test]
fn a_key_that_states_another_algorithm_does_not_fit() {
    let signer = Signer::new(SignerKind::Rsa, None);
    let mut jwk = signer.jwk();
    jwk["alg"] = json!("RS512");
    let signature = signer.sign(MESSAGE, Algorithm::RS256);
    assert_eq!(
        set(&[jwk.clone()]).verify(named("RS256"), None, MESSAGE, &signature),
        Verification::NoKey
    );
    jwk["alg"] = json!("RS256");
    assert_eq!(
        set(&[jwk]).verify(named("RS256"), None, MESSAGE, &signature),
        Verification::Good
    );
}

#[test]
fn kid_picks_a_key_and_its_absence_tries_all() {
    let (first, second) = (
        Signer::new(SignerKind::P256, Some("a")),
        Signer::new(SignerKind::P256, Some("b")),
    );
    let keys = set(&[first.jwk(), second.jwk()]);
    let signature = second.sign(MESSAGE, Algorithm::ES256);
    assert_eq!(
        keys.verify(named("ES256"), Some("b"), MESSAGE, &signature),
        Verification::Good
    );
    assert_eq!(
        keys.verify(named("ES256"), None, MESSAGE, &signature),
        Verification::Good
    );
    assert_eq!(
        keys.verify(named("ES256"), Some("a"), MESSAGE, &signature),
        Verification::Bad
    );
    assert_eq!(
        keys.verify(named("ES256"), Some("c"), MESSAGE, &signature),
        Verification::NoKey
    );
}

#[test]
fn a_kid_falls_back_to_keys_without_one() {
    let signer = Signer::new(SignerKind::Ed25519, None);
    let signature = signer.sign(MESSAGE, Algorithm::EdDSA);
    let keys = set(&[signer.jwk()]);
    assert_eq!(
        keys.verify(named("EdDSA"), Some("any"), MESSAGE, &signature),
        Verification::Good
    );
}

#[test]
fn stripped_zeros_and_padding_are_forgiven() {
    let x = vec![7_u8; 31];
    let key = point(Some(x.clone()), Some(vec![9; 32]), 32).unwrap();
    let padded: Vec<u8> = [&[4, 0][..], &x, &[9; 32]].concat();
    assert_eq!(key.try_get_as_bytes().unwrap(), padded);
    assert!(point(Some(vec![1; 33]), Some(vec![1; 32]), 32).is_err());
}

#[rstest]
#[case(json!({"kty": "oct", "k": "c2VjcmV0"}), "is a symmetric key")]
#[case(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "is an RSA key of less than 2048 bits")]
#[case(json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}), "is on a curve that is not accepted")]
#[case(json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}), "is not for signatures (`use`)")]
#[case(json!({"kty": "RSA", "key_ops": ["encrypt"]}), "is not for signatures (`key_ops`)")]
#[case(json!({"kty": "RSA", "alg": "RSA-OAEP"}), "is for an algorithm that is not accepted (`alg`)")]
#[case(json!("text"), "is of an unknown type (`kty`)")]
fn unusable_keys_are_left_out_with_a_reason(#[case] jwk: Value, #[case] reason: &'static str) {
    let good = Signer::new(SignerKind::P256, None);
    let keys = set(&[jwk.clone(), good.jwk(), jwk]);
    assert_eq!(keys.unusable(), [reason]);
    assert!(keys.is_usable());
}

#[test]
fn what_is_not_a_key_set_is_not_read_as_an_empty_one() {
    for body in [&b"<html>"[..], b"{}", b"[]", br#"{"keys": {}}"#] {
        assert!(KeySet::parse(body).is_none());
    }
    assert!(!KeySet::parse(br#"{"keys": []}"#).unwrap().is_usable());
}

proptest::proptest! {
    #[test]
    fn reading_any_set_never_panics(n in "[A-Za-z0-9_=-]{0,40}", kty in "(RSA|EC|OKP|oct|x)", crv in "(P-256|P-384|Ed25519|x)") {
        let keys = set(&[json!({"kty": kty, "crv": crv, "n": n, "e": n, "x": n, "y": n})]);
        let _ = keys.verify(named("ES256"), None, MESSAGE, &n);
    }
}
