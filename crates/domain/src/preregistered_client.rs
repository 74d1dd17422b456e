//! Clients that an administrator registered at a gateway, for programs that cannot register themselves and
//! for gateways that accept only such clients.

use std::time::Duration;

use gatewright_oauth::{
    client_authentication::Method, client_metadata::MAX_REDIRECT_URIS, redirect_uri::RedirectUri,
};

use crate::{
    Invalid, Timestamp,
    id::{ClientId, GatewayId, ProjectId},
    project::check_name,
    token_hash::TokenHash,
};

/// The longest time a replaced secret may stay valid, in seconds: a month is enough for the slowest roll-out.
pub const MAX_OVERLAP_SECONDS: u32 = 30 * 86_400;

/// How long it stays valid by default, in seconds.
pub const DEFAULT_OVERLAP_SECONDS: u32 = 86_400;

/// A client as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreregisteredClient {
    /// Its ID: the `client_id` it sends, and the one in tokens.
    pub id: ClientId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// The one gateway it belongs to.
    pub gateway_id: GatewayId,
    /// What people call it, 1-80 characters; the consent page shows it.
    pub name: String,
    /// Its redirect URIs; at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it authenticates. The kind never changes.
    pub proof: ClientProof,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl PreregisteredClient {
    /// Its redirect URIs, as typed.
    pub fn redirect_uri_texts(&self) -> Vec<&str> {
        self.redirect_uris.iter().map(RedirectUri::as_str).collect()
    }
}

/// Reads stored redirect URIs. They are checked again, because today's rules decide where redirects may go;
/// those that no longer pass are left out.
pub fn stored_redirect_uris(texts: &[String]) -> Vec<RedirectUri> {
    texts
        .iter()
        .filter_map(|text| RedirectUri::parse(text).ok())
        .collect()
}

/// How a pre-registered client authenticates at the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    /// Not at all: a public client.
    Public,
    /// With a secret.
    Secret {
        /// Where it says it sends the secret. Both places are accepted: clients mix them up.
        place: SecretPlace,
        /// What the secret is compared with.
        hashes: ClientSecretHashes,
    },
    /// With a JWT signed with its own key.
    Key {
        /// Its public keys: a JWK set (RFC 7517 section 5) as text.
        jwks: String,
    },
}

/// Where a client sends its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPlace {
    /// In the `Authorization` header: `client_secret_basic`.
    Header,
    /// In the body: `client_secret_post`.
    Body,
}

impl ClientProof {
    /// From the name of the method, with its hashes or keys; `None` if they do not match.
    pub fn from_stored(
        method: &str,
        hashes: Option<ClientSecretHashes>,
        jwks: Option<String>,
    ) -> Option<Self> {
        let secret = |place| hashes.map(|hashes| Self::Secret { place, hashes });
        match Method::from_name(method)? {
            Method::None => Some(Self::Public),
            Method::ClientSecretBasic => secret(SecretPlace::Header),
            Method::ClientSecretPost => secret(SecretPlace::Body),
            Method::PrivateKeyJwt => jwks.map(|jwks| Self::Key { jwks }),
        }
    }

    /// Its public keys, if it signs.
    pub fn jwks(&self) -> Option<&str> {
        match self {
            Self::Public | Self::Secret { .. } => None,
            Self::Key { jwks } => Some(jwks),
        }
    }

    /// The hashes of its secret, if it has one.
    pub const fn hashes(&self) -> Option<&ClientSecretHashes> {
        match self {
            Self::Public | Self::Key { .. } => None,
            Self::Secret { hashes, .. } => Some(hashes),
        }
    }

    /// The method, as metadata names it (RFC 7591 section 2).
    pub const fn method(&self) -> Method {
        match self {
            Self::Public => Method::None,
            Self::Secret {
                place: SecretPlace::Header,
                ..
            } => Method::ClientSecretBasic,
            Self::Secret {
                place: SecretPlace::Body,
                ..
            } => Method::ClientSecretPost,
            Self::Key { .. } => Method::PrivateKeyJwt,
        }
    }
}

/// The hashes of a client's secret and, for a while after a rotation, of the previous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecretHashes {
    /// The hash of the current secret.
    pub current: TokenHash,
    /// When the current secret was created.
    pub changed_at: Timestamp,
    /// The hash of the previous secret, and until when it is valid.
    pub previous: Option<(TokenHash, Timestamp)>,
}

impl ClientSecretHashes {
    /// Whether `presented` is the current secret, or the previous one while that is valid.
    pub fn accept(&self, presented: &str, now: Timestamp) -> bool {
        let previous = self.previous.filter(|(_, until)| now < *until);
        self.current.matches(presented) || previous.is_some_and(|(hash, _)| hash.matches(presented))
    }

    /// The hashes after a rotation: the current secret becomes the previous one and stays valid for `overlap`.
    #[must_use]
    pub fn rotated(&self, next: TokenHash, now: Timestamp, overlap: Duration) -> Self {
        Self {
            current: next,
            changed_at: now,
            previous: (!overlap.is_zero()).then(|| (self.current, now.plus(overlap))),
        }
    }
}

/// Checks the fields that an administrator enters: the name, trimmed, and the redirect URIs.
pub fn check_fields(name: &str, redirect_uris: &[String]) -> Result<(String, Vec<RedirectUri>), Invalid> {
    let mut invalid = Invalid::default();
    let name = invalid.take(check_name("/name", name));
    if redirect_uris.is_empty() || redirect_uris.len() > MAX_REDIRECT_URIS {
        invalid.add(
            "/redirect_uris",
            format!("Enter 1 to {MAX_REDIRECT_URIS} redirect URIs, as listed in the client's documentation."),
        );
    }
    let mut read = Vec::new();
    for (index, text) in redirect_uris.iter().enumerate().take(MAX_REDIRECT_URIS) {
        match RedirectUri::parse(text) {
            Ok(uri) => read.push(uri),
            Err(error) => invalid.add(
                format!("/redirect_uris/{index}"),
                format!(
                    "This cannot be used as a redirect URI: {error}. Enter it as the client uses it, like \
                     `https://app.example.com/callback` or `http://127.0.0.1/callback` (any port matches there)."
                ),
            ),
        }
    }
    invalid.into_result()?;
    Ok((name.expect("a name without violations was read"), read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_secret_works_for_its_overlap_and_no_longer() {
        let at = Timestamp::from_seconds;
        let first = ClientSecretHashes {
            current: TokenHash::of("one"),
            changed_at: at(0),
            previous: None,
        };
        let second = first.rotated(TokenHash::of("two"), at(100), Duration::from_mins(1));
        assert!(second.accept("two", at(100)) && second.accept("one", at(159)));
        assert!(!second.accept("one", at(160)) && !second.accept("three", at(100)));
        let third = second.rotated(TokenHash::of("three"), at(120), Duration::ZERO);
        assert!(third.accept("three", at(120)));
        assert!(!third.accept("two", at(120)) && !third.accept("one", at(120)));
    }

    #[test]
    fn every_wrong_field_is_reported() {
        let uris = [
            "https://app.example/cb".to_owned(),
            "http://127.0.0.1/".to_owned(),
        ];
        let (name, read) = check_fields(" App ", &uris).unwrap();
        assert_eq!((name.as_str(), read.len()), ("App", 2));
        let pointers = |name: &str, uris: &[String]| -> Vec<String> {
            let invalid = check_fields(name, uris).unwrap_err();
            invalid.violations().iter().map(|v| v.pointer.clone()).collect()
        };
        assert_eq!(pointers("", &[]), ["/name", "/redirect_uris"]);
        let bad = [
            "https://app.example/cb".to_owned(),
            "javascript:alert(1)".to_owned(),
            "http://app.example/cb".to_owned(),
            "https://app.example/cb?code=x".to_owned(),
            "myapp://cb".to_owned(),
        ];
        let expected = [1, 2, 3, 4].map(|index| format!("/redirect_uris/{index}"));
        assert_eq!(pointers("App", &bad), expected);
        let many = vec!["https://app.example/cb".to_owned(); MAX_REDIRECT_URIS + 1];
        assert_eq!(pointers("App", &many), ["/redirect_uris"]);
    }
}
