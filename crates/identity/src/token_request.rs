//! The token request to a provider: the code is redeemed, and while a client secret is being rotated both are tried, in
//! the order of `ClientSecretSlots` (OpenID Connect Core section 3.1.3, RFC 6749 section 4.1.3).

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use bytes::Bytes;
use gatewright_domain::{
    registration::{SecretMethod, SecretSlot},
    secret::Secret,
};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::{
    client_auth::{self, Presented},
    endpoint_error::{EndpointError, ErrorKind},
    providers::{ProviderError, Resource},
    registration::ClientSecrets,
    visit::Visit,
};

/// One token request may take this long.
const DEADLINE: Duration = Duration::from_secs(6);

/// ID tokens with hundreds of groups have some tens of kB.
const MAX_BODY: usize = 512 * 1024;

/// Why no ID token came of a code. Never holds a secret, code or token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The endpoint could not be reached, or answered with a server error or something that is not JSON.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The provider refused our client id or secret.
    #[error(
        "the provider refused the client credentials (HTTP {status}, {error}); tried was {tried}, {sent}"
    )]
    ClientRefused {
        /// The HTTP status.
        status: u16,
        /// The provider's error code.
        error: String,
        /// Whether it says that the client is at fault; a status of 401 alone may be about something else.
        is_said: bool,
        /// Which secrets.
        tried: Tried,
        /// How they were sent.
        sent: Sent,
    },
    /// The provider refused the code (`invalid_grant`).
    #[error("the provider refused the authorization code (invalid_grant)")]
    CodeRefused,
    /// The provider refused for another reason.
    #[error("the provider refused the token request (HTTP {status}, {error})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The provider's error code.
        error: String,
    },
    /// The answer is a success and has no ID token.
    #[error("the provider's token response has no ID token")]
    NoIdToken,
    /// The stored secret does not open with the master key.
    #[error("the stored client secret cannot be opened with the master key of this instance")]
    SecretUnreadable,
}

/// Which client secrets the provider was shown when it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// One that it has never accepted.
    Unproven,
    /// One that it accepted before.
    Proven,
    /// The newest, and the one before it.
    Both,
}

/// How client secrets were sent when they were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// One way only.
    As(SecretMethod),
    /// Both ways, this one first.
    BothFrom(SecretMethod),
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As(method) => write!(f, "sent as {}", method.name()),
            Self::BothFrom(first) => {
                write!(f, "sent as {} and then as {}", first.name(), first.other().name())
            }
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unproven => "the stored client secret, which has never been accepted",
            Self::Proven => "the stored client secret, which was accepted before",
            Self::Both => "the newest client secret, then the one before it",
        })
    }
}

/// What a success brings.
#[derive(Debug)]
pub struct Tokens {
    /// The ID token, nothing proven yet.
    pub id_token: Secret,
    /// The provider's access token, for userinfo and `at_hash` only.
    pub access_token: Option<Secret>,
    /// The client secret that was accepted.
    accepted: SecretSlot,
}

impl Tokens {
    /// What the trace says about the client secret.
    pub const fn secret_told(&self) -> &'static str {
        match self.accepted {
            SecretSlot::Current => "the newest client secret was accepted",
            SecretSlot::Previous => "the client secret before the newest was accepted",
        }
    }
}

/// The code and what belongs to it.
#[derive(Debug)]
pub struct Redemption<'a> {
    /// The provider's code.
    pub code: &'a str,
    /// The PKCE verifier.
    pub verifier: &'a str,
}

/// The result of a code, and what was learnt of the client secrets.
#[derive(Debug)]
pub struct Redeemed {
    /// The tokens.
    pub tokens: Result<Tokens, TokenError>,
    /// Whether the newest secret was refused, in the way of sending that led to this.
    pub newest_refused: bool,
    /// How the accepted secret was sent, if that is not what was tried first.
    pub other_method: Option<SecretMethod>,
}

impl Redeemed {
    /// Whether the newest secret was accepted.
    pub fn newest_accepted(&self) -> bool {
        let tokens = self.tokens.as_ref();
        tokens.is_ok_and(|tokens| tokens.accepted == SecretSlot::Current)
    }
}

impl Visit<'_> {
    /// Redeems a code. When the provider refuses one secret as such and there is another, the same code is tried with that one:
    /// a refusal at client authentication leaves the code unused. Each secret is tried in one way, and where all are refused, in
    /// the other way: a secret is right or wrong as often as a way is, and a refusal does not show which of the two it was.
    pub async fn redeem(&self, redemption: &Redemption<'_>) -> Redeemed {
        let secrets = &self.registration.secrets;
        let methods = self.registration.methods(self.provider);
        let mut refused = None;
        for method in &methods {
            let mut newest_refused = false;
            for (slot, secret) in &secrets.in_turn {
                let outcome = match secret {
                    Some(secret) => self.exchange(redemption, secret, *method).await,
                    None => Err(TokenError::SecretUnreadable),
                };
                match outcome {
                    Ok(mut tokens) => {
                        tokens.accepted = *slot;
                        return Redeemed {
                            tokens: Ok(tokens),
                            newest_refused,
                            other_method: Some(*method).filter(|_| methods.first() != Some(method)),
                        };
                    }
                    Err(refusal @ TokenError::ClientRefused { .. }) => {
                        let is_newest = *slot == SecretSlot::Current;
                        newest_refused |= is_newest;
                        // If both are refused, the administrator has to correct the newest.
                        if is_newest || refused.is_none() {
                            refused = Some(refusal);
                        }
                    }
                    Err(error) => return Redeemed::failed(error, newest_refused),
                }
            }
        }
        if let Some(TokenError::ClientRefused { tried, sent, .. }) = refused.as_mut() {
            *tried = Tried::all_of(secrets);
            *sent = sent_by(&methods);
        }
        let newest_refused = refused.is_some();
        Redeemed::failed(refused.unwrap_or(TokenError::SecretUnreadable), newest_refused)
    }

    /// Sends one token request with this secret, in this way, and reads the answer.
    pub(crate) async fn exchange(
        &self,
        redemption: &Redemption<'_>,
        secret: &Secret,
        method: SecretMethod,
    ) -> Result<Tokens, TokenError> {
        let presented = Presented {
            id: self.registration.client_id,
            secret,
            method,
        };
        let request = client_auth::request(
            &self.provider.token_endpoint,
            presented,
            &redemption.parameters(&self.registration.redirect_url),
            Resource::Token.accepted(),
        );
        let response = self
            .ask(request, DEADLINE, MAX_BODY)
            .await
            .map_err(|error| ProviderError::Fetch(Resource::Token, error))?;
        read(&response, method)
    }
}

impl Redeemed {
    const fn failed(error: TokenError, newest_refused: bool) -> Self {
        Self {
            tokens: Err(error),
            newest_refused,
            other_method: None,
        }
    }
}

impl Tried {
    fn all_of(secrets: &ClientSecrets) -> Self {
        match (secrets.in_turn.len(), secrets.is_proven) {
            (2.., _) => Self::Both,
            (_, true) => Self::Proven,
            (_, false) => Self::Unproven,
        }
    }
}

fn sent_by(methods: &[SecretMethod]) -> Sent {
    match methods {
        [first, _, ..] => Sent::BothFrom(*first),
        [only] => Sent::As(*only),
        [] => Sent::As(SecretMethod::Basic),
    }
}

impl<'a> Redemption<'a> {
    fn parameters(&self, redirect_uri: &'a str) -> [(&'static str, &'a str); 4] {
        [
            ("grant_type", "authorization_code"),
            ("code", self.code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", self.verifier),
        ]
    }
}

/// Reads the answer. `token_type`, `scope` and members of the provider's own are not looked at: providers vary in
/// them, and nothing here depends on them.
fn read(response: &Response<Bytes>, method: SecretMethod) -> Result<Tokens, TokenError> {
    let status = response.status();
    let body: Option<Map<String, Value>> = serde_json::from_slice(response.body()).ok();
    let error = body.as_ref().and_then(EndpointError::find);
    if status.is_success() && error.is_none() {
        let body = body.ok_or(ProviderError::NotJson(Resource::Token))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let id_token = text("id_token").ok_or(TokenError::NoIdToken)?;
        return Ok(Tokens {
            id_token: Secret::new(id_token),
            access_token: text("access_token").map(Secret::new),
            accepted: SecretSlot::Current,
        });
    }
    let kind = error.as_ref().map(|error| error.kind);
    let code = error.map_or_else(|| "no error code".to_owned(), |error| error.code);
    let status_code = status.as_u16();
    match (status, kind) {
        (_, Some(ErrorKind::Grant)) => Err(TokenError::CodeRefused),
        (_, Some(ErrorKind::Client)) | (StatusCode::UNAUTHORIZED, _) => Err(TokenError::ClientRefused {
            status: status_code,
            // Auth0 answers `access_denied` with 401 to a wrong secret.
            is_said: kind == Some(ErrorKind::Client) || code == "access_denied",
            error: code,
            tried: Tried::Unproven,
            sent: Sent::As(method),
        }),
        (_, None) if !status.is_client_error() || status == StatusCode::NOT_FOUND => {
            Err(ProviderError::Status(Resource::Token, status).into())
        }
        (_, None | Some(ErrorKind::Passing | ErrorKind::Other)) => Err(TokenError::Refused {
            status: status_code,
            error: code,
        }),
    }
}
