//! Who calls the API: the holder of a key, by `Authorization: Bearer gwk_…`; or the account that is signed in, by the
//! cookie of its session, from pages of this instance only.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use gatewright_domain::{api_key::is_well_formed, audit::Origin, secret::Secret, token_hash::TokenHash};

use super::{attempts::Attempts, problem::Problem};
use crate::{
    Admin,
    request::RequestContext,
    same_origin::{is_own_reading, is_same_origin},
    service::{Authority, ServiceError, account_sessions, api_keys},
    session_cookie as cookie,
};

const HOW: &str = "Send a key of the project as `Authorization: Bearer gwk_…`.";

/// The authority of the request's API key or session. It is the first argument of every handler, so that a request without
/// credentials learns nothing else.
pub(super) struct Caller(pub(super) Authority);

/// What a layer before the handler has found out about the caller.
#[derive(Debug, Clone)]
pub(super) struct Known(pub(super) Authority);

impl FromRequestParts<Arc<Admin>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Admin>) -> Result<Self, Problem> {
        if let Some(Known(authority)) = parts.extensions.remove() {
            return Ok(Self(authority));
        }
        if !parts.headers.contains_key(header::AUTHORIZATION)
            && let Some(token) = cookie::read(&parts.headers, app.config.public_url())
        {
            return of_session(parts, app, &token).await;
        }
        let text = bearer(parts)?;
        if !is_well_formed(text) {
            return Err(Problem::unauthenticated(format!(
                "This is not an API key: part of it is missing or mistyped. {HOW}"
            )));
        }
        let hash = TokenHash::of(text);
        let context = parts.extensions.get::<RequestContext>();
        let prefix = context.map(RequestContext::address_prefix).unwrap_or_default();
        let attempts = parts.extensions.get::<Arc<Attempts>>();
        if attempts.is_some_and(|attempts| !attempts.may_try(&prefix, hash)) {
            return Err(Problem::too_many_attempts());
        }
        let key = api_keys::find_live(app, hash).await?;
        if let Some(attempts) = attempts {
            attempts.note(&prefix, hash, key.is_some());
        }
        let Some(key) = key else {
            return Err(Problem::unauthenticated(format!(
                "This API key is unknown, revoked or expired. {HOW}"
            )));
        };
        let authority = Authority::of_key(&key, context.map(|context| context.address.to_string()))?;
        app.last_used.note(key.id, app.now());
        Ok(Self(authority))
    }
}

/// A browser sends the cookie with requests that any site causes, so it must confirm that the request came from a page of
/// this instance.
async fn of_session(parts: &Parts, app: &Admin, token: &Secret) -> Result<Caller, Problem> {
    let is_ours = if parts.method.is_safe() {
        is_own_reading(&parts.headers)
    } else {
        is_same_origin(&parts.headers, app.config.public_url())
    };
    if !is_ours {
        return Err(ServiceError::Forbidden(
            "A session opens the API for the pages of this dashboard only, and this request does not come from one. Use an \
             API key elsewhere."
                .to_owned(),
        )
        .into());
    }
    let Some(context) = parts.extensions.get::<RequestContext>() else {
        return Err(Problem::unauthenticated(format!("This needs an API key. {HOW}")));
    };
    let (prefix, hash) = (context.address_prefix(), TokenHash::of(token.expose()));
    let attempts = parts.extensions.get::<Arc<Attempts>>();
    if attempts.is_some_and(|attempts| !attempts.may_try(&prefix, hash)) {
        return Err(Problem::too_many_attempts());
    }
    let session = account_sessions::find(app, token)
        .await
        .map_err(ServiceError::from)?;
    if let Some(attempts) = attempts {
        attempts.note(&prefix, hash, session.is_some());
    }
    let session = session.ok_or_else(|| {
        Problem::unauthenticated("This session has ended. Sign in again, or send an API key.")
    })?;
    Ok(Caller(Authority::of_session(
        &session,
        context.address,
        Origin::Api,
    )))
}

fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (value, further) = (values.next(), values.next());
    if further.is_some() {
        return Err(Problem::unauthenticated(format!(
            "There is more than one `Authorization` header. {HOW}"
        )));
    }
    value
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::unauthenticated(format!("This needs an API key. {HOW}")))
}
