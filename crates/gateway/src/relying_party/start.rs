//! The beginning of a sign-in, after a click on our page: one cookie, and one redirect with state, nonce and PKCE.
//! Nothing is written.

use gatewright_domain::{
    Timestamp, authorization::ConsentedRequest, id::AttemptId, sign_in_attempt::Step, token_hash::TokenHash,
    user_source::UserSource,
};
use gatewright_identity::{Binding, Budget, ProviderError};
use http::{HeaderMap, HeaderValue};

use super::{
    failure::Failure,
    pending::{self, Aim, Begun, PendingSignIn},
    registration,
};
use crate::{
    Gateways, authorization_server::carried, directory::GatewayEntry, fetch::FetchError,
    sign_in_trace::BeforeAllow,
};

/// A sign-in that began: where to send the browser, and the cookies to set and to expire.
#[derive(Debug)]
pub(crate) struct Started {
    /// The provider's authorization endpoint with our parameters.
    pub redirect: String,
    /// `Set-Cookie`, one header each: the cookie that binds the browser, then those that remove older sign-ins.
    pub set_cookies: Vec<HeaderValue>,
}

/// Why a sign-in could not begin: the provider's discovery document cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("the identity provider cannot be used: {0}")]
pub struct StartError(pub ProviderError);

impl StartError {
    /// Whether the only reason is that the provider gets too many requests at the same time.
    pub(crate) const fn is_limited(&self) -> bool {
        matches!(self.0, ProviderError::Fetch(_, FetchError::Limited(_)))
    }
}

/// Begins a client's sign-in after *Allow*, and its trace with what happened `before`. `headers` are those of the browser's
/// request: the cookies among them tell how many sign-ins it has in progress. A failure is logged here with its reason.
pub(crate) async fn start(
    app: &Gateways,
    entry: &GatewayEntry,
    source: &UserSource,
    request: ConsentedRequest,
    before: BeforeAllow,
    headers: &HeaderMap,
) -> Result<Started, StartError> {
    begin(app, entry, source, Aim::Client(carried(request)), before, headers).await
}

/// Begins the sign-in of a person who wants to see their connections, after the click that asks for it. See [`start`].
pub(crate) async fn start_for_connections(
    app: &Gateways,
    entry: &GatewayEntry,
    source: &UserSource,
    before: BeforeAllow,
    headers: &HeaderMap,
) -> Result<Started, StartError> {
    let aim = Aim::Connections(entry.gateway.id);
    begin(app, entry, source, aim, before, headers).await
}

async fn begin(
    app: &Gateways,
    entry: &GatewayEntry,
    source: &UserSource,
    aim: Aim,
    before: BeforeAllow,
    headers: &HeaderMap,
) -> Result<Started, StartError> {
    let begun = Begun {
        id: AttemptId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        reference: before.reference,
        started_at: before.started_at,
    };
    let until = app.now().plus(app.config.sign_in.at_provider());
    let binding = app.providers.bind();
    let pending = pending(&binding, source, aim, Some(begun), until);
    let trace = match pending.attempt() {
        Some(head) => app.sign_in_trace.begin(head, before.steps),
        None => app.sign_in_trace.resume(None),
    };
    trace.enter(Step::Redirect);
    let started = send(app, source, &binding, &pending, headers)
        .await
        .map_err(|error| {
            let failure = Failure::Discovery(error.clone());
            trace.fail(Step::Redirect, &failure.to_string(), failure.advice());
            tracing::warn!(
                reference = %before.reference,
                step = Step::Redirect.as_str(),
                gateway = %entry.gateway.id,
                user_source = %source.id,
                reason = %failure,
                advice = failure.advice(),
                "a sign-in could not begin"
            );
            let error = StartError(error);
            if !error.is_limited() {
                app.telemetry.count_sign_in("failed");
            }
            error
        })?;
    trace.leave();
    app.telemetry.count_sign_in("begun");
    Ok(started)
}

/// A sign-in at a source, which has to be finished until then.
pub(super) fn pending(
    binding: &Binding,
    source: &UserSource,
    aim: Aim,
    attempt: Option<Begun>,
    expires_at: Timestamp,
) -> PendingSignIn {
    PendingSignIn {
        aim,
        project_id: source.project_id,
        user_source_id: source.id,
        callback: source.callback,
        identity_epoch: source.identity_epoch,
        nonce: binding.nonce.clone(),
        verifier: binding.verifier.clone(),
        attempt,
        expires_at,
    }
}

/// Where a browser is sent for a sign-in, and the cookie that carries it.
pub(super) async fn send(
    app: &Gateways,
    source: &UserSource,
    binding: &Binding,
    pending: &PendingSignIn,
    headers: &HeaderMap,
) -> Result<Started, ProviderError> {
    let budget = Budget::start(Some(source.project_id));
    let provider = app.providers.provider(&source.issuer, budget).await?;
    let registration = registration::of(app, source, pending.callback);
    let visit = app.providers.visit(&registration, &provider, budget);
    let redirect = visit.authorization_url(binding).await?;
    let now = app.now();
    let state = TokenHash::of(&binding.state);
    let life = pending.expires_at.since(now).as_secs();
    let set_cookies = pending::bind(app, now, state, pending, life, headers);
    Ok(Started {
        redirect,
        set_cookies,
    })
}
