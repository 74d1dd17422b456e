//! The beginning of a sign-in, after a click on a page of ours: one pending row, one cookie, one redirect with state, nonce and PKCE.

use std::{net::IpAddr, time::Duration};

use gatewright_domain::{
    authorization::{ConsentedRequest, PendingSignIn, SignInProgress, SignInPurpose},
    client::short_id,
    entropy,
    id::AttemptId,
    sign_in_attempt::{AttemptHead, Step},
    token_hash::TokenHash,
    user_source::UserSource,
};
use gatewright_store::{
    StoreError,
    pending_sign_in::{self, PendingCaps},
};
use http::{HeaderMap, HeaderValue};

use super::{
    authorization_request::{self, AuthorizationRequest},
    budget::Budget,
    cookie::{CookieStyle, LIFE_SECONDS},
    failure::Failure,
    pending::{self, Aim, SealedRequest},
    provider::ProviderError,
};
use crate::{app::App, directory::GatewayEntry, request::address_prefix, sign_in_trace::BeforeAllow};

/// A whole office, or a hosted client's egress, may share an address prefix; two hundred people at once in the middle
/// of signing in is more than one of those has. In all, twenty thousand rows of some 2 kB bound the table at 40 MB.
pub(super) const CAPS: PendingCaps = PendingCaps {
    per_prefix: 200,
    total: 20_000,
};

/// A sign-in that began: where to send the browser, and the cookies to set and to expire.
#[derive(Debug)]
pub struct Started {
    /// The provider's authorization endpoint with our parameters.
    pub redirect: String,
    /// `Set-Cookie`, one header each: the cookie that binds the browser, then those of older sign-ins that give way.
    pub set_cookies: Vec<HeaderValue>,
}

/// Why a sign-in could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The provider's discovery document cannot be used now.
    #[error("the identity provider cannot be used: {0}")]
    Provider(ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a sign-in after *Allow*, and its trace with what happened `before`. `headers` are those of the browser's request: the cookies among them tell how many
/// sign-ins it has under way. A failure is logged here with its reason.
pub async fn start(
    app: &App,
    entry: &GatewayEntry,
    source: &UserSource,
    request: ConsentedRequest,
    before: BeforeAllow,
    address: IpAddr,
    headers: &HeaderMap,
) -> Result<Started, StartError> {
    let attempt = AttemptHead {
        id: AttemptId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: entry.gateway.project_id,
        gateway_id: entry.gateway.id,
        user_source_id: Some(source.id),
        reference: Some(before.reference),
        client_id: short_id(&request.client_id),
        client_name: request.client_name.clone(),
        started_at: before.started_at,
    };
    let trace = app.sign_in_trace.begin(attempt.clone(), before.steps);
    trace.enter(Step::Redirect);
    let prepared = prepare(app, source, Aim::Client(request), Some(attempt), address, headers).await;
    let (row, started) = prepared.map_err(|error| {
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
        StartError::Provider(error)
    })?;
    let inserted = async {
        let mut tx = app.store.write().await?;
        pending_sign_in::insert(&mut tx, &row, CAPS).await?;
        tx.commit().await
    };
    if let Err(error) = inserted.await {
        trace.fail(Step::Redirect, &error.to_string(), "Check the database.");
        return Err(error.into());
    }
    trace.leave();
    app.telemetry.count_sign_in("begun");
    Ok(started)
}

/// The row of a sign-in that begins, not yet stored, and what the browser gets for it.
pub(super) async fn prepare(
    app: &App,
    source: &UserSource,
    aim: Aim,
    attempt: Option<AttemptHead>,
    address: IpAddr,
    headers: &HeaderMap,
) -> Result<(PendingSignIn, Started), ProviderError> {
    let provider = app
        .relying_party
        .provider(app, &source.issuer, Budget::start())
        .await?;
    let [state, nonce, verifier] = [(); 3].map(|()| entropy::token(app.entropy.as_ref()));
    let redirect = authorization_request::url(
        &provider.authorization_endpoint,
        &AuthorizationRequest {
            client_id: &source.client_id,
            redirect_uri: &app.config.callback_url(),
            scopes: &source.scopes,
            state: &state,
            nonce: &nonce,
            verifier: &verifier,
        },
    );
    let now = app.now();
    let state = TokenHash::of(&state);
    let binding = CookieStyle::of(app.config.public_url()).bind(app.entropy.as_ref(), now, state, headers);
    let purpose = match &aim {
        Aim::Client(request) => SignInPurpose::Client(request.gateway_id),
        Aim::Test(id) => SignInPurpose::Test(*id),
    };
    let request = SealedRequest {
        aim,
        nonce,
        verifier,
        attempt,
    };
    let sealed = pending::seal_request(app, state, &request);
    let row = PendingSignIn {
        state_hash: state,
        cookie_hash: binding.hash,
        project_id: source.project_id,
        purpose,
        user_source_id: source.id,
        identity_epoch: source.identity_epoch,
        request: sealed,
        address_prefix: address_prefix(address),
        created_at: now,
        expires_at: now.plus(Duration::from_secs(u64::from(LIFE_SECONDS))),
        progress: SignInProgress::Open,
    };
    let started = Started {
        redirect,
        set_cookies: binding.set_cookies,
    };
    Ok((row, started))
}
