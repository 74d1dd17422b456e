//! Which keys are read, and what each of them verifies.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::jose::signer::{Signer, SignerKind};

const MESSAGE: &[u8] = b"header.payload";

fn set(keys: &[Value]) -> KeySet {
    set_of(Owner::Provider, keys)
}

fn set_of(owner: Owner, keys: &[Value]) -> KeySet {
    KeySet::parse(owner, json!({"keys": keys}).to_string().as_bytes()).unwrap()
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
fn beside_several_keys_a_client_must_name_one_and_few_are_tried() {
    let signers: Vec<_> = (0..=MAX_TRIED)
        .map(|_| Signer::new(SignerKind::P256, None))
        .collect();
    let jwks: Vec<_> = signers.iter().map(Signer::jwk).collect();
    let last_of = |owner, count: usize, kid| {
        let signature = signers[count - 1].sign(MESSAGE, Algorithm::ES256);
        set_of(owner, &jwks[..count]).verify(named("ES256"), kid, MESSAGE, &signature)
    };
    for kid in [None, Some("k1")] {
        assert_eq!(last_of(Owner::Client, 1, kid), Verification::Good);
        assert_eq!(last_of(Owner::Client, 2, kid), Verification::Ambiguous);
        assert_eq!(last_of(Owner::Provider, MAX_TRIED, kid), Verification::Good);
        assert_eq!(
            last_of(Owner::Provider, MAX_TRIED + 1, kid),
            Verification::Ambiguous
        );
    }
    // An ID that many keys share does not select more of them.
    let mut shared = jwks;
    for jwk in &mut shared {
        jwk["kid"] = json!("k1");
    }
    let signature = signers[MAX_TRIED].sign(MESSAGE, Algorithm::ES256);
    for owner in [Owner::Provider, Owner::Client] {
        let keys = set_of(owner, &shared);
        let tried = keys.verify(named("ES256"), Some("k1"), MESSAGE, &signature);
        assert_eq!(tried, Verification::Bad);
    }
}

#[test]
fn a_set_is_read_up_to_its_owners_bound_and_the_rest_is_counted() {
    let (padding, signer) = (
        Signer::new(SignerKind::P256, Some("k1")).jwk(),
        Signer::new(SignerKind::P256, Some("k2")),
    );
    let signature = signer.sign(MESSAGE, Algorithm::ES256);
    for owner in [Owner::Provider, Owner::Client] {
        for (before, unread, found) in [
            (owner.max_keys() - 1, 0, Verification::Good),
            (owner.max_keys(), 1, Verification::NoKey),
        ] {
            let mut jwks = vec![padding.clone(); before];
            jwks.push(signer.jwk());
            let keys = set_of(owner, &jwks);
            let verified = keys.verify(named("ES256"), Some("k2"), MESSAGE, &signature);
            assert_eq!((keys.unread(), verified), (unread, found), "{owner:?}");
        }
    }
}

#[test]
fn an_rsa_key_that_makes_work_is_left_out_and_one_of_4096_bits_is_read() {
    let rsa = |bytes: usize, exponent: &[u8]| {
        let modulus = vec![0xff; bytes];
        set(&[
            json!({"kty": "RSA", "n": crate::jose::signer::encode(&modulus), "e": crate::jose::signer::encode(exponent)}),
        ])
    };
    assert!(rsa(512, &[1, 0, 1]).is_usable());
    assert_eq!(
        rsa(513, &[1, 0, 1]).unusable(),
        ["is an RSA key of more than 4096 bits"]
    );
    assert_eq!(
        rsa(256, &[1, 0, 0, 0, 1]).unusable(),
        ["is an RSA key with an exponent of more than 32 bits"]
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
        assert!(KeySet::parse(Owner::Provider, body).is_none());
    }
    assert!(
        !KeySet::parse(Owner::Provider, br#"{"keys": []}"#)
            .unwrap()
            .is_usable()
    );
}

proptest::proptest! {
    #[test]
    fn reading_any_set_never_panics(n in "[A-Za-z0-9_=-]{0,40}", kty in "(RSA|EC|OKP|oct|x)", crv in "(P-256|P-384|Ed25519|x)") {
        let keys = set(&[json!({"kty": kty, "crv": crv, "n": n, "e": n, "x": n, "y": n})]);
        let _ = keys.verify(named("ES256"), None, MESSAGE, &n);
    }
}
