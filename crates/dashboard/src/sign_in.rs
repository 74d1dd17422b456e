//! `/sign-in` and `/sign-out`: with e-mail address and password.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use http::HeaderMap;

use super::{
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    page,
    session::{self, Guest},
};
use crate::{
    Admin,
    next::safe_path,
    service::{
        ServiceError, account_sessions, setup,
        sign_in::{self as service, SignInError},
        single_sign_on,
    },
    session_cookie as cookie,
};

#[derive(Template)]
#[template(path = "dashboard/sign_in.html")]
struct SignInPage<'a> {
    form: Form,
    next: Option<&'a str>,
    takes_passwords: bool,
    /// The text of the link to the identity provider, if there is one.
    single_sign_on: Option<&'a str>,
    said: Option<&'a str>,
}

/// GET `/sign-in`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let next = asked.text("next");
    if session::find(&app, &headers).await?.is_some() {
        return Ok(page::go(safe_path(next), []));
    }
    let said = if setup::has_no_account(&app).await? {
        Some(
            "This instance has no account yet. Open the setup link that `gatewright serve` printed when it started.",
        )
    } else {
        Flash::of(&headers)
            .map(Flash::text)
            .or(app.config.administrators.hint)
    };
    Ok(render(&app, Form::default(), next, said))
}

/// POST `/sign-in`.
pub(super) async fn sign_in(
    State(app): State<Arc<Admin>>,
    Guest(visitor): Guest,
    posted: Posted,
) -> Result<Response, PageError> {
    let next = Some(posted.text("next")).filter(|next| !next.is_empty());
    let email = posted.text("email");
    let signed_in = service::with_password(&app, &visitor, email, &posted.secret("password")).await;
    let refused = |detail: &str| {
        let form = Form::with([("email", email)]).and_wrong(detail);
        Ok(render(&app, form, next, None))
    };
    match signed_in {
        Ok(begun) => {
            let cookie = cookie::set(app.config.public_url(), &begun.token);
            Ok(page::go(safe_path(next), [cookie]))
        }
        Err(SignInError::Wrong) => {
            refused("The e-mail address or the password is wrong. Check both and try again.")
        }
        Err(SignInError::Disabled) => {
            refused("Your account is disabled. Ask an administrator of this instance to enable it.")
        }
        Err(SignInError::PasswordsOff) => {
            refused("This instance does not use passwords. Sign in with your identity provider.")
        }
        Err(SignInError::Limited { after }) => Err(PageError::Limited(after)),
        Err(SignInError::Overloaded(_)) => Err(ServiceError::Overloaded.into()),
        Err(SignInError::Service(error)) => Err(error.into()),
    }
}

/// POST `/sign-out`.
pub(super) async fn sign_out(
    State(app): State<Arc<Admin>>,
    Guest(visitor): Guest,
) -> Result<Response, PageError> {
    account_sessions::sign_out(&app, &visitor).await?;
    let cookies = [cookie::clear(app.config.public_url()), Flash::SignedOut.cookie()];
    Ok(page::go("/sign-in", cookies))
}

pub(super) fn render(app: &Admin, form: Form, next: Option<&str>, said: Option<&str>) -> Response {
    let status = form.status();
    let page = SignInPage {
        form,
        next,
        takes_passwords: app.config.administrators.password_sign_in,
        single_sign_on: single_sign_on::label(app),
        said,
    };
    let shown = page::show_with(status, &page);
    if next.is_some_and(|next| next.starts_with("/mcp/")) {
        page::leading_elsewhere(shown)
    } else {
        shown
    }
}
