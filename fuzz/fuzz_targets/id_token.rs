//! ID tokens: the first line is the token, the rest the provider's key set; or the whole is the claims.

#![no_main]

use gatewright_identity::fuzzing::{Accepted, CLIENT_ID, ISSUER, NONCE, NOW, claims, id_token};
use gatewright_fuzz::first_line;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// A token of a key that has been thrown away, and the set that published it: no other message has its signature.
const SIGNED: &str = include_str!("../seeds/id_token/signed");

fn must_hold((claims, sub): &Accepted) {
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["nonce"], NONCE);
    match &claims["aud"] {
        Value::Array(audiences) => assert!(audiences.iter().any(|audience| audience == CLIENT_ID)),
        audience => assert_eq!(audience, CLIENT_ID),
    }
    assert!(claims.get("azp").is_none_or(|party| party == CLIENT_ID));
    assert!(
        claims["exp"]
            .as_f64()
            .is_some_and(|time| time > (NOW - 600) as f64)
    );
    assert!(
        claims["iat"]
            .as_f64()
            .is_some_and(|time| (time - NOW as f64).abs() < 600.0)
    );
    assert!(!sub.is_empty() && sub.chars().count() <= 255 && !sub.chars().any(char::is_control));
    match &claims["sub"] {
        Value::String(text) => assert_eq!(text, sub),
        other => assert_eq!(&other.to_string(), sub),
    }
}

fn message(token: &str) -> &str {
    token.rsplit_once('.').map_or("", |(message, _)| message)
}

fuzz_target!(|data: &[u8]| {
    if let Some(accepted) = claims(data) {
        must_hold(&accepted);
    }
    let Some((token, keys)) = first_line(data) else {
        return;
    };
    if let Some(accepted) = id_token(token, keys) {
        must_hold(&accepted);
        assert!(!message(token).is_empty());
    }
    let (signed, published) = SIGNED.split_once('\n').expect("the seed has two parts");
    if let Some(accepted) = id_token(token, published.as_bytes()) {
        must_hold(&accepted);
        assert_eq!(message(token), message(signed), "a forgery");
    }
});
