//! The token request to a provider: the code is redeemed, and while a client secret is being rotated both are tried, in
//! the order that `ClientSecretSlots` gives (OpenID Connect Core section 3.1.3, RFC 6749 section 4.1.3).

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use bytes::Bytes;
use gatewright_domain::{
    sealed::Purpose,
    secret::Secret,
    stored_secret::SealedText,
    user_source::{SecretSlot, UserSource, client_secret_context},
};
use gatewright_store::user_source;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::{
    budget::Budget,
    client_auth::{self, ClientAuthentication},
    discovery::Provider,
    excerpt::excerpt,
    provider::{ProviderError, Resource},
};
use crate::{
    app::App,
    fetch::{FetchError, Policy},
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
    #[error("the provider refused the client credentials (HTTP {status}, {error}); tried was {tried}")]
    ClientRefused {
        /// The HTTP status.
        status: u16,
        /// The provider's error code.
        error: String,
        /// Which secrets.
        tried: Tried,
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

/// Redeems a code. When the provider refuses one secret as such and there is another, the same code is tried with that
/// one: a refusal at client authentication leaves the code unused. Where none is taken, it may be that the secret was
/// changed this very moment, here or at the provider, and once more is tried what that would have made right.
pub(super) async fn redeem(
    app: &App,
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
        if second.0.is_ok() {
            return second;
        }
    }
    first
}

/// The source with the secrets that are worth a second round after all it had were refused: those in the store, where
/// another was typed that is not in memory yet; or the newest alone, where it was refused before an older one that was
/// refused then: the provider may have gone from one to the other in between. `None` also where the source is another by
/// now, because a secret is sent to no provider but the one it was typed for.
async fn worth_another_try(app: &App, source: &UserSource) -> Option<UserSource> {
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

async fn try_in_turn(
    app: &App,
    source: &UserSource,
    provider: &Provider,
    redemption: &Redemption<'_>,
    budget: Budget,
) -> (Result<Tokens, TokenError>, SecretNews) {
    let slots = &source.client_secret;
    let mut news = SecretNews::None;
    let mut refused = None;
    for slot in slots.order(app.now()) {
        let secret = match slot {
            SecretSlot::Current => Some(&slots.current),
            SecretSlot::Previous => slots.previous.as_ref(),
        };
        let Some(secret) = secret else { continue };
        let outcome = attempt(app, source, provider, redemption, secret, budget).await;
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
    if let Some(TokenError::ClientRefused { tried, .. }) = refused.as_mut() {
        *tried = match (&slots.previous, slots.confirmed_at) {
            (Some(_), _) => Tried::Both,
            (None, Some(_)) => Tried::Proven,
            (None, None) => Tried::Unproven,
        };
    }
    (Err(refused.unwrap_or(TokenError::SecretUnreadable)), news)
}

async fn attempt(
    app: &App,
    source: &UserSource,
    provider: &Provider,
    redemption: &Redemption<'_>,
    sealed: &SealedText,
    budget: Budget,
) -> Result<Tokens, TokenError> {
    let secret = app
        .keyring
        .open_secret(Purpose::StoredSecret, &client_secret_context(source.id), sealed)
        .map_err(|_| TokenError::SecretUnreadable)?;
    send(app, source, provider, redemption, &secret, budget).await
}

/// Sends one token request of a source with this secret and reads the answer.
pub(super) async fn send(
    app: &App,
    source: &UserSource,
    provider: &Provider,
    redemption: &Redemption<'_>,
    secret: &Secret,
    budget: Budget,
) -> Result<Tokens, TokenError> {
    let client = Client {
        id: &source.client_id,
        redirect_uri: redemption.redirect_uri,
    };
    exchange(app, &client, provider, redemption, secret, budget).await
}

/// Who asks for tokens.
#[derive(Debug)]
pub(super) struct Client<'a> {
    /// The client id registered at the provider.
    pub(super) id: &'a str,
    /// Where the code was sent to.
    pub(super) redirect_uri: &'a str,
}

/// Sends one token request and reads the answer.
pub(super) async fn exchange(
    app: &App,
    client: &Client<'_>,
    provider: &Provider,
    redemption: &Redemption<'_>,
    secret: &Secret,
    budget: Budget,
) -> Result<Tokens, TokenError> {
    let request = request(
        &provider.token_endpoint,
        provider.client_authentication,
        client.id,
        secret,
        client.redirect_uri,
        redemption,
    );
    let response = app
        .fetch
        .buffered(Policy::Operator, request, budget.limits(DEADLINE, MAX_BODY))
        .await
        .map_err(|error: FetchError| ProviderError::Fetch(Resource::Token, error))?;
    read(&response)
}

/// Builds the request.
fn request(
    endpoint: &Url,
    authentication: ClientAuthentication,
    client_id: &str,
    secret: &Secret,
    redirect_uri: &str,
    redemption: &Redemption<'_>,
) -> Request<Full<Bytes>> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", redemption.code)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("code_verifier", redemption.verifier);
    let mut request = Request::post(endpoint.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match authentication {
        ClientAuthentication::Basic => {
            request = request.header(header::AUTHORIZATION, client_auth::basic(client_id, secret));
        }
        ClientAuthentication::Post => {
            form.append_pair("client_id", client_id)
                .append_pair("client_secret", secret.expose());
        }
    }
    request
        .body(Full::new(Bytes::from(form.finish())))
        .expect("a parsed URL and these headers make a request")
}

/// Reads the answer. `token_type`, `scope` and members of the provider's own are not looked at: providers vary in
/// them, and nothing here depends on them.
fn read(response: &Response<Bytes>) -> Result<Tokens, TokenError> {
    let status = response.status();
    let body: Option<Map<String, Value>> = serde_json::from_slice(response.body()).ok();
    let text = |name: &str| body.as_ref()?.get(name)?.as_str();
    if status.is_success() && text("error").is_none() {
        if body.is_none() {
            return Err(ProviderError::NotJson(Resource::Token).into());
        }
        let id_token = text("id_token").ok_or(TokenError::NoIdToken)?;
        return Ok(Tokens {
            id_token: Secret::new(id_token),
            access_token: text("access_token").map(Secret::new),
            accepted: SecretSlot::Current,
        });
    }
    let error = text("error").map_or_else(|| "no error code".to_owned(), |error| excerpt(error, 60));
    let status_code = status.as_u16();
    match (status, text("error")) {
        (_, Some("invalid_client" | "unauthorized_client")) | (StatusCode::UNAUTHORIZED, _) => {
            Err(TokenError::ClientRefused {
                status: status_code,
                error,
                tried: Tried::Unproven,
            })
        }
        (_, Some("invalid_grant")) => Err(TokenError::CodeRefused),
        (_, None) if !status.is_client_error() || status == StatusCode::NOT_FOUND => {
            Err(ProviderError::Status(Resource::Token, status).into())
        }
        _ => Err(TokenError::Refused {
            status: status_code,
            error,
        }),
    }
}
