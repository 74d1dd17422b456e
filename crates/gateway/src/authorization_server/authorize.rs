//! The authorization endpoint, GET: checks the request and shows the consent page. It takes nothing and stores nothing,
//! so that it can be fetched twice; only for a trusted client, whose page is skipped, does a sign-in begin here.

use std::sync::Arc;

use axum::response::Response;
use gatewright_domain::{
    authorization::ConsentedRequest, gateway::TrustedClient, reference::Reference, sign_in_attempt::Step,
};
use gatewright_oauth::{
    authorize::{AuthorizationRequest, LocalError, Rejection, UnverifiedRequest},
    redirect_uri::Kind,
};
use gatewright_store::Urgency;
use http::{HeaderMap, StatusCode};

use super::AuthorizationServer;
use super::{
    answer,
    client::{self, Client, ClientError, ClientKind},
    consent::{self, SignInError},
    departure::{Outcome, fits},
    gateway::{self, GatewayError},
    limits::{self, Action, Limited, Whose},
    members::{self, Asked},
    opening::{self, Opening, Refusal},
};
use crate::{
    directory::GatewayEntry,
    page::{self, ErrorPage, RejectedPage},
    request::RequestContext,
    sign_in_trace::before_allow::Sort,
};

/// Why an authorization request does not lead to a consent page.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthorizeError {
    /// No such gateway.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Too many requests.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The client is not known or not accepted.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Client or redirect URI are invalid: only the user can be informed.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// It is too long to be carried to the identity provider and back.
    #[error("the request is too long to be carried through a sign-in")]
    TooLong,
    /// Something else is: a client that is listed receives the error.
    #[error("the request was refused: {}", .0.error)]
    Rejected(Box<Rejection>),
    /// The same from a client that is not listed here: the person decides whether it receives the error.
    #[error("the request was refused: {}", .0.error)]
    RejectedStranger(Box<Rejection>),
    /// A trusted client's sign-in could not begin.
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl AuthorizeError {
    /// Its entry in the trace; `None` if another part has written it.
    const fn traced(&self) -> Option<Refusal> {
        let (step, sort, advice) = match self {
            Self::Gateway(_) => return None,
            Self::Limited(_) => (Step::Authorize, Sort::Limited, limits::ADVICE),
            Self::Client(error) => return Some(Refusal::of_client(error, Step::Registration)),
            Self::Local(_) | Self::TooLong | Self::Rejected(_) | Self::RejectedStranger(_) => (
                Step::Authorize,
                Sort::Refused,
                "The app made a request that no gateway may accept; report the reason to its developers.",
            ),
            Self::SignIn(error) => return error.traced(),
        };
        Some(Refusal { step, sort, advice })
    }

    /// The answer; `reference` is what its page shows.
    pub(super) fn into_response(self, context: &RequestContext, reference: Reference) -> Response {
        let text = self.to_string();
        let page = |status, title: &str, explanation: String, advice: &str| {
            tracing::info!(request = %context.id, %reference, reason = %text, "an authorization request was refused");
            page::error(&ErrorPage {
                status,
                title: title.to_owned(),
                explanation,
                advice: advice.to_owned(),
                reference,
            })
        };
        match self {
            Self::Gateway(error) => gateway_page(error, reference),
            Self::Limited(limited) => limited_page(limited, reference),
            // What is only said to programs does not happen here.
            Self::Client(
                ClientError::Unknown
                | ClientError::WrongSecret
                | ClientError::KeyMissing
                | ClientError::NoKeys
                | ClientError::Proof(_),
            ) => page(
                StatusCode::BAD_REQUEST,
                "This app is not registered here",
                "The app that sent you here uses a registration this gateway does not know. It may be from another gateway, or from before this gateway was set up again.".to_owned(),
                "In the app, remove this server and add it again. The app then registers again.",
            ),
            Self::Client(ClientError::SwitchedOff) => page(
                StatusCode::BAD_REQUEST,
                "This app cannot sign in here",
                "The gateway does not accept apps that identify themselves the way this one does.".to_owned(),
                "Ask the people who run the gateway which apps it accepts.",
            ),
            Self::Client(ClientError::Blocked) => page(
                StatusCode::FORBIDDEN,
                "This app is blocked here",
                "The people who run this gateway have blocked the app that sent you here. Nothing was sent to it.".to_owned(),
                "Use another app, or ask the people who run the gateway.",
            ),
            Self::Client(ClientError::Stale(_)) => unavailable_page(reference),
            Self::Client(ClientError::Store(error)) => {
                tracing::error!(request = %context.id, error = &error as &dyn std::error::Error, "a client could not be looked up");
                unavailable_page(reference)
            }
            // The same words whatever the cause: a stranger chose the URL and could explore the network with them.
            Self::Client(ClientError::Document(_)) => page(
                StatusCode::BAD_REQUEST,
                "We could not find out who this app is",
                "The app describes itself in a document on the web, and that document cannot be used.".to_owned(),
                "Try again in a minute. If it happens again, report it to the developers of the app.",
            ),
            Self::Local(error) => page(
                StatusCode::BAD_REQUEST,
                "This sign-in link is not valid",
                format!("We stopped because {error}. Nothing was sent anywhere."),
                "Go back to the app and start again. If it happens again, report it to the developers of the app.",
            ),
            Self::TooLong => page(
                StatusCode::BAD_REQUEST,
                "This app sends too much",
                "The value that the app wants returned (state) is too long for a sign-in. Nothing was sent anywhere.".to_owned(),
                "Go back to the app and start again. If it happens again, report it to the developers of the app.",
            ),
            Self::Rejected(rejection) => answer::redirect(&rejection.redirect.with_error(&rejection.error), Vec::new()),
            Self::RejectedStranger(rejection) => {
                tracing::info!(request = %context.id, %reference, reason = %text, "an authorization request was refused");
                page::rejected(&RejectedPage {
                    description: &rejection.error.description,
                    code: rejection.error.code.as_str(),
                    destination: consent::way_back(rejection.redirect.uri()),
                    way_back: &rejection.redirect.with_error(&rejection.error),
                    reference,
                })
            }
            Self::SignIn(error) => error.into_response(context, reference),
        }
    }
}

/// The page for a gateway that does not answer.
pub(super) fn gateway_page(error: GatewayError, reference: Reference) -> Response {
    match error {
        GatewayError::NotFound => page::error(&ErrorPage {
            status: StatusCode::NOT_FOUND,
            title: "There is no gateway here".to_owned(),
            explanation: "No gateway that people sign in to has this address.".to_owned(),
            advice: "Check the address in the app's settings, or ask the person who sent it to you."
                .to_owned(),
            reference,
        }),
        GatewayError::Stale(_) => unavailable_page(reference),
    }
}

/// The page for a gateway that cannot answer now.
pub(crate) fn unavailable_page(reference: Reference) -> Response {
    let page = page::error(&ErrorPage {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "The gateway cannot answer right now".to_owned(),
        explanation: "A part it needs is not reachable at the moment. Nothing is lost.".to_owned(),
        advice: "Wait a few seconds and reload this page.".to_owned(),
        reference,
    });
    answer::retry_later(page, std::time::Duration::from_secs(2))
}

/// The page for too many requests.
pub(super) fn limited_page(limited: Limited, reference: Reference) -> Response {
    let page = page::error(&ErrorPage {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "Too many sign-ins at the same time".to_owned(),
        explanation: match limited.whose {
            Whose::Network => "Too many sign-ins came from your network in a short time. A sign-in you have begun is not lost.",
            Whose::Everyone | Whose::Client | Whose::Overload => "Too many people are signing in right now. A sign-in you have begun is not lost.",
        }
        .to_owned(),
        advice: match limited.whose {
            Whose::Overload => "Wait a few seconds and reload this page.",
            Whose::Network | Whose::Everyone | Whose::Client => "Wait a minute and reload this page.",
        }
        .to_owned(),
        reference,
    });
    answer::retry_later(page, limited.after)
}

/// GET `/mcp/{slug}/oauth2/authorize`.
pub(crate) async fn show(
    app: &AuthorizationServer,
    slug: &str,
    query: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Outcome {
    let outcome = match gateway::by_slug(app, context, slug) {
        Ok(entry) => begin(app, &entry, query, context, headers).await,
        Err(error) => {
            opening::stray(app, context, Step::Authorize, &error.to_string());
            Err(error.into())
        }
    };
    outcome.unwrap_or_else(|error| error.into_response(context, context.id.reference()).into())
}

/// Checks a request for a gateway and answers it with the consent page, or, for a trusted client, begins the sign-in.
/// If members are the users, a person who is not signed in does that first. A refusal is recorded.
pub(super) async fn begin(
    app: &AuthorizationServer,
    entry: &Arc<GatewayEntry>,
    query: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Outcome, AuthorizeError> {
    let mut opening = Opening::new(app, entry, context);
    let outcome = check(&mut opening, query, context, headers).await;
    if let Err(error) = &outcome
        && let Some(refusal) = error.traced()
    {
        opening.refused(&error.to_string(), refusal);
    }
    outcome
}

async fn check(
    opening: &mut Opening<'_>,
    query: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Outcome, AuthorizeError> {
    let (app, entry) = (opening.app, opening.entry);
    app.limits
        .check(Action::Authorize, context, Some(entry.gateway.id))?;
    let request = UnverifiedRequest::parse(query);
    let client = client::find(app, entry, context, request.client_id()?).await?;
    opening.knows(&client);
    let place = app
        .admission
        .enter(Urgency::Person)
        .await
        .map_err(Limited::from)?;
    let request = request
        .verify_redirect(&client.redirect_uris, &entry.url)?
        .check()
        .map_err(|rejection| rejected(entry, &client, rejection))?;
    let skips_page = is_trusted(entry, &client, request.kind);
    let kind = request.kind;
    let consented = consented(entry, &client, &request);
    if !fits(&consented) {
        return Err(AuthorizeError::TooLong);
    }
    let asked = members::asked(app, entry, headers, query)
        .await
        .map_err(SignInError::Member)?;
    let member = match asked {
        Asked::SignInFirst(redirect) => return Ok(redirect.into()),
        Asked::Member(account) => Some(account),
        Asked::Anybody => None,
    };
    if skips_page {
        // If a sign-in begins, it waits for its turn itself.
        drop(place);
        let before = opening.skips_consent();
        let member = member.map(|account| account.id);
        return Ok(consent::begin_sign_in(app, entry, consented, member, before, context, headers).await?);
    }
    let before = opening.shows_consent();
    let page = consent::show(app, entry, &client, kind, &consented, member.as_ref(), before);
    Ok(page.into())
}

fn consented(entry: &GatewayEntry, client: &Client, request: &AuthorizationRequest) -> ConsentedRequest {
    ConsentedRequest {
        gateway_id: entry.gateway.id,
        client_id: client.id.clone(),
        client_name: client.name.clone(),
        redirect_uri: request.redirect.uri().to_owned(),
        state: request.redirect.state().map(str::to_owned),
        code_challenge: request.code_challenge.as_str().to_owned(),
        scope: request.scopes.to_string(),
        consent_id: None,
    }
}

/// A request that went wrong after its redirect was verified. Anyone can register a client, or publish a document, whose
/// redirect leads wherever they like. Sent on without a page, a link to this gateway would be a link to there that looks
/// like one to here (RFC 9700 section 4.11.2), so only clients that an administrator has listed receive it immediately.
fn rejected(entry: &GatewayEntry, client: &Client, rejection: Rejection) -> AuthorizeError {
    let is_listed = match client.kind {
        ClientKind::Preregistered => true,
        ClientKind::Document => listed(entry, client).is_some(),
        ClientKind::Registered => false,
    };
    if is_listed {
        AuthorizeError::Rejected(Box::new(rejection))
    } else {
        AuthorizeError::RejectedStranger(Box::new(rejection))
    }
}

/// How the gateway trusts a client with a metadata document, if exactly this document is on the list.
pub(super) fn listed<'a>(entry: &'a GatewayEntry, client: &Client) -> Option<&'a TrustedClient> {
    let mut trusted = entry.gateway.trusted_clients.iter();
    trusted.find(|trusted| trusted.url == client.id)
}

/// Whether the consent page is skipped: for a metadata document listed on the gateway, exactly, and redirects no one
/// else can receive. Loopback redirects need their own opt-in; a scheme any app can claim never qualifies.
fn is_trusted(entry: &GatewayEntry, client: &Client, kind: Kind) -> bool {
    if client.kind != ClientKind::Document {
        return false;
    }
    listed(entry, client).is_some_and(|trusted| match kind {
        Kind::Https => true,
        Kind::Loopback => trusted.allow_loopback,
        Kind::PrivateHttp | Kind::CustomScheme => false,
    })
}
