//! Verifies the gateway's identity assertion, as any server behind a gateway would.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use crate::loopback;

/// The header with the assertion.
const HEADER: &str = "gatewright-assertion";
/// The `typ` of an assertion, so that no other token of the gateway can be used as one.
const TYPE: &str = "gatewright-assertion+jwt";
/// The longest lifetime of an assertion, in seconds.
const LONGEST_LIFE: u64 = 60;
/// How far two clocks may differ, in seconds.
const LEEWAY: u64 = 5;
/// How long to wait before the keys are fetched again for an unknown key ID.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// The expected claims of an assertion.
#[derive(Debug, Clone)]
pub struct AssertionRules {
    /// Where the gateway's public keys are: `{public_url}/.well-known/jwks.json`, on this machine.
    pub jwks_url: Url,
    /// The gateway's public URL.
    pub issuer: String,
    /// The project whose users this server knows. The gateway signs for all its projects with the same keys, and the
    /// administrators of another project can claim anything about its users.
    pub project: String,
    /// The audience of the assertion; `None` means the server's own URL.
    pub audience: Option<String>,
}

/// The caller, according to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// The user's ID at the gateway.
    pub sub: String,
    /// Who the user is at the identity provider: the value of the subject claim.
    pub subject: String,
    /// How the gateway knows its users.
    pub mode: String,
    /// The User Source, in that mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_source: Option<String>,
    /// The gateway.
    pub gateway: String,
    /// Display name, if the provider sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address, if the provider sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Who acts for the user, if it is not the user's own client (RFC 8693 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

/// Someone who acts for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// Their ID at the gateway.
    pub sub: String,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iat: u64,
    exp: u64,
    project: String,
    #[serde(flatten)]
    caller: Caller,
}

/// Why the caller is not identified, in words for the person who set up the server.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// No header.
    #[error(
        "This request has no Gatewright-Assertion header, so this server does not know who called. Set the server's \
         identity forwarding to \"assertion\" at the gateway, and call it through the gateway."
    )]
    Missing,
    /// Two headers, or not text.
    #[error("The Gatewright-Assertion header is repeated or is not text.")]
    Unreadable,
    /// Another kind of token.
    #[error("The Gatewright-Assertion header contains another kind of token: {0}.")]
    Foreign(&'static str),
    /// The keys could not be fetched.
    #[error("The gateway's keys could not be read from {url}: {reason}.")]
    Keys {
        /// The URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// Signature, issuer, audience or time.
    #[error("The assertion is not valid: {0}.")]
    Invalid(#[from] jsonwebtoken::errors::Error),
    /// About a user of another project.
    #[error("The assertion belongs to another project than the one that this server serves.")]
    OtherProject,
    /// Its lifetime is too long.
    #[error("The assertion is valid for {0} seconds; the maximum is 60.")]
    TooLong(u64),
}

/// Verifies assertions, and caches the gateway's keys.
#[derive(Debug)]
pub(super) struct Verifier {
    rules: AssertionRules,
    validation: Validation,
    keys: Mutex<Option<(Instant, JwkSet)>>,
}

impl Verifier {
    pub(super) fn new(rules: AssertionRules, own_url: &str) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&rules.issuer]);
        validation.set_audience(&[rules.audience.as_deref().unwrap_or(own_url)]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY;
        Self {
            rules,
            validation,
            keys: Mutex::default(),
        }
    }

    /// Who sent a request with these headers.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, AssertionError> {
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next().ok_or(AssertionError::Missing)?;
        let (Ok(token), None) = (value.to_str(), values.next()) else {
            return Err(AssertionError::Unreadable);
        };
        let header = jsonwebtoken::decode_header(token)?;
        if header.typ.as_deref() != Some(TYPE) {
            return Err(AssertionError::Foreign("its typ is not gatewright-assertion+jwt"));
        }
        let id = header
            .kid
            .ok_or(AssertionError::Foreign("it does not name its key"))?;
        let key = self.key(&id).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)?.claims;
        let life = claims.exp.saturating_sub(claims.iat);
        if life > LONGEST_LIFE {
            return Err(AssertionError::TooLong(life));
        }
        if claims.project != self.rules.project {
            return Err(AssertionError::OtherProject);
        }
        Ok(claims.caller)
    }

    async fn key(&self, id: &str) -> Result<DecodingKey, AssertionError> {
        let mut keys = self.keys.lock().await;
        let known = keys.as_ref().is_some_and(|(_, set)| set.find(id).is_some());
        let fetched = keys.as_ref().map(|(at, _)| *at);
        if !known && fetched.is_none_or(|at| at.elapsed() > COOL_DOWN) {
            *keys = Some((Instant::now(), self.fetch().await?));
        }
        let jwk = keys
            .as_ref()
            .and_then(|(_, set)| set.find(id))
            .ok_or(AssertionError::Foreign("its key is not one of the gateway's"))?;
        Ok(DecodingKey::from_jwk(jwk)?)
    }

    async fn fetch(&self) -> Result<JwkSet, AssertionError> {
        let failed = |reason: String| AssertionError::Keys {
            url: self.rules.jwks_url.to_string(),
            reason,
        };
        let answer = loopback::send(Method::GET, &self.rules.jwks_url, &[], "")
            .await
            .map_err(|error| failed(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(failed(format!("the response was {}", answer.status())));
        }
        serde_json::from_slice(answer.body()).map_err(|_| failed("the response is not a JWK set".into()))
    }
}
