//! Client assertions (`private_key_jwt`): the first line is the header's `typ`, the rest the claims, as if signed; and the
//! whole as a token of which nothing is proven.

#![no_main]

use gatewright_fuzz::first_line;
use gatewright_oauth::client_assertion::{Expected, check, claimed_client};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const NOW: i64 = 1_800_000_000;
const CLIENT: &str = "https://app.example/client.json";
const GATEWAY: &str = "https://gw.example.com/mcp/acme";

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = claimed_client(text);
    }
    let Some((typ, body)) = first_line(data) else {
        return;
    };
    let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return;
    };
    let expected = Expected {
        client_id: CLIENT,
        issuer: GATEWAY,
        now: NOW,
    };
    let Ok(accepted) = check(Some(typ).filter(|typ| !typ.is_empty()), &claims, &expected) else {
        return;
    };
    assert!(!typ.eq_ignore_ascii_case("at+jwt"));
    assert_eq!((&claims["iss"], &claims["sub"]), (&CLIENT.into(), &CLIENT.into()));
    assert!(!matches!(&claims["aud"], Value::Array(list) if list.len() != 1));
    assert!(claims["aud"].to_string().contains(GATEWAY));
    assert_eq!(claims["jti"], accepted.jti);
    assert!((1..=256).contains(&accepted.jti.len()));
    // Until then its id has to be remembered.
    assert!(accepted.refused_from > NOW && accepted.refused_from <= NOW + 12 * 60);
});
