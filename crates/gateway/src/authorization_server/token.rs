//! The token endpoint (RFC 6749 sections 3.2, 4.1.3 and 6).

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::{Timestamp, entropy, grant::Grant, id::GrantId, secret::Secret};
use gatewright_oauth::{
    ErrorCode, OAuthError,
    token::{GrantRequest, TokenRequest, TokenResponse},
};
use gatewright_store::{StoreError, Urgency};
use http::{HeaderMap, StatusCode};

use super::AuthorizationServer;
use super::{
    answer,
    client::{Purpose, authenticate},
    code_grant,
    gateway::{self, GatewayError},
    limits::{Action, Limited},
    refresh_grant,
};
use crate::{
    directory::GatewayEntry,
    keys::AccessClaims,
    request::{BodyError, RequestContext},
};

/// Why a token request was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// No such gateway.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Too many requests.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The client learns what is wrong.
    #[error(transparent)]
    Refused(#[from] OAuthError),
    /// What the client proves itself with cannot be had now.
    #[error("a client's description or keys are not available now: {0}")]
    ClientUnavailable(String),
    /// The store failed: not now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenError {
    /// One word for metrics: the OAuth error, if the client receives one.
    fn word(&self) -> &'static str {
        match self {
            Self::Refused(problem) => problem.code.as_str(),
            Self::Limited(_) => "limited",
            Self::Gateway(GatewayError::NotFound) => "no_gateway",
            Self::Body(_) => "invalid_request",
            Self::Gateway(GatewayError::Stale(_)) | Self::ClientUnavailable(_) | Self::Store(_) => {
                "unavailable"
            }
        }
    }

    /// The answer.
    pub(super) fn into_response(self, headers: &HeaderMap, context: &RequestContext) -> Response {
        match self {
            Self::Gateway(GatewayError::NotFound) => answer::not_found(),
            Self::Gateway(GatewayError::Stale(_)) => answer::unavailable(),
            Self::ClientUnavailable(reason) => {
                tracing::info!(request = %context.id, %reason, "a client could not be authenticated at the moment");
                answer::unavailable()
            }
            Self::Limited(limited) => answer::limited(limited),
            Self::Body(error) => answer::body_error(error),
            Self::Refused(problem) => answer::client_error(&problem, headers),
            Self::Store(error) => {
                tracing::error!(request = %context.id, error = &error as &dyn std::error::Error, "the store failed at the token endpoint");
                answer::unavailable()
            }
        }
    }
}

/// POST `/mcp/{slug}/oauth2/token`.
pub(super) async fn exchange(
    State(app): State<Arc<AuthorizationServer>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let tally = Tally::new(&app);
    let outcome = match gateway::by_slug(&app, &context, &slug) {
        Ok(entry) => at_gateway(&app, &entry, &context, &headers, body).await,
        Err(error) => Err(error.into()),
    };
    tally.answer(outcome, &headers, &context)
}

/// Counts a token request by how it ends, whatever way it does: one whose client goes away first ends `unanswered`.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    app: &'a AuthorizationServer,
    outcome: &'static str,
}

impl<'a> Tally<'a> {
    pub(super) fn new(app: &'a AuthorizationServer) -> Self {
        Self {
            app,
            outcome: "unanswered",
        }
    }

    /// The answer to the request.
    pub(super) fn answer(
        mut self,
        outcome: Result<Granted, TokenError>,
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Response {
        match outcome {
            Ok(granted) => {
                self.outcome = granted.by;
                granted.answer
            }
            Err(error) => {
                self.outcome = error.word();
                error.into_response(headers, context)
            }
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.app.telemetry.count_token(self.outcome);
    }
}

/// An answer with tokens.
#[derive(Debug)]
pub(super) struct Granted {
    /// What they were granted for, in a word for metrics.
    by: &'static str,
    answer: Response,
}

async fn at_gateway(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Body,
) -> Result<Granted, TokenError> {
    let form = answer::form(body).await?;
    let request = TokenRequest::parse(answer::authorization(headers), &form)
        .map_err(|problem| answer::unusable(problem, headers, answer::FORM))?;
    grant(app, entry, context, request).await
}

/// Answers a token request for a gateway.
pub(super) async fn grant(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    request: TokenRequest,
) -> Result<Granted, TokenError> {
    app.limits.check(Action::Token, context, Some(entry.gateway.id))?;
    let (purpose, urgency, by) = match request.grant {
        GrantRequest::AuthorizationCode { .. } => (Purpose::Begin, Urgency::Person, "code"),
        GrantRequest::RefreshToken { .. } => (Purpose::GoOn, Urgency::Program, "refresh"),
    };
    let client = authenticate(app, entry, context, &request.client, purpose).await?;
    request.check_resource(&entry.url)?;
    // Only now, because a client's keys may have to be fetched from far away.
    let place = app.admission.enter(urgency).await.map_err(Limited::from)?;
    let tokens = match request.grant {
        GrantRequest::AuthorizationCode {
            code,
            redirect_uri,
            verifier,
        } => code_grant::redeem(app, entry, &client, &code, redirect_uri.as_deref(), &verifier).await?,
        GrantRequest::RefreshToken { token } => {
            refresh_grant::rotate(app, entry, context, &client, &token).await?
        }
    };
    drop(place);
    let answer = answer::json(StatusCode::OK, &tokens);
    Ok(Granted { by, answer })
}

/// When an access token issued now expires at the latest: what the store notes with the refresh token beside it, because a
/// revocation is kept until then.
pub(super) fn access_token_ends_at(entry: &GatewayEntry, now: Timestamp) -> Timestamp {
    now.plus(Duration::from_secs(
        entry.gateway.settings.access_token_seconds.into(),
    ))
}

/// The refresh token of an answer.
#[derive(Debug)]
pub(super) struct IssuedRefresh<'a> {
    pub(super) text: &'a Secret,
    /// When it expires for want of use.
    pub(super) ends_at: Timestamp,
    /// Its generation within its grant, if that is known.
    pub(super) generation: Option<i64>,
}

/// The answer for a grant: a new access token (RFC 9068), issued at `now`, and the refresh token that follows it. No access
/// token outlives the grant, which ends with its newest refresh token at the latest.
pub(super) fn respond(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    grant: &Grant,
    refresh_token: &IssuedRefresh<'_>,
    now: Timestamp,
) -> TokenResponse {
    let expires_at = access_token_ends_at(entry, now)
        .min(grant.ends_at)
        .min(refresh_token.ends_at);
    let expires_in = u32::try_from(expires_at.since(now).as_secs()).unwrap_or(u32::MAX);
    let claims = AccessClaims {
        iss: entry.url.clone(),
        aud: entry.url.clone(),
        person: grant.person,
        client_id: grant.client_id.clone(),
        iat: now.as_seconds(),
        exp: expires_at.as_seconds(),
        jti: entropy::token(app.entropy.as_ref()),
        scope: grant.scope.clone(),
        gateway: entry.gateway.id,
        grant: grant.id,
        generation: refresh_token.generation,
    };
    let access_token = app.signing.sign_access_token(&claims);
    TokenResponse::new(
        access_token,
        expires_in,
        refresh_token.text.expose().to_owned(),
        grant.scope.clone(),
    )
}

/// Makes what was just revoked act on this replica before the answer is sent. The revocation itself is committed: when
/// reading it back fails, the directory's own refresh finds it within a second.
pub(super) async fn announce_revocation(app: &AuthorizationServer, grant: GrantId) {
    if let Err(error) = app.refresh_directory().await {
        tracing::warn!(%grant, error = &error as &dyn std::error::Error, "the directory was not refreshed after a revocation");
    }
}

/// `invalid_grant`, which never says which of its reasons it was.
pub(super) fn invalid_grant(description: &'static str) -> TokenError {
    TokenError::Refused(OAuthError::new(ErrorCode::InvalidGrant, description))
}
