//! Consent: the page, the form that carries the request sealed, and what happens on *Allow* and *Deny*. Nothing is sent
//! to an identity provider, and no cookie is set, before a person agreed on a page of ours.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::{
    Timestamp,
    authorization::ConsentedRequest,
    sealed::{OpenError, Purpose},
    stored_secret::SealedText,
};
use gatewright_oauth::{
    ErrorCode,
    parameters::Parameters,
    redirect_uri::{Kind, RedirectUri},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    answer,
    authorize::{AuthorizeError, gateway_page, limited_page, unavailable_page},
    client::{self, Client, ClientError, ClientKind},
    code,
    gateway::{self, GatewayError},
    limits::{Action, Limited},
};
use crate::{
    app::App,
    directory::GatewayEntry,
    page::{self, ConsentPage, ErrorPage, Warning},
    relying_party::{self, StartError},
    request::{BodyError, RequestContext},
    same_origin::is_same_origin,
};

/// How long a consent page may stay open.
const FORM_LIFE: Duration = Duration::from_mins(10);

/// A request inside the form. Sealed: the browser carries it and cannot read or change it.
#[derive(Debug, Serialize, Deserialize)]
struct Form {
    request: ConsentedRequest,
    expires_at: Timestamp,
}

/// Why a sign-in could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignInError {
    /// Too many sign-ins begin at once.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The client was blocked while the page was open.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The gateway's source is not there.
    #[error("the gateway has no active User Source")]
    NoSource,
    /// The relying party could not begin.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl SignInError {
    pub(super) fn into_response(self, context: &RequestContext) -> Response {
        tracing::warn!(request = %context.id, error = %self, "a sign-in could not begin");
        match self {
            Self::Limited(limited) => limited_page(limited, context),
            Self::Client(error) => AuthorizeError::Client(error).into_response(context),
            Self::NoSource | Self::Start(StartError::Provider(_)) => page::error(&ErrorPage {
                status: StatusCode::BAD_GATEWAY,
                title: "Signing in is not possible right now".to_owned(),
                explanation: "The sign-in service of your organization does not answer as it should. No access was given.".to_owned(),
                advice: "Wait a minute and reload this page. If it stays like this, tell the people who run the gateway.".to_owned(),
                reference: context.id.to_string(),
            }),
            Self::Start(StartError::Store(_)) => unavailable_page(context),
        }
    }
}

/// Why a posted consent form was not acted upon.
#[derive(Debug, thiserror::Error)]
enum ConsentError {
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error("the form was posted from another site")]
    CrossSite,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the form is not one of this gateway")]
    Foreign,
    #[error("the form has expired")]
    Expired,
    #[error("the form says neither allow nor deny")]
    NoDecision,
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl From<OpenError> for ConsentError {
    fn from(_: OpenError) -> Self {
        Self::Foreign
    }
}

impl ConsentError {
    fn into_response(self, context: &RequestContext) -> Response {
        let reason = self.to_string();
        let page = |status, title: &str, explanation: &str, advice: &str| {
            tracing::info!(request = %context.id, %reason, "a consent form was refused");
            page::error(&ErrorPage {
                status,
                title: title.to_owned(),
                explanation: explanation.to_owned(),
                advice: advice.to_owned(),
                reference: context.id.to_string(),
            })
        };
        match self {
            Self::Gateway(error) => gateway_page(error, context),
            Self::Limited(limited) => limited_page(limited, context),
            Self::CrossSite => page(
                StatusCode::FORBIDDEN,
                "We did not accept this answer",
                "It did not come from the page on which we asked you, or your browser does not say where it came from. No access was given.",
                "Start again in the app. If you did not start a sign-in yourself, close this window.",
            ),
            Self::Body(_) | Self::Foreign | Self::NoDecision => page(
                StatusCode::BAD_REQUEST,
                "We could not read this answer",
                "It does not belong to a question this gateway asked. No access was given.",
                "Start again in the app.",
            ),
            Self::Expired => page(
                StatusCode::BAD_REQUEST,
                "This page was open for too long",
                "For your safety the question is good for ten minutes only. No access was given.",
                "Start again in the app.",
            ),
            Self::SignIn(error) => error.into_response(context),
        }
    }
}

/// Renders the consent page for a verified request.
pub(super) fn show(
    app: &App,
    entry: &GatewayEntry,
    client: &Client,
    kind: Kind,
    request: &ConsentedRequest,
    context: &RequestContext,
) -> Response {
    let form = Form {
        request: request.clone(),
        expires_at: app.now().plus(FORM_LIFE),
    };
    let Ok(plain) = serde_json::to_vec(&form) else {
        tracing::error!("a consent form could not be written");
        return unavailable_page(context);
    };
    let sealed = app.keyring.seal(
        app.entropy.as_ref(),
        Purpose::Consent,
        &seal_context(entry),
        &plain,
    );
    page::consent(&ConsentPage {
        client_name: Some(client.name.as_str()).filter(|name| !name.is_empty()),
        vouching: vouching(client),
        gateway_name: &entry.gateway.name,
        destination: destination(&request.redirect_uri, kind),
        redirect_uri: &request.redirect_uri,
        offline_access: request
            .scope
            .split(' ')
            .any(|scope| scope == gatewright_oauth::scope::OFFLINE_ACCESS),
        warning: warning(client.kind, kind),
        action: format!("/mcp/{}/oauth2/authorize", entry.gateway.slug),
        sealed: &sealed.0,
        reference: &context.id.to_string(),
    })
}

/// POST `/mcp/{slug}/oauth2/authorize`: the answer of the person.
pub(super) async fn decide(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    act(&app, &slug, &context, &headers, body)
        .await
        .unwrap_or_else(|error| error.into_response(&context))
}

async fn act(
    app: &App,
    slug: &str,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ConsentError> {
    let entry = gateway::by_slug(app, slug)?;
    app.authorization_server
        .limits
        .check(Action::Authorize, context, Some(entry.gateway.id))?;
    if !is_same_origin(headers, app.config.public_url()) {
        return Err(ConsentError::CrossSite);
    }
    let parameters = Parameters::parse(&answer::form(body).await?);
    let sealed = parameters
        .one("request")
        .ok()
        .flatten()
        .ok_or(ConsentError::Foreign)?;
    let plain = app.keyring.open(
        Purpose::Consent,
        &seal_context(&entry),
        &SealedText(sealed.to_owned()),
    )?;
    let form: Form = serde_json::from_slice(&plain).map_err(|_| ConsentError::Foreign)?;
    if form.expires_at <= app.now() {
        return Err(ConsentError::Expired);
    }
    match parameters.one("decision") {
        Ok(Some("allow")) => Ok(begin_sign_in(app, &entry, form.request, context, headers).await?),
        Ok(Some("deny")) => {
            let denied = code::error_redirect(
                &entry,
                &form.request,
                ErrorCode::AccessDenied,
                "The user did not allow access.",
            );
            Ok(answer::redirect(&denied, Vec::new()))
        }
        Ok(_) | Err(_) => Err(ConsentError::NoDecision),
    }
}

/// Begins a sign-in at the gateway's identity provider: this is where the browser gets its cookie.
pub(super) async fn begin_sign_in(
    app: &App,
    entry: &GatewayEntry,
    request: ConsentedRequest,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Response, SignInError> {
    app.authorization_server
        .limits
        .check(Action::BeginSignIn, context, Some(entry.gateway.id))?;
    // The page may have been open for minutes.
    client::check_blocked(app, entry, &request.client_id)?;
    let source = entry.source.as_ref().ok_or(SignInError::NoSource)?;
    let started = relying_party::start(app, entry, source, request, context.address, headers).await?;
    Ok(answer::redirect(&started.redirect, started.set_cookies))
}

/// A form of one gateway is not a form of another.
fn seal_context(entry: &GatewayEntry) -> String {
    format!("consent/{}", entry.gateway.id)
}

fn vouching(client: &Client) -> String {
    match client.kind {
        ClientKind::Document => {
            let host = url::Url::parse(&client.id)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned));
            format!("Published by {}", host.unwrap_or_default())
        }
        ClientKind::Registered if client.name.is_empty() => "Nobody has checked who is behind it".to_owned(),
        ClientKind::Registered => "The app chose this name itself; nobody has checked it".to_owned(),
        ClientKind::Preregistered => "Registered by the people who run this gateway".to_owned(),
    }
}

fn destination(redirect_uri: &str, kind: Kind) -> String {
    let place = RedirectUri::parse(redirect_uri)
        .map(|uri| uri.destination())
        .unwrap_or_default();
    match kind {
        Kind::Https => place,
        Kind::Loopback => "A program on this computer".to_owned(),
        Kind::PrivateHttp => format!("{place} on your network"),
        Kind::CustomScheme => format!("An app on this computer ({place})"),
    }
}

/// What to be careful about; the gravest first.
const fn warning(client: ClientKind, kind: Kind) -> Option<Warning> {
    Some(match (kind, client) {
        (Kind::PrivateHttp, _) => Warning {
            title: "The way back is not encrypted",
            text: "The answer goes to a machine on your network without encryption, where others may read it. Allow this only if you know that machine.",
        },
        (Kind::Loopback | Kind::CustomScheme, _) => Warning {
            title: "Any program on this computer could be asking",
            text: "We cannot tell which program receives the answer. Allow this only if you started the sign-in yourself just now.",
        },
        (Kind::Https, ClientKind::Registered) => Warning {
            title: "We do not know this app",
            text: "Anybody can register an app under any name. Allow this only if you trust the website you will be sent to.",
        },
        (Kind::Https, ClientKind::Document | ClientKind::Preregistered) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_or_local_client_comes_with_a_warning() {
        assert!(warning(ClientKind::Document, Kind::Https).is_none());
        assert!(warning(ClientKind::Registered, Kind::Https).is_some());
        assert!(warning(ClientKind::Preregistered, Kind::Https).is_none());
        assert!(warning(ClientKind::Preregistered, Kind::Loopback).is_some());
        assert!(warning(ClientKind::Document, Kind::Loopback).is_some());
        assert!(warning(ClientKind::Document, Kind::CustomScheme).is_some());
    }
}
