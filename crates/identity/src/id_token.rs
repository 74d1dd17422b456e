//! ID tokens: the signature first, then the claims, by OpenID Connect Core section 3.1.3.7.
//!
//! Each stage is a type that only the stage before it returns: [`UnverifiedToken`], [`SignedClaims`], [`IdToken`].

use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::{Timestamp, token_hash::TokenHash};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use crate::{
    excerpt::excerpt,
    jose::{
        compact::{Jws, JwsError},
        key_set::{KeySet, SignatureAlgorithm, Verification},
    },
    subject::{self, SubjectError},
};

/// How far off a provider's clock can be. Machines that run a time service are within seconds.
const CLOCK_SKEW: Duration = Duration::from_mins(2);

/// How old an ID token can be when it arrives. `exp` decides (OpenID Connect Core section 3.1.3.7): providers date `iat`
/// back (Entra ID by five minutes) and repeat tokens for a while. More than an hour means a clock that is wrong, or a response
/// that something in between kept.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The kinds of token that are signed with the same keys and are not ID tokens (RFC 9068, RFC 8417, OpenID Connect
/// Back-Channel Logout 1.0, RFC 9449), by their `typ`. ID tokens do not have their own.
const OTHER_KINDS: [&str; 4] = ["at+jwt", "secevent+jwt", "logout+jwt", "dpop+jwt"];

/// What `typ` may begin with (RFC 7515 section 4.1.9).
const PREFIX: &str = "application/";

/// Why an ID token is not accepted. Never holds the value of a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// It is not three base64url parts with JSON objects in the first two.
    #[error("the ID token is not a signed JWT: {0}")]
    Malformed(&'static str),
    /// It has five parts.
    #[error("the ID token is encrypted")]
    Encrypted,
    /// `alg` is `none`, symmetric or unknown.
    #[error("the ID token is signed with `{0}`, which is not accepted")]
    Algorithm(String),
    /// Its header says that it is another kind of token.
    #[error("the header of the ID token says that it is another kind of token (typ {0})")]
    Kind(&'static str),
    /// The header has `crit`, which names extensions that must be understood (RFC 7515 section 4.1.11).
    #[error("the ID token has a critical header extension, and none is supported")]
    CriticalHeader,
    /// The provider publishes no key with this id and of the kind the algorithm takes.
    #[error("no published key fits the ID token (kid {0})")]
    UnknownKey(String),
    /// The same, and the provider publishes more keys than are read.
    #[error(
        "no key that was read fits the ID token (kid {kid}); {unread} more keys of the provider were not read"
    )]
    UnreadKey {
        /// The key the token names.
        kid: String,
        /// How many keys were not read.
        unread: usize,
    },
    /// Several keys fit, and the token names none of them.
    #[error("the ID token names no key (kid), and more published keys fit than are tried")]
    Ambiguous,
    /// None of the keys that fit made the signature.
    #[error("the signature of the ID token does not verify with the published keys")]
    Signature,
    /// `iss` is not the configured issuer.
    #[error("`iss` of the ID token is not the configured issuer: {0}")]
    Issuer(IssuerDifference),
    /// `aud` does not contain the client id.
    #[error("`aud` of the ID token does not contain the client id")]
    Audience,
    /// `azp` is not the client id.
    #[error("`azp` of the ID token is not the client id")]
    AuthorizedParty,
    /// A time is missing or not a number.
    #[error("`{0}` of the ID token is missing or not a number")]
    Time(&'static str),
    /// Past `exp`.
    #[error("the ID token expired {0} seconds ago")]
    Expired(i64),
    /// `iat` or `nbf` is in the future.
    #[error("the ID token is from {0} seconds in the future")]
    Future(i64),
    /// `iat` is too long ago.
    #[error("the ID token was issued {0} seconds ago, although it just came from the provider")]
    Stale(i64),
    /// `nonce` is missing or not a string.
    #[error("the ID token has no nonce")]
    NonceMissing,
    /// `nonce` is another sign-in's.
    #[error("the nonce of the ID token is not the one sent")]
    NonceWrong,
    /// `at_hash` does not match the access token that came with it.
    #[error("`at_hash` of the ID token does not match the access token beside it")]
    AccessTokenHash,
    /// `sub` is missing or does not identify anyone.
    #[error("`sub` of the ID token is not usable: {0}")]
    Sub(SubjectError),
}

impl From<JwsError> for IdTokenError {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::Malformed(problem) => Self::Malformed(problem),
            JwsError::Encrypted => Self::Encrypted,
            JwsError::Algorithm(name) => Self::Algorithm(excerpt(&name, 20)),
            JwsError::CriticalHeader => Self::CriticalHeader,
        }
    }
}

impl IdTokenError {
    /// Whether it may mean that the provider has rotated its keys.
    pub(crate) const fn may_be_rotation(&self) -> bool {
        matches!(
            self,
            Self::UnknownKey(_) | Self::UnreadKey { .. } | Self::Ambiguous | Self::Signature
        )
    }
}

/// How two issuers differ, in words that say what to enter without repeating a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssuerDifference {
    /// It is missing or not a string.
    #[error("it is missing")]
    Missing,
    /// The provider's has a slash at the end, the configured one has none.
    #[error("the provider's ends with a slash and the configured one does not")]
    ProviderHasSlash,
    /// The other way round.
    #[error("the configured one ends with a slash and the provider's does not")]
    ConfiguredHasSlash,
    /// The provider's has a placeholder: the document is one for many tenants.
    #[error("the provider's is a template for many tenants")]
    Template,
    /// Only upper and lower case differ.
    #[error("they differ in upper and lower case")]
    Case,
    /// Anything else.
    #[error("it is another issuer")]
    Other,
}

impl IssuerDifference {
    /// How `found` differs from `configured`; `None` when they are equal byte for byte.
    pub(crate) fn between(configured: &str, found: Option<&str>) -> Option<Self> {
        let Some(found) = found else {
            return Some(Self::Missing);
        };
        if configured == found {
            None
        } else if found.strip_suffix('/') == Some(configured) {
            Some(Self::ProviderHasSlash)
        } else if configured.strip_suffix('/') == Some(found) {
            Some(Self::ConfiguredHasSlash)
        } else if found.contains('{') {
            Some(Self::Template)
        } else if configured.eq_ignore_ascii_case(found) {
            Some(Self::Case)
        } else {
            Some(Self::Other)
        }
    }
}

/// What an ID token must say.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    /// The configured issuer.
    pub(crate) issuer: &'a str,
    /// The client id registered at the provider.
    pub(crate) client_id: &'a str,
    /// The nonce sent.
    pub(crate) nonce: &'a str,
    /// The access token that came with the ID token, for `at_hash`.
    pub(crate) access_token: Option<&'a str>,
    /// The present moment.
    pub(crate) now: Timestamp,
}

/// A parsed token, with nothing proven yet.
#[derive(Debug)]
pub(crate) struct UnverifiedToken<'a>(Jws<'a>);

/// Claims that a key of the provider has signed.
#[derive(Debug)]
pub(crate) struct SignedClaims {
    algorithm: SignatureAlgorithm,
    claims: Map<String, Value>,
}

/// The claims of an ID token that was meant for this sign-in.
#[derive(Debug)]
pub struct IdToken {
    /// All claims.
    pub claims: Map<String, Value>,
    /// `sub`, for comparison with userinfo.
    pub sub: String,
}

impl<'a> UnverifiedToken<'a> {
    /// Parses a compact JWS and refuses algorithms that are not accepted.
    pub(crate) fn parse(token: &'a str) -> Result<Self, IdTokenError> {
        let jws = Jws::parse(token)?;
        let is_kind = |kind: &&str| {
            let typ = jws.typ.as_deref().unwrap_or_default();
            let typ = typ.get(..PREFIX.len()).map_or(typ, |prefix| {
                if prefix.eq_ignore_ascii_case(PREFIX) {
                    &typ[PREFIX.len()..]
                } else {
                    typ
                }
            });
            typ.eq_ignore_ascii_case(kind)
        };
        match OTHER_KINDS.into_iter().find(is_kind) {
            Some(kind) => Err(IdTokenError::Kind(kind)),
            None => Ok(Self(jws)),
        }
    }

    /// Checks the signature against the provider's keys. An error that [may be a rotation](IdTokenError::may_be_rotation) is
    /// worth another look at the keys.
    ///
    /// It runs on the thread of its sign-in and takes a fraction of a millisecond: sign-ins have threads of their own, and how
    /// many run at the same time is bounded before. A pool was slower under overload than the check itself, because each handover to
    /// another thread waits for a processor.
    pub(crate) fn verify(&self, keys: &KeySet) -> Result<SignedClaims, IdTokenError> {
        let token = &self.0;
        match token.signed().verify(keys) {
            Verification::Good => Ok(SignedClaims {
                algorithm: token.algorithm,
                claims: token.claims.clone(),
            }),
            Verification::NoKey => {
                let kid = token.kid.as_deref();
                let kid = kid.map_or_else(|| "none".to_owned(), |kid| excerpt(kid, 64));
                Err(match keys.unread() {
                    0 => IdTokenError::UnknownKey(kid),
                    unread => IdTokenError::UnreadKey { kid, unread },
                })
            }
            Verification::Ambiguous => Err(IdTokenError::Ambiguous),
            Verification::Bad => Err(IdTokenError::Signature),
        }
    }
}

impl SignedClaims {
    /// Claims without a signature, for what checks claims alone.
    #[cfg(any(test, fuzzing))]
    pub(crate) const fn unproven(algorithm: SignatureAlgorithm, claims: Map<String, Value>) -> Self {
        Self { algorithm, claims }
    }

    /// Checks the claims against what this sign-in expects.
    pub(crate) fn check(self, expected: &Expected<'_>) -> Result<IdToken, IdTokenError> {
        let claims = self.claims;
        let iss = claims.get("iss").and_then(Value::as_str);
        if let Some(difference) = IssuerDifference::between(expected.issuer, iss) {
            return Err(IdTokenError::Issuer(difference));
        }
        check_audience(&claims, expected.client_id)?;
        check_times(&claims, expected.now)?;
        let nonce = claims
            .get("nonce")
            .and_then(Value::as_str)
            .ok_or(IdTokenError::NonceMissing)?;
        if !TokenHash::of(expected.nonce).matches(nonce) {
            return Err(IdTokenError::NonceWrong);
        }
        if let (Some(hash), Some(token)) = (claims.get("at_hash"), expected.access_token)
            && hash.as_str() != Some(&half_hash(self.algorithm, token))
        {
            return Err(IdTokenError::AccessTokenHash);
        }
        let sub = subject::read(&claims, "sub").map_err(IdTokenError::Sub)?;
        Ok(IdToken { claims, sub })
    }

    /// The claims of a signed userinfo answer (OpenID Connect Core section 5.3.2): `iss` and `aud` hold where present.
    pub(crate) fn into_userinfo(self, issuer: &str, client_id: &str) -> Option<Map<String, Value>> {
        let claims = self.claims;
        let issuer_holds = claims.get("iss").is_none_or(|iss| iss == issuer);
        let audience_holds = !claims.contains_key("aud") || check_audience(&claims, client_id).is_ok();
        (issuer_holds && audience_holds).then_some(claims)
    }
}

/// `aud` contains the client id, and `azp` is the client id if it is present. Several audiences need no `azp`: OpenID
/// Connect Core with errata set 2, section 3.1.3.7, leaves that to extensions, the token came from the provider itself,
/// and its nonce is ours.
fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), IdTokenError> {
    let is_ours = match claims.get("aud") {
        Some(Value::String(audience)) => audience == client_id,
        Some(Value::Array(list)) => {
            list.iter().all(Value::is_string) && list.iter().any(|audience| audience == client_id)
        }
        _ => false,
    };
    if !is_ours {
        return Err(IdTokenError::Audience);
    }
    match claims.get("azp") {
        Some(party) if party != client_id => Err(IdTokenError::AuthorizedParty),
        _ => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), IdTokenError> {
    let skew = seconds(CLOCK_SKEW);
    let now = now.as_seconds();
    let expires = time(claims, "exp")?.ok_or(IdTokenError::Time("exp"))?;
    let issued = time(claims, "iat")?.ok_or(IdTokenError::Time("iat"))?;
    let begins = time(claims, "nbf")?.unwrap_or(issued);
    let ahead = issued.max(begins).saturating_sub(now);
    if ahead > skew {
        return Err(IdTokenError::Future(ahead));
    }
    let age = now.saturating_sub(issued);
    if age > seconds(MAX_AGE) {
        return Err(IdTokenError::Stale(age));
    }
    let past = now.saturating_sub(expires);
    if past > skew {
        return Err(IdTokenError::Expired(past));
    }
    Ok(())
}

/// A `NumericDate` (RFC 7519 section 2), fractions dropped; `None` when absent.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, IdTokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    // A fraction is rare and a whole number the rule; `as` saturates, and a JSON number is never NaN.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "saturation is what is wanted of absurd times"
    )]
    let whole = |number: f64| number.floor() as i64;
    value
        .as_i64()
        .or_else(|| value.as_f64().map(whole))
        .map(Some)
        .ok_or(IdTokenError::Time(name))
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The left half of the access token's hash, by the hash of the signature algorithm (OpenID Connect Core section
/// 3.1.3.6); SHA-512 for Ed25519.
fn half_hash(algorithm: SignatureAlgorithm, access_token: &str) -> String {
    let hash = match algorithm.algorithm() {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &digest::SHA512,
        _ => &digest::SHA256,
    };
    let hash = digest::digest(hash, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

#[cfg(test)]
mod tests;
