//! `/projects/{project}/members`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    account::{Account, AccountStatus, Email},
    id::{AccountId, GrantId, ProjectId},
    member::{Member, Role},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, created, listed, shown},
    users::{GrantResource, GrantsEnded, grant_resource},
    version::{Created, Precondition, Versioned},
};
use crate::{
    Admin, schema,
    service::{
        Version,
        members::{self as service, MemberPatch},
    },
};

/// An account in a project.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberResource {
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = String, format = Email)]
    email: Email,
    name: String,
    #[schema(schema_with = schema::member_role)]
    role: Role,
    /// Whether single sign-on or an administrator of the instance has proved that the address is this person's. Until then it
    /// is what an inviter entered.
    address_proven: bool,
    /// `disabled` if an administrator of the instance has disabled the account.
    #[schema(schema_with = schema::account_status)]
    status: AccountStatus,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sign_in_at: Option<Timestamp>,
    /// Since when it is a member.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its role last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl Resource for MemberResource {
    type Of = (Member, Account);

    fn version(found: &(Member, Account)) -> Version {
        found.0.updated_at.into()
    }

    fn of(_: &Admin, (member, account): (Member, Account)) -> Self {
        Self {
            account_id: account.id,
            email: account.email,
            name: account.name,
            role: member.role,
            address_proven: account.address_proven,
            status: account.status,
            last_sign_in_at: account.last_sign_in_at,
            created_at: member.created_at,
            updated_at: member.updated_at,
        }
    }
}

/// List members of a project
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/members",
    tag = "Members",
    params(Paging),
    responses((status = 200, body = List<MemberResource>))
)]
pub(super) async fn list_members(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<MemberResource>, Problem> {
    let page = Paging::request::<AccountId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, project, &page).await?;
    Ok(listed(&app, page))
}

/// Become an owner of a project
///
/// For administrators of the instance, who manage projects without being members. The project's audit trail records it.
/// Everyone else joins by invitation.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/members",
    tag = "Members",
    responses((status = 201, body = MemberResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn join_project(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
) -> Result<Created<Versioned<MemberResource>>, Problem> {
    let joined = service::join(&app, &authority, project).await?;
    let list = format!("/api/v1/projects/{project}/members");
    Ok(created(&app, &list, joined.1.id, joined))
}

/// Read a member of a project
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/members/{account}",
    tag = "Members",
    responses((status = 200, body = MemberResource))
)]
pub(super) async fn get_member(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, account)): Ids<(ProjectId, AccountId)>,
) -> Result<Versioned<MemberResource>, Problem> {
    Ok(shown(
        &app,
        service::find(&app, &authority, project, account).await?,
    ))
}

/// Change the role of a member
///
/// Their sessions end. The last owner who can sign in remains an owner.
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{project}/members/{account}",
    tag = "Members",
    request_body = MemberPatch,
    responses((status = 200, body = MemberResource))
)]
pub(super) async fn update_member(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, account)): Ids<(ProjectId, AccountId)>,
    Precondition(if_match): Precondition,
    Input(patch): Input<MemberPatch>,
) -> Result<Versioned<MemberResource>, Problem> {
    let member = service::update(&app, &authority, project, account, patch, &if_match).await?;
    Ok(shown(&app, member))
}

/// Remove a member, or leave
///
/// Everyone except the last owner can remove themselves. Their access as a member ends with the next request; keys
/// belong to the project and stay, no matter who created them.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/members/{account}",
    tag = "Members",
    responses((status = 204, description = "Removed."))
)]
pub(super) async fn remove_member(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, account)): Ids<(ProjectId, AccountId)>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::remove(&app, &authority, project, account, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a member's live grants, newest first
///
/// What they allowed at gateways whose users are the members of the project.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/members/{account}/grants",
    tag = "Members",
    params(Paging),
    responses((status = 200, body = List<GrantResource>))
)]
pub(super) async fn list_member_grants(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, account)): Ids<(ProjectId, AccountId)>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<GrantResource>, Problem> {
    let page = Paging::request::<GrantId>(paging.limit, paging.cursor)?;
    let page = service::grants(&app, &authority, project, account, &page).await?;
    Ok(List::of(page, grant_resource))
}

/// End all grants of a member
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/members/{account}/grants",
    tag = "Members",
    responses((status = 200, body = GrantsEnded))
)]
pub(super) async fn end_member_grants(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, account)): Ids<(ProjectId, AccountId)>,
) -> Result<Json<GrantsEnded>, Problem> {
    let grants_ended = service::end_grants(&app, &authority, project, account).await?;
    Ok(Json(GrantsEnded { grants_ended }))
}

/// End one grant of a member
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/members/{account}/grants/{grant}",
    tag = "Members",
    responses((status = 204, description = "Ended."))
)]
pub(super) async fn end_member_grant(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, account, grant)): Ids<(ProjectId, AccountId, GrantId)>,
) -> Result<StatusCode, Problem> {
    service::end_grant(&app, &authority, project, account, grant).await?;
    Ok(StatusCode::NO_CONTENT)
}
