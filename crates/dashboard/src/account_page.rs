//! `/account`: one's own name, password and sessions.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::id::AccountSessionId;

use super::{
    browser,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    moment::Moment,
    page::{self, Frame, Section},
    session::{Guest, Visit},
};
use crate::{
    Admin,
    service::{
        IfMatch, Patch, ServiceError, account_sessions,
        accounts::{self as service, OwnAccountPatch, PasswordChange},
    },
    session_cookie as cookie,
};

/// A session in the list.
struct SessionRow {
    id: AccountSessionId,
    browser: String,
    address: String,
    began: Moment,
    last_seen: Moment,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "dashboard/account.html")]
struct AccountPage {
    frame: Frame,
    name_form: Form,
    password_form: Form,
    has_password: bool,
    is_proven: bool,
    takes_passwords: bool,
    sessions: Vec<SessionRow>,
}

/// GET `/account`.
pub(super) async fn show(State(app): State<Arc<Admin>>, visit: Visit) -> Result<Response, PageError> {
    let name_form = Form::with([("name", &visit.session.account.name)]);
    render(&app, &visit, name_form, Form::default()).await
}

/// POST `/account/name`.
pub(super) async fn rename(
    State(app): State<Arc<Admin>>,
    visit: Visit,
    posted: Posted,
) -> Result<Response, PageError> {
    let patch = OwnAccountPatch {
        name: Patch::Set(posted.text("name").to_owned()),
    };
    match service::update_own(&app, &visit.authority, patch, &IfMatch::Any).await {
        Ok(_) => Ok(page::done("/account", Flash::NameSaved)),
        Err(error) => {
            let form = Form::refused(&posted, &["name"], &[], error)?;
            render(&app, &visit, form, Form::default()).await
        }
    }
}

/// POST `/account/password`.
pub(super) async fn change_password(
    State(app): State<Arc<Admin>>,
    visit: Visit,
    Guest(visitor): Guest,
    posted: Posted,
) -> Result<Response, PageError> {
    let input = PasswordChange {
        current_password: visit
            .session
            .account
            .has_password
            .then(|| posted.secret("current_password")),
        new_password: Some(posted.secret("new_password")),
    };
    match service::change_password(&app, &visit.authority, &visitor, &input).await {
        Ok(begun) => {
            let session = cookie::set(app.config.public_url(), &begun.token);
            Ok(page::go("/account", [session, Flash::PasswordChanged.cookie()]))
        }
        Err(error) => {
            let form = match error {
                // An account without password signs in again before it gets one: shown where the password would be entered.
                ServiceError::Forbidden(detail) => Form::default().and_wrong(detail),
                other => Form::refused(&posted, &[], &["current_password", "new_password"], other)?,
            };
            let name_form = Form::with([("name", &visit.session.account.name)]);
            render(&app, &visit, name_form, form).await
        }
    }
}

/// POST `/account/sessions/{session}/end`.
pub(super) async fn end_session(
    State(app): State<Arc<Admin>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: AccountSessionId = id.parse().map_err(|_| PageError::NotFound("session"))?;
    account_sessions::end(&app, &visit.authority, id).await?;
    Ok(page::done("/account", Flash::SessionEnded))
}

/// POST `/account/sessions/end-others`.
pub(super) async fn end_other_sessions(
    State(app): State<Arc<Admin>>,
    visit: Visit,
) -> Result<Response, PageError> {
    account_sessions::end_others(&app, &visit.authority).await?;
    Ok(page::done("/account", Flash::OthersEnded))
}

async fn render(
    app: &Admin,
    visit: &Visit,
    name_form: Form,
    password_form: Form,
) -> Result<Response, PageError> {
    let now = app.now();
    let sessions = account_sessions::list(app, &visit.authority).await?;
    let sessions = sessions.into_iter().map(|session| SessionRow {
        is_this: session.id == visit.session.session.id,
        id: session.id,
        browser: browser::name(&session.user_agent),
        address: session.address,
        began: Moment::new(session.created_at, now),
        last_seen: Moment::new(session.last_seen_at, now),
    });
    let status = if name_form.is_refused() {
        name_form.status()
    } else {
        password_form.status()
    };
    Ok(page::show_with(
        status,
        &AccountPage {
            frame: visit.frame(Section::Account),
            name_form,
            password_form,
            has_password: visit.session.account.has_password,
            is_proven: visit.session.account.address_proven,
            takes_passwords: app.config.administrators.password_sign_in,
            sessions: sessions.collect(),
        },
    ))
}
