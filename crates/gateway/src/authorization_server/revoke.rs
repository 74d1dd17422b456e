//! Revocation (RFC 7009): either token ends the whole grant. Unknown tokens, and those of other clients, answer 200
//! and nothing happens, so that callers cannot probe for tokens or end someone else's.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use gatewright_domain::{
    grant::{Grant, RevocationReason},
    token_hash::TokenHash,
};
use gatewright_oauth::{Credential, token::RevocationRequest};
use gatewright_store::{StoreError, Tx, grant, refresh_token};
use http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL};

use super::AuthorizationServer;
use super::{
    answer,
    client::{Purpose, authenticate},
    gateway,
    limits::Action,
    refresh_text,
    token::{TokenError, announce_revocation},
};
use crate::{directory::GatewayEntry, request::RequestContext};

/// POST `/mcp/{slug}/oauth2/revoke`.
pub(super) async fn revoke(
    State(app): State<Arc<AuthorizationServer>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = match gateway::by_slug(&app, &context, &slug) {
        Ok(entry) => at_gateway(&app, &entry, &context, &headers, body).await,
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|error| error.into_response(&headers, &context))
}

async fn at_gateway(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, TokenError> {
    let form = answer::form(body).await?;
    let request = RevocationRequest::parse(answer::authorization(headers), &form)
        .map_err(|problem| answer::unusable(problem, headers, answer::FORM))?;
    end(app, entry, context, &request).await
}

/// Ends the grant of the token presented, when it is the client's own.
pub(super) async fn end(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    request: &RevocationRequest,
) -> Result<Response, TokenError> {
    app.limits.check(Action::Token, context, Some(entry.gateway.id))?;
    let client = authenticate(app, entry, context, &request.client, Purpose::GoOn).await?;
    let now = app.now();
    let mut tx = app.store.read().await?;
    let found = find(app, entry, &request.token, &mut tx).await?;
    drop(tx);
    if let Some(found) = found.filter(|found| found.client_id == client.short_id) {
        client.must_sign_for(&found)?;
        let mut tx = app.store.write().await?;
        client.use_up_assertion(&mut tx, now).await?;
        let reason = RevocationReason::ClientRequest;
        if grant::revoke(&mut tx, found.project_id, found.id, reason, now).await? {
            tx.commit().await?;
            announce_revocation(app, found.id).await;
        }
    }
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::OK, no_store).into_response())
}

/// The grant of a token of either kind.
async fn find(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    token: &Credential,
    tx: &mut Tx,
) -> Result<Option<Grant>, StoreError> {
    let gateway = entry.gateway.id;
    let hash = TokenHash::of(token.expose());
    if let Some(found) = refresh_token::find_grant(tx, gateway, hash).await? {
        return Ok(Some(found));
    }
    // The store forgets tokens that were used long ago; they say themselves of which grant they are.
    if let Some((id, _)) = refresh_text::read(app, gateway, token.expose()) {
        return grant::find(tx, gateway, id).await;
    }
    match app.signing.verify_access_token(token.expose(), app.now()) {
        Ok(claims) if claims.gateway == gateway => grant::find(tx, gateway, claims.grant).await,
        Ok(_) | Err(_) => Ok(None),
    }
}
