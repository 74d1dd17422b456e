//! `/account/invitations/{token}`: an invitation as its recipient sees it.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::{audit::Origin, invitation::InvitationStatus};
use http::HeaderMap;

use super::{
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    moment::Moment,
    page, role,
    session::{self, Guest},
};
use crate::{
    Admin,
    request::RequestContext,
    service::{
        Authority,
        account_sessions::Session,
        invitations::{self as service, Holder, Offer},
    },
    session_cookie as cookie,
};

/// What the reader of an invitation does next.
#[derive(Debug)]
enum Step {
    /// They create an account, or sign in if they already set up an account for the address.
    Create(bool),
    /// They have an account that is known to be theirs, and are not signed in.
    SignIn,
    /// They are signed in with it.
    Join,
    /// They are signed in with an account that is not known to be theirs.
    ShowPassword,
    /// They are signed in with another, of this address.
    OtherAccount(String),
}

#[derive(Template)]
#[template(path = "dashboard/invitation.html")]
struct InvitationPage<'a> {
    form: Form,
    token: &'a str,
    project: &'a str,
    email: &'a str,
    role: &'a str,
    role_means: &'a str,
    expires_at: Moment,
    step: Step,
}

/// GET `/account/invitations/{token}`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let offer = open(&app, &token).await?;
    let session = session::find(&app, &headers).await?;
    Ok(render(&app, &offer, session.as_ref(), Form::default(), &token))
}

/// POST `/account/invitations/{token}`.
pub(super) async fn accept(
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    Guest(visitor): Guest,
    Path(token): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let offer = open(&app, &token).await?;
    let session = session::find(&app, &headers).await?;
    let path = format!("/projects/{}", offer.project.id);
    let refused = |error| {
        let form = Form::refused(&posted, &["name"], &["password"], error)?;
        Ok(render(&app, &offer, session.as_ref(), form, &token))
    };
    if let Some(session) = &session {
        let authority = Authority::of_session(session, context.address, Origin::Dashboard);
        let password = posted.secret("password");
        return match service::accept(&app, &authority, session, &token, &password, context.address).await {
            Ok(_) => Ok(page::done(&path, Flash::Joined)),
            Err(error) => refused(error),
        };
    }
    let (name, password) = (posted.text("name"), posted.secret("password"));
    match service::accept_as_newcomer(&app, &visitor, &token, name, &password).await {
        Ok(begun) => {
            let session = cookie::set(app.config.public_url(), &begun.token);
            Ok(page::go(&path, [session, Flash::Joined.cookie()]))
        }
        Err(error) => refused(error),
    }
}

/// What a link offers that can still be accepted.
async fn open(app: &Admin, token: &str) -> Result<Offer, PageError> {
    let advice = match service::look(app, token).await? {
        Some(offer) => match offer.status {
            InvitationStatus::Open => return Ok(offer),
            InvitationStatus::Accepted => "This invitation was accepted. Sign in to open the project.",
            InvitationStatus::Revoked => {
                "This invitation was revoked, or replaced by a newer one. Ask for a new link."
            }
            InvitationStatus::Expired => "An invitation is valid for a week. Ask for another link.",
        },
        None => "Check that the whole link was copied, or ask for another one.",
    };
    Err(PageError::DeadLink { advice })
}

fn render(app: &Admin, offer: &Offer, session: Option<&Session>, form: Form, token: &str) -> Response {
    let invitation = &offer.invitation;
    let step = match session {
        Some(session) if session.account.email.key() == invitation.email.key() => {
            if session.account.address_proven {
                Step::Join
            } else {
                Step::ShowPassword
            }
        }
        Some(session) => Step::OtherAccount(session.account.email.as_str().to_owned()),
        None => match offer.holder {
            Holder::None => Step::Create(false),
            Holder::Unproven => Step::Create(true),
            Holder::Known => Step::SignIn,
        },
    };
    let role = role::of_member(invitation.role);
    page::show_with(
        form.status(),
        &InvitationPage {
            form,
            token,
            project: &offer.project.name,
            email: invitation.email.as_str(),
            role: role.label,
            role_means: role.means,
            expires_at: Moment::new(invitation.expires_at, app.now()),
            step,
        },
    )
}
