//! `/account/oidc` and its callback: signing in at the identity provider of the instance.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{RawQuery, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};

use super::{
    error::PageError,
    form::{Asked, Form},
    page,
    session::Guest,
    sign_in,
};
use crate::{
    account::cookie,
    app::App,
    authorization_server::Carried,
    relying_party::administrator::{self, AdministratorError},
    request::RequestContext,
    same_origin::is_own_reading,
    service::{
        ServiceError,
        single_sign_on::{self as service, SingleSignOnError},
    },
};

/// What the page says when the provider is at fault; the log has the reason.
const BROKEN: &str = "The identity provider does not answer as it should, so you are not signed in. Try again in a minute; if it \
    stays like this, tell whoever runs this instance.";

/// GET `/account/oidc`: leads to the provider. A link and no form, because the policy of our pages lets no form lead
/// elsewhere. It takes nothing; other sites cannot begin it all the same.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if !is_own_reading(&headers) {
        return Ok(page::go("/sign-in", []));
    }
    match service::begin(&app, asked.text("next")).await {
        Ok(start) => Ok(page::go(&start.redirect, [start.set_cookie])),
        Err(error) => refused(&app, error),
    }
}

/// GET `/account/oidc/callback`: where the provider sends the browser back to.
pub(super) async fn callback(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    Guest(visitor): Guest,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let carried = administrator::carried(&app, &headers).map(|state| Carried { state, gateway: None });
    if let Some(refused) = app.authorization_server.refuse_return(&context, carried) {
        return Ok(refused);
    }
    let query = query.unwrap_or_default();
    let done = service::finish(&app, &visitor, &query, &headers).await;
    let mut response = match done {
        Ok(finished) => {
            let session = cookie::set(app.config.public_url(), &finished.begun.token);
            page::go(&finished.next, [session])
        }
        Err(error) => refused(&app, error)?,
    };
    let forget: HeaderValue = service::forget(&app);
    response.headers_mut().append(SET_COOKIE, forget);
    Ok(response)
}

/// The page to sign in on, which says why not.
fn refused(app: &App, error: SingleSignOnError) -> Result<Response, PageError> {
    tracing::warn!(reason = %error, "single sign-on of an administrator came to nothing");
    let text = match error {
        SingleSignOnError::Provider(AdministratorError::NotConfigured) => {
            return Err(PageError::NotFound("page"));
        }
        SingleSignOnError::Provider(AdministratorError::NotBegun | AdministratorError::ForeignState) => {
            let minutes = app.config.sign_in.minutes_at_provider;
            let text = format!(
                "This sign-in was not begun in this browser, or it took longer than {minutes} minutes. Try again."
            );
            return Ok(sign_in::render(app, Form::default().and_wrong(text), None, None));
        }
        SingleSignOnError::Provider(AdministratorError::Refused(_)) => {
            "The identity provider refused the sign-in. Try again, or ask whoever manages your accounts there."
        }
        SingleSignOnError::Provider(
            AdministratorError::CodeOfAnother
            | AdministratorError::Malformed(_)
            | AdministratorError::Issuer(_)
            | AdministratorError::IssuerMissing
            | AdministratorError::Provider(_)
            | AdministratorError::Token(_)
            | AdministratorError::IdToken(_),
        ) => BROKEN,
        SingleSignOnError::NoVerifiedAddress => {
            "The identity provider does not say that it has verified your e-mail address, so it opens no account. Ask whoever \
             manages your accounts there."
        }
        SingleSignOnError::NotInvited => {
            "There is no account for you here. Ask an owner of the project for an invitation, then sign in again."
        }
        SingleSignOnError::AnotherPerson => {
            "The account of your e-mail address belongs to somebody else at the identity provider. Ask an administrator of this \
             instance."
        }
        SingleSignOnError::Disabled => {
            "Your account is disabled. Ask an administrator of this instance to enable it."
        }
        SingleSignOnError::Provider(AdministratorError::Store(error)) => {
            return Err(PageError::from(ServiceError::from(error)));
        }
        SingleSignOnError::Service(error) => return Err(PageError::from(error)),
    };
    Ok(sign_in::render(app, Form::default().and_wrong(text), None, None))
}
