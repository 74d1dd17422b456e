//! `/account/setup/{token}`: the first account of the instance, and its first project.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    error::PageError,
    form::{Form, Posted},
    page,
    session::Guest,
};
use crate::{
    Admin,
    service::setup::{self as service, NewInstance, SetupState},
    session_cookie as cookie,
};

const NEW_LINK: &str = "Restart Gatewright: while there is no account, each start prints a new setup link.";

#[derive(Template)]
#[template(path = "dashboard/setup.html")]
struct SetupPage<'a> {
    form: Form,
    token: &'a str,
}

/// GET `/account/setup/{token}`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    match service::look(&app, &token).await? {
        SetupState::Open => Ok(render(Form::default(), &token)),
        SetupState::Done => Ok(page::go("/sign-in", [])),
        SetupState::Unknown => Err(PageError::DeadLink { advice: NEW_LINK }),
    }
}

/// POST `/account/setup/{token}`.
pub(super) async fn complete(
    State(app): State<Arc<Admin>>,
    Guest(visitor): Guest,
    Path(token): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    match service::look(&app, &token).await? {
        SetupState::Open => {}
        SetupState::Done => return Ok(page::go("/sign-in", [])),
        SetupState::Unknown => return Err(PageError::DeadLink { advice: NEW_LINK }),
    }
    let new = NewInstance {
        email: posted.text("email").to_owned(),
        name: posted.text("name").to_owned(),
        password: Some(posted.secret("password")),
        project: posted.text("project").to_owned(),
    };
    match service::complete(&app, &visitor, &token, new).await {
        Ok(begun) => Ok(page::go(
            "/",
            [cookie::set(app.config.public_url(), &begun.token)],
        )),
        Err(error) => {
            let form = Form::refused(&posted, &["name", "email", "project"], &["password"], error)?;
            Ok(render(form, &token))
        }
    }
}

fn render(form: Form, token: &str) -> Response {
    page::show_with(form.status(), &SetupPage { form, token })
}
