//! `/projects/{project}/members`: who administers the project, and invitations for others.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    account::Account,
    id::{AccountId, InvitationId},
    invitation::InvitationStatus,
    member::{Member, Role},
    words::Worded,
};
use gatewright_store::PageRequest;
use http::StatusCode;

use super::{
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section, initial},
    role::{self, MEMBER_ROLES, RoleChoice},
    session::InProject,
};
use crate::{
    Admin,
    service::{
        IfMatch, Patch,
        invitations::{self, CreatedInvitation, NewInvitation},
        members::{self as service, MemberPatch},
    },
};

/// Members on a page. Few projects have more.
const ON_A_PAGE: u32 = 100;

struct MemberRow {
    id: AccountId,
    name: String,
    email: String,
    /// Whether the address is known to be this person's.
    is_proven: bool,
    initial: String,
    role: RoleChoice,
    since: Moment,
    is_self: bool,
    /// Where the form that ends the membership goes.
    remove: String,
    /// What that form asks.
    question: String,
}

struct InvitationRow {
    id: InvitationId,
    email: String,
    role: &'static str,
    expires_at: Moment,
}

struct MadeInvitation {
    email: String,
    link: String,
    expires_at: Moment,
}

#[derive(Template)]
#[template(path = "dashboard/members.html")]
struct MembersPage {
    frame: Frame,
    project: ProjectLink,
    made: Option<MadeInvitation>,
    action_form: Form,
    members: Vec<MemberRow>,
    first: Option<String>,
    next: Option<String>,
    invitations: Vec<InvitationRow>,
    roles: &'static [RoleChoice],
    may_manage: bool,
    form: Form,
}

/// What a page shows in addition to the lists.
#[derive(Default)]
struct Extras {
    cursor: Option<String>,
    made: Option<MadeInvitation>,
    action_form: Form,
    form: Option<Form>,
}

/// GET `/projects/{project}/members`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let extras = Extras {
        cursor: asked.text("cursor").map(str::to_owned),
        ..Extras::default()
    };
    render(&app, &place, extras).await
}

/// POST `/projects/{project}/members`: makes an invitation. The answer is the page itself: the link exists in it alone, and
/// nowhere from where another page could show it.
pub(super) async fn invite(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let new = NewInvitation {
        email: posted.text("email").to_owned(),
        role: Role::of_word(posted.text("role")),
    };
    let extras = match invitations::create(&app, &place.visit.authority, place.project.id, new).await {
        Ok(CreatedInvitation { invitation, link }) => Extras {
            made: Some(MadeInvitation {
                email: invitation.email.as_str().to_owned(),
                link: link.expose().to_owned(),
                expires_at: Moment::new(invitation.expires_at, app.now()),
            }),
            ..Extras::default()
        },
        Err(error) => Extras {
            form: Some(Form::refused(&posted, &["email", "role"], &[], error)?),
            ..Extras::default()
        },
    };
    render(&app, &place, extras).await
}

/// POST `/projects/{project}/members/{account}/role`.
pub(super) async fn change_role(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let account: AccountId = place.id("account", "member")?;
    let Some(role) = Role::of_word(posted.text("role")) else {
        return Err(PageError::NotFound("role"));
    };
    let patch = MemberPatch {
        role: Patch::Set(role),
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    match service::update(&app, authority, project, account, patch, &IfMatch::Any).await {
        Ok(_) => Ok(page::done(&place.path("/members"), Flash::RoleChanged)),
        Err(error) => refused(&app, &place, &posted, error).await,
    }
}

/// POST `/projects/{project}/members/{account}/remove`: someone else, or oneself.
pub(super) async fn remove(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let account: AccountId = place.id("account", "member")?;
    let is_self = account == place.visit.session.account.id;
    let (authority, project) = (&place.visit.authority, place.project.id);
    match service::remove(&app, authority, project, account, &IfMatch::Any).await {
        Ok(()) if is_self => Ok(page::done("/projects", Flash::Left)),
        Ok(()) => Ok(page::done(&place.path("/members"), Flash::MemberRemoved)),
        Err(error) => refused(&app, &place, &posted, error).await,
    }
}

/// POST `/projects/{project}/invitations/{invitation}/revoke`.
pub(super) async fn revoke_invitation(
    State(app): State<Arc<Admin>>,
    place: InProject,
) -> Result<Response, PageError> {
    let id: InvitationId = place.id("invitation", "invitation")?;
    invitations::revoke(&app, &place.visit.authority, place.project.id, id).await?;
    Ok(page::done(&place.path("/members"), Flash::InvitationRevoked))
}

/// The page again, saying why a change of a member was refused.
async fn refused(
    app: &Admin,
    place: &InProject,
    posted: &Posted,
    error: crate::service::ServiceError,
) -> Result<Response, PageError> {
    let action_form = Form::refused(posted, &[], &[], error)?;
    let extras = Extras {
        action_form,
        ..Extras::default()
    };
    render(app, place, extras).await
}

async fn render(app: &Admin, place: &InProject, extras: Extras) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let request = PageRequest {
        after: extras.cursor.clone(),
        limit: ON_A_PAGE,
    };
    let members = service::list(app, authority, project, &request).await?;
    let invitations = if place.is_owner() {
        open_invitations(app, place).await?
    } else {
        Vec::new()
    };
    let form = extras.form.unwrap_or_else(|| Form::with([("role", "viewer")]));
    let status = if extras.action_form.is_refused() {
        StatusCode::CONFLICT
    } else {
        form.status()
    };
    let path = place.path("/members");
    Ok(page::show_with(
        status,
        &MembersPage {
            frame: place.frame(Section::Members),
            project: place.project.clone(),
            made: extras.made,
            action_form: extras.action_form,
            members: members
                .items
                .into_iter()
                .map(|(member, account)| row(app, place, &member, account))
                .collect(),
            first: extras.cursor.map(|_| path.clone()),
            next: members.next.map(|next| format!("{path}?cursor={next}")),
            invitations,
            roles: &MEMBER_ROLES,
            may_manage: place.is_owner(),
            form,
        },
    ))
}

/// The invitations that can still be accepted, newest first.
async fn open_invitations(app: &Admin, place: &InProject) -> Result<Vec<InvitationRow>, PageError> {
    let request = PageRequest::first(ON_A_PAGE);
    let now = app.now();
    let read = invitations::list(app, &place.visit.authority, place.project.id, &request).await?;
    let open = read
        .items
        .into_iter()
        .filter(|invitation| invitation.status(now) == InvitationStatus::Open)
        .map(|invitation| InvitationRow {
            id: invitation.id,
            email: invitation.email.as_str().to_owned(),
            role: role::of_member(invitation.role).label,
            expires_at: Moment::new(invitation.expires_at, now),
        });
    Ok(open.collect())
}

fn row(app: &Admin, place: &InProject, member: &Member, account: Account) -> MemberRow {
    let is_self = account.id == place.visit.session.account.id;
    MemberRow {
        id: account.id,
        initial: initial(&account.name),
        email: account.email.as_str().to_owned(),
        is_proven: account.address_proven,
        role: role::of_member(member.role),
        since: Moment::new(member.created_at, app.now()),
        is_self,
        remove: place.path(&format!("/members/{}/remove", account.id)),
        question: if is_self {
            "You lose access to this project immediately. An owner can invite you again.".to_owned()
        } else {
            format!(
                "{} loses access with the next request, and is signed out of gateways used as a member. Keys belong to the project and stay.",
                account.name
            )
        },
        name: account.name,
    }
}
