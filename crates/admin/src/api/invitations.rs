//! `/projects/{project}/invitations`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    account::Email,
    id::{AccountId, InvitationId, ProjectId},
    invitation::Invitation,
    member::Role,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    version::Created,
};
use crate::{
    Admin, schema,
    service::invitations::{self as service, NewInvitation},
};

/// An invitation into a project, without its link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(crate) struct InvitationResource {
    #[schema(value_type = String)]
    id: InvitationId,
    /// The invited address.
    #[schema(value_type = String, format = Email)]
    email: Email,
    #[schema(schema_with = schema::member_role)]
    role: Role,
    #[schema(schema_with = schema::invitation_status)]
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    accepted_at: Option<Timestamp>,
    /// The account that accepted it.
    #[schema(value_type = Option<String>)]
    accepted_by: Option<AccountId>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

/// A new invitation with its link, which is shown only once.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedInvitation)]
pub(crate) struct CreatedInvitationResource {
    #[serde(flatten)]
    #[schema(inline)]
    resource: InvitationResource,
    /// The link to send to the invited person: it cannot be read again. Null in a response that is repeated for an
    /// `Idempotency-Key`.
    #[schema(value_type = Option<String>, required = true, format = "uri", extensions(("x-shown-once" = json!(true))))]
    link: String,
    /// Only in a response that is repeated for an `Idempotency-Key`: what it does not contain, and what to do without it.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

fn resource(invitation: Invitation, now: Timestamp) -> InvitationResource {
    InvitationResource {
        id: invitation.id,
        status: invitation.status(now).as_str(),
        role: invitation.role,
        created_at: invitation.created_at,
        expires_at: invitation.expires_at,
        accepted_at: invitation.accepted.map(|(at, _)| at),
        accepted_by: invitation.accepted.map(|(_, by)| by),
        revoked_at: invitation.revoked_at,
        email: invitation.email,
    }
}

/// Invite someone into a project
///
/// Needs the role `owner`; an instance key can invite the first owner of a project that has none. An earlier open invitation
/// for the same address is revoked.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/invitations",
    tag = "Invitations",
    request_body = NewInvitation,
    responses((status = 201, body = CreatedInvitationResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_invitation(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Input(new): Input<NewInvitation>,
) -> Result<Created<Json<CreatedInvitationResource>>, Problem> {
    let made = service::create(&app, &authority, project, new).await?;
    Ok(Created {
        location: format!("/api/v1/projects/{project}/invitations/{}", made.invitation.id),
        content: Json(CreatedInvitationResource {
            resource: resource(made.invitation, app.now()),
            link: made.link.expose().to_owned(),
            notice: None,
        }),
    })
}

/// List invitations of a project, newest first, including expired and revoked ones
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/invitations",
    tag = "Invitations",
    params(Paging),
    responses((status = 200, body = List<InvitationResource>))
)]
pub(super) async fn list_invitations(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<InvitationResource>, Problem> {
    let page = Paging::request::<InvitationId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, project, &page).await?;
    let now = app.now();
    Ok(List::of(page, |invitation| resource(invitation, now)))
}

/// Read an invitation
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/invitations/{invitation}",
    tag = "Invitations",
    responses((status = 200, body = InvitationResource))
)]
pub(super) async fn get_invitation(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, invitation)): Ids<(ProjectId, InvitationId)>,
) -> Result<Json<InvitationResource>, Problem> {
    let invitation = service::find(&app, &authority, project, invitation).await?;
    Ok(Json(resource(invitation, app.now())))
}

/// Revoke an invitation
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/invitations/{invitation}",
    tag = "Invitations",
    responses((status = 204, description = "Revoked."))
)]
pub(super) async fn revoke_invitation(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, invitation)): Ids<(ProjectId, InvitationId)>,
) -> Result<StatusCode, Problem> {
    service::revoke(&app, &authority, project, invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}
