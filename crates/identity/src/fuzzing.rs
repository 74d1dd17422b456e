//! Doors for the fuzz targets of `fuzz/` to the rules that are private here. Built for the fuzzer and for tests only.

use gatewright_domain::Timestamp;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    discovery::{Document, Provider, UrlRule},
    id_token::{Expected, SignedClaims, UnverifiedToken},
    jose::key_set::{KeySet, Owner, SignatureAlgorithm},
};

/// The issuer that tokens and documents must have.
pub const ISSUER: &str = "https://idp.example.com/tenant";
/// The client id that tokens must be for.
pub const CLIENT_ID: &str = "client-1";
/// The nonce that tokens must have.
pub const NONCE: &str = "n-0S6_WzA2Mj";
/// The moment of all checks, in seconds since the epoch.
pub const NOW: i64 = 1_800_000_000;

/// What was taken from a token that was accepted: all claims, and `sub`.
pub type Accepted = (Map<String, Value>, String);

/// An ID token through all checks, against the key set a provider published.
pub fn id_token(token: &str, keys: &[u8]) -> Option<Accepted> {
    let keys = KeySet::parse(Owner::Provider, keys)?;
    check(UnverifiedToken::parse(token).ok()?.verify(&keys).ok()?)
}

/// Claims through all checks but that of the signature, which hardly any input gets past.
pub fn claims(claims: &[u8]) -> Option<Accepted> {
    let algorithm = SignatureAlgorithm::named("ES256")?;
    check(SignedClaims::unproven(
        algorithm,
        serde_json::from_slice(claims).ok()?,
    ))
}

/// The endpoints that sign-ins would use after a discovery document like this.
pub fn endpoints(document: &[u8]) -> Option<Vec<Url>> {
    let rule = UrlRule { loopback_http: false };
    let provider = Provider::from_document(&Document::parse(document)?, ISSUER, rule).ok()?;
    let mut endpoints = vec![
        provider.authorization_endpoint,
        provider.token_endpoint,
        provider.jwks_uri,
    ];
    endpoints.extend(provider.userinfo_endpoint);
    Some(endpoints)
}

fn check(claims: SignedClaims) -> Option<Accepted> {
    let expected = Expected {
        issuer: ISSUER,
        client_id: CLIENT_ID,
        nonce: NONCE,
        access_token: Some("the access token"),
        now: Timestamp::from_seconds(NOW),
    };
    let token = claims.check(&expected).ok()?;
    Some((token.claims, token.sub))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::signer::{Signer, SignerKind};

    /// A door that lets nothing through would make every run a success.
    #[test]
    fn each_door_lets_good_values_through() {
        let signer = Signer::new(SignerKind::P256, Some("k1"));
        let keys = json!({"keys": [signer.jwk()]}).to_string();
        let good = json!({"iss": ISSUER, "aud": CLIENT_ID, "sub": "a", "nonce": NONCE, "iat": NOW, "exp": NOW + 300});
        let (_, sub) = id_token(&signer.token(&good), keys.as_bytes()).unwrap();
        assert_eq!(sub, "a");
        assert!(claims(good.to_string().as_bytes()).is_some());
        assert!(claims(b"{}").is_none());
        let document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://idp.example.com/token",
            "jwks_uri": "https://idp.example.com/jwks",
        });
        assert_eq!(endpoints(document.to_string().as_bytes()).unwrap().len(), 3);
        assert!(endpoints(b"{}").is_none());
    }
}
