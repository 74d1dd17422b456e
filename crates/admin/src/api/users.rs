//! `/projects/{project}/users` and their grants.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    grant::Grant,
    id::{AccountId, GatewayId, GrantId, ProjectId, UserId, UserSourceId},
    user::{User, UserStatus},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, shown},
    version::{Precondition, Versioned},
};
use crate::{
    Admin, schema,
    service::{
        Authority, Version,
        users::{self as service, UserFilter, UserPatch},
    },
};

/// An end user, created by the first sign-in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserResource {
    #[schema(value_type = String)]
    id: UserId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    #[schema(value_type = String)]
    user_source_id: UserSourceId,
    /// The issuer that vouched for them.
    issuer: String,
    /// The claim that identifies them.
    subject_claim: String,
    /// Its value.
    subject: String,
    /// For display, if the provider sent one.
    display_name: Option<String>,
    /// For display, if the provider sent one.
    email: Option<String>,
    #[schema(schema_with = schema::user_status)]
    status: UserStatus,
    /// Whether the source has another issuer or subject claim now. Signing in as this user is no longer possible.
    former: bool,
    #[schema(value_type = String, format = DateTime)]
    first_sign_in_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_sign_in_at: Timestamp,
}

/// A user, and whether they are known under an earlier issuer or subject claim of their source.
type Known = (User, bool);

impl Resource for UserResource {
    type Of = Known;

    fn version((user, _): &Known) -> Version {
        service::version(user)
    }

    fn of(_: &Admin, (user, former): Known) -> Self {
        Self {
            former,
            id: user.id,
            project_id: user.project_id,
            user_source_id: user.key.user_source_id,
            issuer: user.key.issuer,
            subject_claim: user.key.claim,
            subject: user.key.subject,
            display_name: user.display_name,
            email: user.email,
            status: user.status,
            first_sign_in_at: user.first_sign_in_at,
            last_sign_in_at: user.last_sign_in_at,
        }
    }
}

/// A live grant: one person's authorization of one client at one gateway.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
pub(crate) struct GrantResource {
    #[schema(value_type = String)]
    id: GrantId,
    #[schema(value_type = String)]
    gateway_id: GatewayId,
    /// The user of a source who has it.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    user_source_id: Option<UserSourceId>,
    /// The member of the project who has it.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<AccountId>,
    /// The client, in the short form tokens carry.
    client_id: String,
    /// The name reported by the client, unverified.
    client_name: String,
    /// The granted scopes, separated by spaces.
    scope: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When a token was last issued for it.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// When it expires even if used daily.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

pub(super) fn grant_resource(grant: Grant) -> GrantResource {
    GrantResource {
        id: grant.id,
        gateway_id: grant.gateway_id,
        user_id: grant.person.user_id(),
        user_source_id: grant.person.user_source_id(),
        account_id: grant.person.account_id(),
        client_id: grant.client_id,
        client_name: grant.client_name,
        scope: grant.scope,
        created_at: grant.created_at,
        last_used_at: grant.last_used_at,
        ends_at: grant.ends_at,
    }
}

/// How many grants ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantsEnded {
    pub(super) grants_ended: u64,
}

/// Which users to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UserQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only users of this User Source.
    #[param(value_type = Option<String>, pattern = "^src_[0-9a-f]{32}$")]
    user_source_id: Option<UserSourceId>,
    /// Only users who can, or cannot, use gateways.
    #[param(schema_with = schema::user_status)]
    status: Option<UserStatus>,
    /// Only users known under an earlier issuer or subject claim of their source (`true`), or only the others (`false`).
    former: Option<bool>,
    /// Only users whose subject, name or e-mail contains this text, ignoring case. Each page searches up to 20,000
    /// users, so it can be short or empty although there is a next one.
    search: Option<String>,
}

/// List users, newest first
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/users",
    tag = "Users",
    params(UserQuery),
    responses((status = 200, body = List<UserResource>))
)]
pub(super) async fn list_users(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<UserQuery>,
) -> Result<List<UserResource>, Problem> {
    let page = Paging::request::<UserId>(query.limit, query.cursor)?;
    let filter = UserFilter {
        user_source_id: query.user_source_id,
        status: query.status,
        former: query.former,
        search: query.search,
    };
    let page = service::list(&app, &authority, project, &filter, &page).await?;
    let former = service::former(&app, &authority, project, &page.items).await?;
    Ok(List::of(page, |user| {
        let is_former = former.contains(&user.id);
        UserResource::of(&app, (user, is_former))
    }))
}

/// Read a user
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/users/{user}",
    tag = "Users",
    responses((status = 200, body = UserResource))
)]
pub(super) async fn get_user(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, user)): Ids<(ProjectId, UserId)>,
) -> Result<Versioned<UserResource>, Problem> {
    let user = service::find(&app, &authority, project, user).await?;
    known(&app, &authority, user).await
}

/// Block or unblock a user
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{project}/users/{user}",
    tag = "Users",
    request_body = UserPatch,
    responses((status = 200, body = UserResource))
)]
pub(super) async fn update_user(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, user)): Ids<(ProjectId, UserId)>,
    Precondition(if_match): Precondition,
    Input(patch): Input<UserPatch>,
) -> Result<Versioned<UserResource>, Problem> {
    let user = service::update(&app, &authority, project, user, patch, &if_match).await?;
    known(&app, &authority, user).await
}

/// Delete a user with all grants
///
/// Signing in again creates a new user; block a user to prevent that.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/users/{user}",
    tag = "Users",
    responses((status = 204, description = "Deleted."))
)]
pub(super) async fn delete_user(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, user)): Ids<(ProjectId, UserId)>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &authority, project, user, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn known(app: &Admin, authority: &Authority, user: User) -> Result<Versioned<UserResource>, Problem> {
    let former = service::former(app, authority, user.project_id, std::slice::from_ref(&user)).await?;
    let is_former = former.contains(&user.id);
    Ok(shown(app, (user, is_former)))
}

/// List a user's live grants, newest first
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/users/{user}/grants",
    tag = "Users",
    params(Paging),
    responses((status = 200, body = List<GrantResource>))
)]
pub(super) async fn list_grants(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, user)): Ids<(ProjectId, UserId)>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<GrantResource>, Problem> {
    let page = Paging::request::<GrantId>(paging.limit, paging.cursor)?;
    let page = service::grants(&app, &authority, project, user, &page).await?;
    Ok(List::of(page, grant_resource))
}

/// End all grants of a user
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/users/{user}/grants",
    tag = "Users",
    responses((status = 200, body = GrantsEnded))
)]
pub(super) async fn end_grants(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, user)): Ids<(ProjectId, UserId)>,
) -> Result<Json<GrantsEnded>, Problem> {
    let grants_ended = service::end_grants(&app, &authority, project, user).await?;
    Ok(Json(GrantsEnded { grants_ended }))
}

/// End one grant of a user
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/users/{user}/grants/{grant}",
    tag = "Users",
    responses((status = 204, description = "Ended."))
)]
pub(super) async fn end_grant(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, user, grant)): Ids<(ProjectId, UserId, GrantId)>,
) -> Result<StatusCode, Problem> {
    service::end_grant(&app, &authority, project, user, grant).await?;
    Ok(StatusCode::NO_CONTENT)
}
