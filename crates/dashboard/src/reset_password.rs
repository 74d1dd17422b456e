//! `/account/reset/{token}`: a new password, by a link that someone with a shell on the machine made.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    page,
    session::Guest,
};
use crate::{Admin, service::password_reset as service, session_cookie as cookie};

const DEAD: PageError = PageError::DeadLink {
    advice: "A link like this is valid for an hour and works once. The people who run this instance can create another.",
};

#[derive(Template)]
#[template(path = "dashboard/reset_password.html")]
struct ResetPage<'a> {
    form: Form,
    token: &'a str,
    email: &'a str,
}

/// GET `/account/reset/{token}`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    let account = service::look(&app, &token).await?.ok_or(DEAD)?;
    Ok(render(Form::default(), &token, account.email.as_str()))
}

/// POST `/account/reset/{token}`.
pub(super) async fn complete(
    State(app): State<Arc<Admin>>,
    Guest(visitor): Guest,
    Path(token): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let account = service::look(&app, &token).await?.ok_or(DEAD)?;
    match service::complete(&app, &visitor, &token, &posted.secret("password")).await {
        Ok(begun) => {
            let session = cookie::set(app.config.public_url(), &begun.token);
            Ok(page::go("/account", [session, Flash::PasswordChanged.cookie()]))
        }
        Err(error) => {
            let form = Form::refused(&posted, &[], &["password"], error)?;
            Ok(render(form, &token, account.email.as_str()))
        }
    }
}

fn render(form: Form, token: &str, email: &str) -> Response {
    page::show_with(form.status(), &ResetPage { form, token, email })
}
