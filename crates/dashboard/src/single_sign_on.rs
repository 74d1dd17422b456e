//! `/account/oidc` and its callback: signing in at the identity provider of the instance.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    response::Response,
};
use gatewright_domain::reference::Reference;
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};

use super::{
    counted::counted,
    error::PageError,
    form::{Asked, Form},
    page,
    session::Guest,
    sign_in,
};
use crate::{
    Admin,
    authorization_server::{Carried, form},
    request::RequestContext,
    same_origin::is_own_reading,
    service::{
        ServiceError,
        single_sign_on::{
            self as service, SingleSignOnError,
            provider::{self, AdministratorError},
        },
    },
    session_cookie as cookie,
};

/// Where the provider sends the browser back to.
pub(super) const CALLBACK: &str = "/account/oidc/callback";

/// What the page says when the provider is at fault; the log has the reason with the reference.
const BROKEN: &str = "The identity provider does not answer as it should, so you are not signed in. Try again in a minute; if it \
    stays like this, give this reference to the person who runs this instance:";
/// The same of a provider that has its answer posted.
const POSTED: &str = "The identity provider sent its answer as a form, which is not read here, so you are not signed in. Give this \
    reference to the person who runs this instance:";

/// GET `/account/oidc`: leads to the provider. A link and no form, because the policy of our pages lets no form lead
/// elsewhere. It takes nothing; other sites cannot begin it all the same.
pub(super) async fn begin(
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if !is_own_reading(&headers) {
        return Ok(page::go("/sign-in", []));
    }
    match service::begin(&app, asked.text("next")).await {
        Ok(start) => Ok(page::go(&start.redirect, [start.set_cookie])),
        Err(error) => refused(&app, &context, error),
    }
}

/// GET `/account/oidc/callback`.
pub(super) async fn callback(
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    Guest(visitor): Guest,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let carried = provider::carried(&app, &headers).map(|state| Carried { state, gateway: None });
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
        Err(error) => refused(&app, &context, error)?,
    };
    let forget: HeaderValue = service::forget(&app);
    response.headers_mut().append(SET_COOKIE, forget);
    Ok(response)
}

/// POST `/account/oidc/callback`: a provider that has its answer posted, although it was asked for an answer in the address.
/// Another site's form comes without our cookie, so it ends with a page.
pub(super) async fn posted(
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    body: Body,
) -> Result<Response, PageError> {
    if let Some(refused) = app.authorization_server.refuse_return(&context, None) {
        return Ok(refused);
    }
    let form = form(body).await.unwrap_or_default();
    let error = service::posted(&app, &form).await;
    refused(&app, &context, error)
}

/// The page to sign in on, which says why not.
fn refused(app: &Admin, context: &RequestContext, error: SingleSignOnError) -> Result<Response, PageError> {
    let reference = context.id.reference();
    tracing::warn!(%reference, reason = %error, "single sign-on of an administrator came to nothing");
    let text = match error {
        SingleSignOnError::Provider(AdministratorError::NotConfigured) => {
            return Err(PageError::NotFound("page"));
        }
        SingleSignOnError::Provider(AdministratorError::NotBegun | AdministratorError::ForeignState) => {
            let minutes = counted(app.config.sign_in.minutes_at_provider.into(), "minute");
            let text = format!(
                "This sign-in was not begun in this browser, or it took longer than {minutes}. Try again."
            );
            return Ok(sign_in::render(app, Form::default().and_wrong(text), None, None));
        }
        SingleSignOnError::Provider(AdministratorError::Refused(_)) => {
            "The identity provider refused the sign-in. Try again, or ask the people who manage your accounts there."
        }
        SingleSignOnError::Provider(
            AdministratorError::CodeOfAnother
            | AdministratorError::Malformed(_)
            | AdministratorError::Issuer(_)
            | AdministratorError::IssuerMissing
            | AdministratorError::Provider(_)
            | AdministratorError::Token(_)
            | AdministratorError::IdToken(_),
        ) => return Ok(with_reference(app, BROKEN, reference)),
        SingleSignOnError::Provider(AdministratorError::FormPost) => {
            return Ok(with_reference(app, POSTED, reference));
        }
        SingleSignOnError::NoVerifiedAddress => {
            "The identity provider does not say that it has verified your e-mail address, so you cannot sign in with it. Ask the people who \
             manage your accounts there."
        }
        SingleSignOnError::NotInvited => {
            "There is no account for you here. Ask an owner of the project for an invitation, then sign in again."
        }
        SingleSignOnError::AnotherPerson => {
            "The account of your e-mail address belongs to someone else at the identity provider. Ask an administrator of this \
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

fn with_reference(app: &Admin, text: &str, reference: Reference) -> Response {
    let form = Form::default().and_wrong(format!("{text} {reference}"));
    sign_in::render(app, form, None, None)
}
