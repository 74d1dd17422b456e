//! `/account`: the account that is signed in. A key does not belong to an account, so these need a session.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use gatewright_domain::{
    Timestamp,
    account_session::{AccountSession, IDLE_LIFE},
    id::{AccountSessionId, ProjectId},
    member::Role,
};
use gatewright_store::{Page, member::Membership};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    accounts::AccountResource,
    authenticate::Caller,
    input::{Ids, Input},
    list::List,
    problem::Problem,
    resource::shown,
    version::{Precondition, Versioned},
};
use crate::{
    Admin,
    account::visitor::Visitor,
    request::RequestContext,
    schema,
    service::{
        account_sessions,
        accounts::{self as service, OwnAccountPatch, PasswordChange},
    },
    session_cookie as cookie,
};

/// A session of the account that is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountSession)]
pub(crate) struct SessionResource {
    #[schema(value_type = String)]
    id: AccountSessionId,
    /// Whether it is the session of this request.
    is_current: bool,
    /// The address from which it began.
    address: String,
    /// The browser, as it describes itself.
    user_agent: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, to within five minutes.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// When it expires if it is not used again, or in any case.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A project of the account that is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
pub(crate) struct MembershipResource {
    #[schema(value_type = String)]
    project_id: ProjectId,
    project_name: String,
    #[schema(schema_with = schema::member_role)]
    role: Role,
}

/// How many sessions ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsEnded {
    sessions_ended: u64,
}

/// Read your own account
#[utoipa::path(get, path = "/api/v1/account", tag = "Account", responses((status = 200, body = AccountResource)))]
pub(super) async fn get_own_account(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
) -> Result<Versioned<AccountResource>, Problem> {
    Ok(shown(&app, service::own(&app, &authority).await?))
}

/// Rename your own account
#[utoipa::path(
    patch,
    path = "/api/v1/account",
    tag = "Account",
    request_body = OwnAccountPatch,
    responses((status = 200, body = AccountResource))
)]
pub(super) async fn update_own_account(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Precondition(if_match): Precondition,
    Input(patch): Input<OwnAccountPatch>,
) -> Result<Versioned<AccountResource>, Problem> {
    Ok(shown(
        &app,
        service::update_own(&app, &authority, patch, &if_match).await?,
    ))
}

/// Change your own password
///
/// Every other session of the account ends; the present one continues with a new cookie.
#[utoipa::path(
    put,
    path = "/api/v1/account/password",
    tag = "Account",
    request_body = PasswordChange,
    responses((status = 204, description = "Changed."))
)]
pub(super) async fn change_password(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    Input(change): Input<PasswordChange>,
) -> Result<(StatusCode, [(header::HeaderName, HeaderValue); 1]), Problem> {
    let public_url = app.config.public_url();
    let visitor = Visitor::of(&context, &headers, public_url);
    let begun = service::change_password(&app, &authority, &visitor, &change).await?;
    let cookie = cookie::set(public_url, &begun.token);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// List your own projects, by name
#[utoipa::path(
    get,
    path = "/api/v1/account/memberships",
    tag = "Account",
    responses((status = 200, body = List<MembershipResource>))
)]
pub(super) async fn list_own_memberships(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
) -> Result<List<MembershipResource>, Problem> {
    let items = service::own_memberships(&app, &authority).await?;
    let resource = |membership: Membership| MembershipResource {
        project_id: membership.project_id,
        project_name: membership.project_name,
        role: membership.role,
    };
    Ok(List::of(Page { items, next: None }, resource))
}

/// List your own sessions, most recently used first
#[utoipa::path(
    get,
    path = "/api/v1/account/sessions",
    tag = "Account",
    responses((status = 200, body = List<SessionResource>))
)]
pub(super) async fn list_sessions(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
) -> Result<List<SessionResource>, Problem> {
    let items = account_sessions::list(&app, &authority).await?;
    let current = authority.session();
    let resource = |session: AccountSession| SessionResource {
        id: session.id,
        is_current: Some(session.id) == current,
        address: session.address,
        user_agent: session.user_agent,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        expires_at: session.expires_at.min(session.last_seen_at.plus(IDLE_LIFE)),
    };
    Ok(List::of(Page { items, next: None }, resource))
}

/// End all of your own sessions except the present one
#[utoipa::path(
    delete,
    path = "/api/v1/account/sessions",
    tag = "Account",
    responses((status = 200, body = SessionsEnded))
)]
pub(super) async fn end_other_sessions(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
) -> Result<Json<SessionsEnded>, Problem> {
    let sessions_ended = account_sessions::end_others(&app, &authority).await?;
    Ok(Json(SessionsEnded { sessions_ended }))
}

/// End one of your own sessions
#[utoipa::path(
    delete,
    path = "/api/v1/account/sessions/{session}",
    tag = "Account",
    responses((status = 204, description = "Ended."))
)]
pub(super) async fn end_session(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(session): Ids<AccountSessionId>,
) -> Result<StatusCode, Problem> {
    account_sessions::end(&app, &authority, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
