//! Dynamic client registration (RFC 7591): nothing is stored, the client id carries it all.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::{
    client::{self, RegisteredClient},
    sign_in_attempt::{Step, StepRecord},
};
use gatewright_oauth::{
    ErrorCode, OAuthError,
    client_metadata::{Registration, RegistrationResponse},
};
use http::{HeaderMap, StatusCode};

use super::AuthorizationServer;
use super::{
    answer,
    gateway::{self, GatewayError},
    limits::{self, Action, Limited},
};
use crate::{
    directory::GatewayEntry,
    request::{BodyError, RequestContext},
    sign_in_trace::{
        BeforeAllow,
        before_allow::{KnownClient, Sort},
    },
};

/// Why a registration was refused.
#[derive(Debug, thiserror::Error)]
enum RegisterError {
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("dynamic registration is switched off at this gateway")]
    SwitchedOff,
    #[error(transparent)]
    Invalid(#[from] OAuthError),
}

impl RegisterError {
    /// Its entry in the trace, and what the administrator can do about it.
    const fn traced(&self) -> (Sort, &'static str) {
        match self {
            Self::Limited(_) => (Sort::Limited, limits::ADVICE),
            Self::SwitchedOff => (
                Sort::Refused,
                "Turn dynamic registration on in the settings of the gateway if apps should be able to register themselves.",
            ),
            Self::Gateway(_) | Self::Body(_) | Self::Invalid(_) => (
                Sort::Refused,
                "The app sent a registration that cannot be accepted; report the reason to its developers.",
            ),
        }
    }

    fn into_response(self) -> Response {
        match self {
            Self::Gateway(GatewayError::NotFound) => answer::not_found(),
            Self::Gateway(GatewayError::Stale(_)) => answer::unavailable(),
            Self::Limited(limited) => answer::limited(limited),
            Self::Body(error) => answer::body_error(error),
            Self::SwitchedOff => {
                let problem = OAuthError::new(
                    ErrorCode::AccessDenied,
                    "This gateway does not accept dynamic registration. Use a client with a metadata document, or ask its administrator.",
                );
                answer::error(&problem)
            }
            Self::Invalid(problem) => answer::error(&problem),
        }
    }
}

/// POST `/mcp/{slug}/oauth2/register`.
pub(super) async fn at_gateway(
    State(app): State<Arc<AuthorizationServer>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = match gateway::by_slug(&app, &context, &slug) {
        Ok(entry) => {
            let outcome = register(&app, &context, Some(&entry), &headers, body).await;
            trace(&app, &entry, &context, &outcome);
            outcome
        }
        Err(error) => Err(error.into()),
    };
    outcome.map_or_else(RegisterError::into_response, |registered| {
        answer::json(StatusCode::CREATED, &registered)
    })
}

/// POST `/register`: for clients that derive it from the origin. The ID is not bound to a gateway; authorizing binds it.
pub(super) async fn at_root(
    State(app): State<Arc<AuthorizationServer>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = register(&app, &context, None, &headers, body).await;
    outcome.map_or_else(RegisterError::into_response, |registered| {
        answer::json(StatusCode::CREATED, &registered)
    })
}

/// Records the result of a registration at a gateway, with the client's name, if it has one.
fn trace(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    outcome: &Result<RegistrationResponse, RegisterError>,
) {
    let mut before = BeforeAllow::new(context.id.reference(), app.now());
    let record = StepRecord::done(Step::Registration, before.started_at);
    let (sort, client, record) = match outcome {
        Ok(registered) => {
            let client = KnownClient {
                id: &registered.client_id,
                name: &registered.client_name,
            };
            (Sort::Registered, Some(client), record)
        }
        Err(error) => {
            let (sort, advice) = error.traced();
            (sort, None, record.failed(&error.to_string(), advice))
        }
    };
    before.steps.push(record);
    app.sign_in_trace.note(entry, sort, client, &before);
}

async fn register(
    app: &AuthorizationServer,
    context: &RequestContext,
    entry: Option<&GatewayEntry>,
    headers: &HeaderMap,
    body: Body,
) -> Result<RegistrationResponse, RegisterError> {
    let gateway_id = entry.map(|entry| entry.gateway.id);
    app.limits.check(Action::Register, context, gateway_id)?;
    let accepts = |entry: &GatewayEntry| entry.gateway.settings.dynamic_registration;
    let is_open = if let Some(entry) = entry {
        accepts(entry)
    } else {
        // An ID of the root is valid at any gateway that accepts it; if none does, it would be useless.
        let directory = app.directory.current().map_err(GatewayError::from)?;
        let mut gateways = directory.gateways();
        gateways.any(|entry| entry.gateway.authentication.is_oauth() && accepts(entry))
    };
    if !is_open {
        return Err(RegisterError::SwitchedOff);
    }
    let registration = Registration::parse(&answer::body(body).await?)
        .map_err(|problem| answer::unusable(problem, headers, answer::JSON))?;
    let client = RegisteredClient {
        redirect_uris: registration.redirect_uris.clone(),
        name: registration.client_name.clone(),
        method: registration.method,
        issued_at: app.now(),
        gateway_id,
    };
    let client_id = client
        .seal(&app.keyring, app.entropy.as_ref())
        .map_err(|too_long| OAuthError::new(ErrorCode::InvalidClientMetadata, format!("{too_long}.")))?;
    context.record().set_client(client::short_id(&client_id));
    let secret = if registration.method.has_secret() {
        client::secret(&app.keyring, &client_id).map(|secret| secret.expose().to_owned())
    } else {
        None
    };
    let issued_at = client.issued_at.as_seconds();
    Ok(RegistrationResponse::new(
        &registration,
        client_id,
        issued_at,
        secret,
    ))
}
