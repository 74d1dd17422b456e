//! Dynamic client registration (RFC 7591): nothing is stored, the client id carries it all.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::client::{self, RegisteredClient};
use gatewright_oauth::{
    ErrorCode, OAuthError,
    client_metadata::{Registration, RegistrationResponse},
};
use http::StatusCode;

use super::{
    answer,
    gateway::{self, GatewayError},
    limits::{Action, Limited},
};
use crate::{
    app::App,
    directory::GatewayEntry,
    request::{BodyError, RequestContext},
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
    fn into_response(self) -> Response {
        match self {
            Self::Gateway(GatewayError::NotFound) => answer::not_found(),
            Self::Gateway(GatewayError::Stale(_)) => answer::unavailable(),
            Self::Limited(limited) => answer::limited(limited.after),
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
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    body: Body,
) -> Response {
    let outcome = match gateway::by_slug(&app, &slug) {
        Ok(entry) => register(&app, &context, Some(&entry), body).await,
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(RegisterError::into_response)
}

/// POST `/register`: for clients that derive it from the origin. The id is bound to no gateway; authorizing binds it.
pub(super) async fn at_root(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    body: Body,
) -> Response {
    register(&app, &context, None, body)
        .await
        .unwrap_or_else(RegisterError::into_response)
}

async fn register(
    app: &App,
    context: &RequestContext,
    entry: Option<&GatewayEntry>,
    body: Body,
) -> Result<Response, RegisterError> {
    let gateway_id = entry.map(|entry| entry.gateway.id);
    app.authorization_server
        .limits
        .check(Action::Register, context, gateway_id)?;
    let accepts = |entry: &GatewayEntry| entry.gateway.settings.dynamic_registration;
    let is_open = if let Some(entry) = entry {
        accepts(entry)
    } else {
        // An id of the root is good for any gateway that accepts it; where none does, it would be good for nothing.
        let directory = app.directory.current().map_err(GatewayError::from)?;
        let mut gateways = directory.gateways();
        gateways.any(|entry| entry.gateway.authentication.user_source().is_some() && accepts(entry))
    };
    if !is_open {
        return Err(RegisterError::SwitchedOff);
    }
    let registration = Registration::parse(&answer::body(body).await?)?;
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
    let secret = if registration.method.has_secret() {
        client::secret(&app.keyring, &client_id).map(|secret| secret.expose().to_owned())
    } else {
        None
    };
    let issued_at = client.issued_at.as_seconds();
    let registered = RegistrationResponse::new(&registration, client_id, issued_at, secret);
    Ok(answer::json(StatusCode::CREATED, &registered))
}
