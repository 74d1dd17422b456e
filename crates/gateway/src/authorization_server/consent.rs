//! Consent: the page, the form that carries the request sealed, and what happens on *Allow* and *Deny*. Nothing is sent
//! to an identity provider, and no cookie is set, before a person agreed on our page.

mod caution;

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use gatewright_domain::{
    Timestamp,
    account::Account,
    authorization::ConsentedRequest,
    entropy,
    gateway::Authentication,
    id::AccountId,
    reference::Reference,
    sealed::{OpenError, Purpose},
    sign_in_attempt::{Step, StepRecord},
    stored_secret::SealedText,
};
use gatewright_oauth::{
    ErrorCode,
    parameters::Parameters,
    redirect_uri::{Kind, RedirectUri},
};
use gatewright_store::Urgency;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use self::caution::warning;
use super::AuthorizationServer;
use super::{
    answer,
    authorize::{AuthorizeError, gateway_page, limited_page, listed, unavailable_page},
    client::{self, Client, ClientError, ClientKind},
    code,
    departure::{Departure, Outcome, no_departure_page},
    gateway,
    limits::{self, Action, Limited},
    members::{self, MemberError},
    often::consent_used_up_page,
    opening::{self, Opening, Refusal},
};
use crate::{
    authorization_server::known_clients,
    directory::GatewayEntry,
    page::{self, ConsentPage, ErrorPage},
    request::{BodyError, RequestContext},
    same_origin::is_same_origin,
    sign_in_trace::{BeforeAllow, before_allow::Sort},
};

/// How long a consent page may stay open.
pub(super) const FORM_LIFE: Duration = Duration::from_mins(10);

/// A request inside the form. Sealed: the browser carries it and cannot read or change it.
#[derive(Debug, Serialize, Deserialize)]
struct Form {
    request: ConsentedRequest,
    expires_at: Timestamp,
    before: BeforeAllow,
    shown_at: Timestamp,
    /// The member who was asked, at a gateway for members.
    member: Option<AccountId>,
}

/// Why a sign-in could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignInError {
    /// Too many sign-ins begin at the same time.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The client was blocked while the page was open.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The gateway's source is not there.
    #[error("the gateway has no active User Source")]
    NoSource,
    /// A member's sign-in cannot continue.
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl SignInError {
    /// Its entry in the trace; `None` if the relying party has written it.
    pub(super) const fn traced(&self) -> Option<Refusal> {
        let (sort, advice) = match self {
            Self::Limited(_) => (Sort::Limited, limits::ADVICE),
            Self::Client(error) => return Some(Refusal::of_client(error, Step::Redirect)),
            Self::NoSource => (Sort::Refused, "Activate the User Source of this gateway."),
            Self::Member(error) => return error.traced(),
        };
        let step = Step::Redirect;
        Some(Refusal { step, sort, advice })
    }

    pub(super) fn into_response(self, context: &RequestContext, reference: Reference) -> Response {
        tracing::warn!(request = %context.id, %reference, error = %self, "a sign-in could not begin");
        match self {
            Self::Limited(limited) => limited_page(limited, reference),
            Self::Client(error) => AuthorizeError::Client(error).into_response(context, reference),
            Self::NoSource => no_departure_page(false, reference),
            Self::Member(error) => error.into_response(context, reference),
        }
    }
}

/// Why a posted consent form was refused.
#[derive(Debug, thiserror::Error)]
enum ConsentError {
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
    #[error("the form was used too often")]
    UsedUp,
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl From<OpenError> for ConsentError {
    fn from(_: OpenError) -> Self {
        Self::Foreign
    }
}

impl ConsentError {
    /// Its entry in the trace.
    const fn traced(&self) -> Option<Refusal> {
        let (sort, advice) = match self {
            Self::Limited(_) => (Sort::Limited, limits::ADVICE),
            Self::CrossSite => (
                Sort::Refused,
                "If the person pressed Allow on our page, something between them and the gateway drops or changes `Sec-Fetch-Site` and `Origin`, or `server.public_url` is not the address in their browser.",
            ),
            Self::Body(_) | Self::Foreign | Self::NoDecision => (
                Sort::Refused,
                "The person starts again in the app. If it happens to everyone, check that all replicas have the same master keys.",
            ),
            Self::UsedUp => (
                Sort::Limited,
                "Usually nothing. The person starts again in the app.",
            ),
            Self::Expired => (
                Sort::Refused,
                "The person starts again in the app, and answers within ten minutes.",
            ),
            Self::SignIn(error) => return error.traced(),
        };
        let step = Step::Consent;
        Some(Refusal { step, sort, advice })
    }

    fn into_response(self, context: &RequestContext, reference: Reference) -> Response {
        let reason = self.to_string();
        let page = |status, title: &str, explanation: &str, advice: &str| {
            tracing::info!(request = %context.id, %reference, %reason, "a consent form was refused");
            page::error(&ErrorPage {
                status,
                title: title.to_owned(),
                explanation: explanation.to_owned(),
                advice: advice.to_owned(),
                reference,
            })
        };
        match self {
            Self::Limited(limited) => limited_page(limited, reference),
            Self::CrossSite => page(
                StatusCode::FORBIDDEN,
                "We did not accept this answer",
                "It did not come from the page on which we asked you, or your browser does not say where it came from. No access was granted.",
                "Start again in the app. If you did not start a sign-in yourself, close this window.",
            ),
            Self::Body(_) | Self::Foreign | Self::NoDecision => page(
                StatusCode::BAD_REQUEST,
                "We could not read this answer",
                "It does not belong to a question that this gateway asked. No access was granted.",
                "Start again in the app.",
            ),
            Self::Expired => page(
                StatusCode::BAD_REQUEST,
                "This page was open for too long",
                "For your safety the question is valid for ten minutes only. No access was granted.",
                "Start again in the app.",
            ),
            Self::UsedUp => {
                tracing::info!(request = %context.id, %reference, %reason, "a consent form was refused");
                consent_used_up_page(reference)
            }
            Self::SignIn(error) => error.into_response(context, reference),
        }
    }
}

/// Renders the consent page for a verified request.
pub(super) fn show(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    client: &Client,
    kind: Kind,
    request: &ConsentedRequest,
    member: Option<&Account>,
    before: BeforeAllow,
) -> Response {
    let reference = before.reference;
    let now = app.now();
    let form = Form {
        request: ConsentedRequest {
            consent_id: Some(entropy::token(app.entropy.as_ref())),
            ..request.clone()
        },
        expires_at: now.plus(FORM_LIFE),
        before,
        shown_at: now,
        member: member.map(|account| account.id),
    };
    let Ok(plain) = serde_json::to_vec(&form) else {
        tracing::error!("a consent form could not be written");
        return unavailable_page(reference);
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
        warning: warning(client.kind, is_known(entry, client), kind),
        member,
        action: format!("/mcp/{}/oauth2/authorize", entry.gateway.slug),
        connections: format!("/mcp/{}/connections", entry.gateway.slug),
        sealed: &sealed.0,
        reference,
    })
}

/// POST `/mcp/{slug}/oauth2/authorize`: the answer of the person.
pub(crate) async fn decide(
    app: &AuthorizationServer,
    slug: &str,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Body,
) -> Outcome {
    let entry = match gateway::by_slug(app, context, slug) {
        Ok(entry) => entry,
        Err(error) => {
            opening::stray(app, context, Step::Consent, &error.to_string());
            return gateway_page(error, context.id.reference()).into();
        }
    };
    let mut opening = Opening::new(app, &entry, context);
    let outcome = act(&mut opening, context, headers, body).await;
    outcome.unwrap_or_else(|error| {
        if let Some(refusal) = error.traced() {
            opening.refused(&error.to_string(), refusal);
        }
        error.into_response(context, opening.reference()).into()
    })
}

async fn act(
    opening: &mut Opening<'_>,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome, ConsentError> {
    let (app, entry) = (opening.app, opening.entry);
    app.limits
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
        &seal_context(entry),
        &SealedText(sealed.to_owned()),
    )?;
    let form: Form = serde_json::from_slice(&plain).map_err(|_| ConsentError::Foreign)?;
    client::note(context, &form.request.client_id);
    let client = (form.request.client_id.clone(), form.request.client_name.clone());
    opening.goes_on(form.before, client);
    let asked = StepRecord::done(Step::Consent, form.shown_at).lasting(app.now().since(form.shown_at));
    if form.expires_at <= app.now() {
        return Err(ConsentError::Expired);
    }
    match parameters.one("decision") {
        Ok(Some("allow")) => {
            let uses = &app.consent_uses;
            if form
                .request
                .consent_id
                .as_deref()
                .is_some_and(|id| !uses.count(id))
            {
                return Err(ConsentError::UsedUp);
            }
            let before = opening.allowed(asked);
            Ok(begin_sign_in(app, entry, form.request, form.member, before, context, headers).await?)
        }
        Ok(Some("deny")) => {
            opening.denied(asked);
            let denied = code::error_redirect(
                entry,
                &form.request,
                ErrorCode::AccessDenied,
                "The user did not allow access.",
            );
            Ok(answer::redirect(&denied, Vec::new()).into())
        }
        Ok(_) | Err(_) => Err(ConsentError::NoDecision),
    }
}

/// Begins a sign-in at the gateway's identity provider. At a gateway for members it is complete immediately, because
/// `member`, who was asked, is signed in already.
pub(super) async fn begin_sign_in(
    app: &AuthorizationServer,
    entry: &Arc<GatewayEntry>,
    request: ConsentedRequest,
    member: Option<AccountId>,
    before: BeforeAllow,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Outcome, SignInError> {
    app.limits
        .check(Action::BeginSignIn, context, Some(entry.gateway.id))?;
    let place = app
        .admission
        .enter(Urgency::Person)
        .await
        .map_err(Limited::from)?;
    // The page may have been open for minutes.
    client::check_blocked(app, entry, context, &request.client_id)?;
    if entry.gateway.authentication == Authentication::ProjectMembers {
        let asked = member.ok_or(MemberError::SomebodyElse)?;
        let allowed = members::allow(app, entry, request, asked, before, headers).await?;
        return Ok(allowed.into());
    }
    let source = entry.source.as_ref().ok_or(SignInError::NoSource)?;
    // The provider may have to be asked, and others should not wait for that.
    drop(place);
    Ok(Outcome::Departs(Box::new(Departure {
        entry: Arc::clone(entry),
        source: Arc::clone(source),
        request,
        before,
    })))
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
        ClientKind::Registered if client.name.is_empty() => "No one has verified this app".to_owned(),
        ClientKind::Registered => "The app chose this name. No one has verified it".to_owned(),
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

/// Where a redirect URI leads, as shown after "Go back to".
pub(super) fn way_back(redirect_uri: &str) -> String {
    let Ok(uri) = RedirectUri::parse(redirect_uri) else {
        return "the app".to_owned();
    };
    let place = uri.destination();
    match uri.kind() {
        Kind::Https | Kind::PrivateHttp => place,
        Kind::Loopback => format!("{place} (a program on this computer)"),
        Kind::CustomScheme => format!("{place} (an app on this computer)"),
    }
}

/// Whether someone has looked at a client: the people who run the gateway, who list it, or we, who know its makers.
fn is_known(entry: &GatewayEntry, client: &Client) -> bool {
    listed(entry, client).is_some() || known_clients::name_of(&client.id).is_some()
}
