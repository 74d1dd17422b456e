//! `private_key_jwt`: a client authenticates with a JWT it signed (RFC 7523 sections 2.2 and 3; OpenID Connect Core
//! section 9). This checks its claims; the holder of the keys checks its signature.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The one value of `client_assertion_type` (RFC 7523 section 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The accepted signature algorithms, by their JOSE names: only asymmetric ones.
pub const SIGNING_ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519",
];

/// How far ahead an assertion may expire. Libraries use one to five minutes; used assertions are remembered this long.
const MAX_LIFE_SECONDS: i64 = 600;

/// How far off a client's clock can be.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// The maximum length of a `jti` in bytes: libraries use a UUID.
const MAX_ID_BYTES: usize = 256;

/// The expected claims of an assertion.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The client that claims to send it.
    pub client_id: &'a str,
    /// The gateway's URL.
    pub issuer: &'a str,
    /// The current time, in seconds since the epoch.
    pub now: i64,
}

/// What is kept of a valid assertion for this gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionClaims {
    /// Its ID, by which a second use is refused.
    pub jti: String,
    /// When it expires, in seconds since the epoch.
    pub refused_from: i64,
}

/// Why an assertion is not accepted. Contains nothing that the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Its header says that it is another kind of token.
    #[error("its `typ` is that of another kind of token")]
    Kind,
    /// `iss` or `sub` is not the client.
    #[error("`iss` and `sub` must both be the client_id")]
    Client,
    /// `aud` is missing, another server, or several values.
    #[error("`aud` must be only the issuer of this gateway or its token endpoint")]
    Audience,
    /// `exp` is missing or not a number.
    #[error("`exp` must be a time in seconds")]
    Expiry,
    /// Past `exp`.
    #[error("it has expired; check the clock")]
    Expired,
    /// `exp` is too far ahead.
    #[error("`exp` may be at most ten minutes ahead")]
    LivesTooLong,
    /// `iat` or `nbf` is in the future.
    #[error("it is dated in the future; check the clock")]
    Future,
    /// `jti` is missing, empty or too long.
    #[error("`jti` must be a string of 1 to 256 characters, different each time")]
    Id,
}

/// Checks the claims of an assertion whose signature has been checked.
pub fn check(
    typ: Option<&str>,
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<AssertionClaims, AssertionError> {
    // The last is what the revision of RFC 7523 asks for; most clients keep the first or send nothing.
    let is_kind = |typ: &str| {
        let kinds = ["JWT", "client-authentication+jwt"];
        kinds.iter().any(|kind| typ.eq_ignore_ascii_case(kind))
    };
    if !typ.is_none_or(is_kind) {
        return Err(AssertionError::Kind);
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.client_id) || text("sub") != Some(expected.client_id) {
        return Err(AssertionError::Client);
    }
    if !is_audience(claims.get("aud"), expected.issuer) {
        return Err(AssertionError::Audience);
    }
    let expires = seconds(claims.get("exp")).ok_or(AssertionError::Expiry)?;
    let refused_from = expires.saturating_add(CLOCK_SKEW_SECONDS);
    if expected.now >= refused_from {
        return Err(AssertionError::Expired);
    }
    if expires.saturating_sub(expected.now) > MAX_LIFE_SECONDS + CLOCK_SKEW_SECONDS {
        return Err(AssertionError::LivesTooLong);
    }
    for name in ["iat", "nbf"] {
        let lies_ahead = |at: i64| at > expected.now.saturating_add(CLOCK_SKEW_SECONDS);
        if seconds(claims.get(name)).is_some_and(lies_ahead) {
            return Err(AssertionError::Future);
        }
    }
    let jti = text("jti").filter(|jti| !jti.is_empty() && jti.len() <= MAX_ID_BYTES);
    Ok(AssertionClaims {
        jti: jti.ok_or(AssertionError::Id)?.to_owned(),
        refused_from,
    })
}

/// The issuer, as the revision of RFC 7523 requires, or the token endpoint, as OpenID Connect Core section 9 does. Only one
/// audience: an assertion that is also valid elsewhere could be replayed from there.
fn is_audience(audience: Option<&Value>, issuer: &str) -> bool {
    let sole = match audience {
        Some(Value::Array(list)) if list.len() == 1 => list[0].as_str(),
        Some(value) => value.as_str(),
        None => None,
    };
    let endpoint = sole.and_then(|sole| sole.strip_prefix(issuer));
    matches!(endpoint, Some("" | "/oauth2/token"))
}

/// A `NumericDate` (RFC 7519 section 2), fractions dropped.
fn seconds(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, which is right for absurd times, and a JSON number is never NaN"
    )]
    let whole = |number: f64| number.floor() as i64;
    value.as_i64().or_else(|| value.as_f64().map(whole))
}

/// The client that an assertion claims to come from, unverified: a request that authenticates this way may leave out
/// `client_id` (RFC 7521 section 4.2).
pub fn claimed_client(assertion: &str) -> Option<String> {
    let payload = assertion.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
    claims.get("sub").and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://gw.example/mcp/acme";
    const CLIENT: &str = "https://app.example/client.json";

    /// The outcome for the usual claims with `changes` merged in; a `null` removes a claim.
    fn with(changes: &Value) -> Result<AssertionClaims, AssertionError> {
        let mut claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 300, "iat": NOW, "jti": "1",
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let expected = Expected {
            client_id: CLIENT,
            issuer: ISSUER,
            now: NOW,
        };
        check(Some("JWT"), claims.as_object().unwrap(), &expected)
    }

    #[test]
    fn what_clients_send_is_accepted() {
        for changes in [
            json!({}),
            json!({"aud": [ISSUER]}),
            json!({"aud": format!("{ISSUER}/oauth2/token")}),
            json!({"iat": null}),
            json!({"iat": NOW + 30, "nbf": NOW + 30}),
            json!({"exp": NOW - 30}),
            json!({"exp": 1_800_000_300.5}),
            json!({"jti": "x".repeat(256)}),
        ] {
            assert!(with(&changes).is_ok(), "{changes}");
        }
        let accepted = with(&json!({"jti": "abc"})).unwrap();
        assert_eq!((accepted.jti.as_str(), accepted.refused_from), ("abc", NOW + 360));
    }

    #[test]
    fn what_is_not_meant_for_this_gateway_now_is_refused() {
        use AssertionError as E;
        for (changes, error) in [
            (json!({"iss": "https://evil.example/c"}), E::Client),
            (json!({"sub": "https://evil.example/c"}), E::Client),
            (json!({"sub": null}), E::Client),
            (json!({"aud": null}), E::Audience),
            (json!({"aud": "https://gw.example/mcp/other"}), E::Audience),
            (json!({"aud": format!("{ISSUER}/")}), E::Audience),
            (json!({"aud": format!("{ISSUER}2")}), E::Audience),
            (json!({"aud": [ISSUER, "https://other.example"]}), E::Audience),
            (json!({"aud": []}), E::Audience),
            (json!({"exp": null}), E::Expiry),
            (json!({"exp": "soon"}), E::Expiry),
            (json!({"exp": NOW - 60}), E::Expired),
            (json!({"exp": NOW + 661}), E::LivesTooLong),
            (json!({"exp": i64::MAX}), E::LivesTooLong),
            (json!({"iat": NOW + 61}), E::Future),
            (json!({"nbf": NOW + 61}), E::Future),
            (json!({"jti": null}), E::Id),
            (json!({"jti": ""}), E::Id),
            (json!({"jti": 7}), E::Id),
            (json!({"jti": "x".repeat(257)}), E::Id),
        ] {
            assert_eq!(with(&changes), Err(error), "{changes}");
        }
    }

    #[test]
    fn another_kind_of_token_is_not_an_assertion() {
        let claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 300, "jti": "1"});
        let expected = Expected {
            client_id: CLIENT,
            issuer: ISSUER,
            now: NOW,
        };
        let of_kind = |typ| check(typ, claims.as_object().unwrap(), &expected);
        for typ in [None, Some("jwt"), Some("client-authentication+jwt")] {
            assert!(of_kind(typ).is_ok(), "{typ:?}");
        }
        for typ in ["at+jwt", "gatewright-assertion+jwt", "logout+jwt"] {
            assert_eq!(of_kind(Some(typ)), Err(AssertionError::Kind), "{typ}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_looked_into_without_panic(text in ".{0,200}") {
            let _ = claimed_client(&text);
        }
    }
}
