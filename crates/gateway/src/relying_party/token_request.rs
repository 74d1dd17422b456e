//! The token request to a provider: the code is redeemed, and while a client secret is being rotated both are tried, in
//! the order that `ClientSecretSlots` gives (OpenID Connect Core section 3.1.3, RFC 6749 section 4.1.3).

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use bytes::Bytes;
use gatewright_domain::{
    secret::Secret,
    stored_secret::SealedText,
    user_source::{SecretMethod, SecretSlot, UserSource},
};
use gatewright_store::user_source;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::{
    budget::Budget,
    client_auth::{self, Presented},
    discovery::Provider,
    endpoint_error::{EndpointError, ErrorKind},
    provider::{ProviderError, Resource},
    secret_methods,
};
use crate::{Gateways, fetch::FetchError};

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
    #[error("the token answer of the provider has no ID token")]
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
pub(super) struct Tokens {
    /// The ID token, nothing proven yet.
    pub(super) id_token: Secret,
    /// The provider's access token, for userinfo and `at_hash` only.
    pub(super) access_token: Option<Secret>,
    /// The client secret that was accepted.
    accepted: SecretSlot,
    /// How it was sent.
    method: SecretMethod,
}

impl Tokens {
    /// What the trace says of the client secret.
    pub(super) const fn secret_told(&self) -> &'static str {
        match self.accepted {
            SecretSlot::Current => "the newest client secret was accepted",
            SecretSlot::Previous => "the client secret before the newest was accepted",
        }
    }
}

/// What was learnt about the newest client secret, to be stored with the outcome of the sign-in. The sealed form says
/// which one that was: another may have been typed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretNews {
    /// Nothing new.
    None,
    /// It was accepted for the first time, or again after a refusal.
    Accepted(SealedText),
    /// It was refused, for the first time or after it had been accepted.
    Refused(SealedText),
}

/// The code and what belongs to it.
#[derive(Debug)]
pub(super) struct Redemption<'a> {
    /// The provider's code.
    pub(super) code: &'a str,
    /// The PKCE verifier.
    pub(super) verifier: &'a str,
    /// The redirect URL of the authorization request (RFC 6749 section 4.1.3).
    pub(super) redirect_uri: &'a str,
}

/// Redeems a code, and remembers how the secret had to be sent where that was not what was tried first. When the provider
/// refuses one secret as such and there is another, the same code is tried with that one: a refusal at client
/// authentication leaves the code unused. Where none is taken, it may be that the secret was changed this very moment, here
/// or at the provider, and once more is tried what that would have made right.
pub(super) async fn redeem(
    app: &Gateways,
    source: &UserSource,
    provider: &Provider,
    redemption: &Redemption<'_>,
    budget: Budget,
) -> (Result<Tokens, TokenError>, SecretNews) {
    let first = try_in_turn(app, source, provider, redemption, budget).await;
    if matches!(first.0, Err(TokenError::ClientRefused { .. }))
        && let Some(by_now) = worth_another_try(app, source).await
    {
        let second = try_in_turn(app, &by_now, provider, redemption, budget).await;
        if let Ok(tokens) = &second.0 {
            secret_methods::remember(app, &by_now, provider, tokens.method).await;
            return second;
        }
    }
    if let Ok(tokens) = &first.0 {
        secret_methods::remember(app, source, provider, tokens.method).await;
    }
    first
}

/// The source with the secrets that are worth a second round after all it had were refused: those in the store, where
/// another was typed that is not in memory yet; or the newest alone, where it was refused before an older one that was
/// refused then: the provider may have gone from one to the other in between. `None` also where the source is another by
/// now, because a secret is sent to no provider but the one it was typed for.
async fn worth_another_try(app: &Gateways, source: &UserSource) -> Option<UserSource> {
    let stored = async {
        let mut tx = app.store.read().await?;
        user_source::find(&mut tx, source.project_id, source.id).await
    };
    let mut by_now = stored
        .await
        .ok()
        .flatten()
        .filter(|stored| stored.identity_epoch == source.identity_epoch)?;
    if by_now.client_secret.current == source.client_secret.current {
        source.client_secret.previous.as_ref()?;
        by_now.client_secret.previous = None;
    }
    Some(by_now)
}

/// Tries each secret in one way, and where all are refused, in the other way: a secret is right or wrong as often as a way
/// is, and a refusal tells neither which of the two it was.
async fn try_in_turn(
    app: &Gateways,
    source: &UserSource,
    provider: &Provider,
    redemption: &Redemption<'_>,
    budget: Budget,
) -> (Result<Tokens, TokenError>, SecretNews) {
    let slots = &source.client_secret;
    let methods = secret_methods::of(source, provider);
    let mut refused = None;
    for method in &methods {
        let mut news = SecretNews::None;
        for slot in slots.order(app.now()) {
            let secret = match slot {
                SecretSlot::Current => Some(&slots.current),
                SecretSlot::Previous => slots.previous.as_ref(),
            };
            let Some(secret) = secret else { continue };
            let outcome = attempt(app, source, provider, redemption, (secret, *method), budget).await;
            let is_current = *slot == SecretSlot::Current;
            match outcome {
                Ok(mut tokens) => {
                    tokens.accepted = *slot;
                    if is_current && (slots.confirmed_at.is_none() || slots.refused_at.is_some()) {
                        news = SecretNews::Accepted(slots.current.clone());
                    }
                    return (Ok(tokens), news);
                }
                Err(refusal @ TokenError::ClientRefused { .. }) => {
                    if is_current && slots.refused_at.is_none() {
                        news = SecretNews::Refused(slots.current.clone());
                    }
                    // Where both are refused, what the administrator has to mend is the newest.
                    if is_current || refused.is_none() {
                        refused = Some(refusal);
                    }
                }
                Err(error) => return (Err(error), news),
            }
        }
    }
    if let Some(TokenError::ClientRefused { tried, sent, .. }) = refused.as_mut() {
        *tried = match (&slots.previous, slots.confirmed_at) {
            (Some(_), _) => Tried::Both,
            (None, Some(_)) => Tried::Proven,
            (None, None) => Tried::Unproven,
        };
        *sent = sent_by(&methods);
    }
    let news = match slots.refused_at {
        None if refused.is_some() => SecretNews::Refused(slots.current.clone()),
        None | Some(_) => SecretNews::None,
    };
    (Err(refused.unwrap_or(TokenError::SecretUnreadable)), news)
}

fn sent_by(methods: &[SecretMethod]) -> Sent {
    match methods {
        [first, _, ..] => Sent::BothFrom(*first),
        [only] => Sent::As(*only),
        [] => Sent::As(SecretMethod::Basic),
    }
}

async fn attempt(
    app: &Gateways,
    source: &UserSource,
    provider: &Provider,
    redemption: &Redemption<'_>,
    (sealed, method): (&SealedText, SecretMethod),
    budget: Budget,
) -> Result<Tokens, TokenError> {
    let secret = secret_methods::open(app, source, sealed).ok_or(TokenError::SecretUnreadable)?;
    send(app, source, provider, redemption, (&secret, method), budget).await
}

/// Sends one token request of a source with this secret, in this way, and reads the answer.
pub(super) async fn send(
    app: &Gateways,
    source: &UserSource,
    provider: &Provider,
    redemption: &Redemption<'_>,
    (secret, method): (&Secret, SecretMethod),
    budget: Budget,
) -> Result<Tokens, TokenError> {
    let client = Client {
        presented: Presented {
            id: &source.client_id,
            secret,
            method,
        },
        redirect_uri: redemption.redirect_uri,
    };
    exchange(app, client, provider, redemption, budget).await
}

/// Who asks for tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    /// The client, with the secret it presents.
    pub(super) presented: Presented<'a>,
    /// Where the code was sent to.
    pub(super) redirect_uri: &'a str,
}

/// Redeems a code with one secret, which is sent in each of these ways until one is accepted.
pub(super) async fn exchange_by(
    app: &Gateways,
    client: Client<'_>,
    methods: &[SecretMethod],
    provider: &Provider,
    redemption: &Redemption<'_>,
    budget: Budget,
) -> Result<Tokens, TokenError> {
    let mut refused = TokenError::SecretUnreadable;
    for method in methods {
        let mut client = client;
        client.presented.method = *method;
        match exchange(app, client, provider, redemption, budget).await {
            Err(mut refusal) => {
                let TokenError::ClientRefused { sent, .. } = &mut refusal else {
                    return Err(refusal);
                };
                *sent = sent_by(methods);
                refused = refusal;
            }
            outcome => return outcome,
        }
    }
    Err(refused)
}

/// Sends one token request and reads the answer.
async fn exchange(
    app: &Gateways,
    client: Client<'_>,
    provider: &Provider,
    redemption: &Redemption<'_>,
    budget: Budget,
) -> Result<Tokens, TokenError> {
    let request = client_auth::request(
        &provider.token_endpoint,
        client.presented,
        &redemption.parameters(client.redirect_uri),
        Resource::Token.accepted(),
    );
    let response = budget
        .ask(&app.fetch, request, DEADLINE, MAX_BODY)
        .await
        .map_err(|error: FetchError| ProviderError::Fetch(Resource::Token, error))?;
    read(&response, client.presented.method)
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

impl Tokens {
    /// How the client secret was sent that was accepted.
    pub(super) const fn method(&self) -> SecretMethod {
        self.method
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
            method,
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
