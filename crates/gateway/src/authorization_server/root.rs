//! Root aliases, for clients that derive endpoints from the origin instead of reading metadata. The resource they name,
//! or the gateway their client id is bound to, says which gateway is meant; where neither does, the answer says what to do.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use gatewright_domain::{client::RegisteredClient, id::ClientId, sign_in_attempt::Step};
use gatewright_oauth::{
    ErrorCode, OAuthError,
    authorize::UnverifiedRequest,
    metadata_document::is_url,
    parameters::Parameters,
    token::{RevocationRequest, TokenRequest},
};
use gatewright_store::{StoreError, preregistered_client};
use http::{HeaderMap, StatusCode};

use super::AuthorizationServer;
use super::{
    answer, authorize,
    departure::Outcome,
    gateway::{self, GatewayError},
    opening, revoke,
    token::{self, Tally, TokenError},
};
use crate::{
    directory::GatewayEntry,
    page::{self, ErrorPage},
    request::RequestContext,
};

/// GET `/authorize`.
pub(crate) async fn authorize(
    app: &AuthorizationServer,
    query: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Outcome {
    let request = UnverifiedRequest::parse(query);
    let client_id = request.client_id().unwrap_or_default();
    match meant(app, context, request.resources(), client_id).await {
        Ok(entry) => authorize::begin(app, &entry, query, context, headers)
            .await
            .unwrap_or_else(|error| error.into_response(context, context.id.reference()).into()),
        Err(MeantError::Gateway(error @ GatewayError::NotFound)) => {
            opening::stray(app, context, Step::Authorize, &error.to_string());
            page::error(&ErrorPage {
                status: StatusCode::BAD_REQUEST,
                title: "Which gateway do you want to sign in to?".to_owned(),
                explanation:
                    "Several gateways may answer at this address, and the app did not say which one it means."
                        .to_owned(),
                advice:
                    "In the app, enter the full address of the gateway. It looks like https://host/mcp/name."
                        .to_owned(),
                reference: context.id.reference(),
            })
            .into()
        }
        Err(MeantError::Gateway(GatewayError::Stale(_)) | MeantError::Store(_)) => {
            authorize::unavailable_page(context.id.reference()).into()
        }
    }
}

/// POST `/token`.
pub(super) async fn token(
    State(app): State<Arc<AuthorizationServer>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let tally = Tally::new(&app);
    let outcome = async {
        let form = answer::form(body).await?;
        let request = TokenRequest::parse(answer::authorization(&headers), &form)
            .map_err(|problem| answer::unusable(problem, &headers, answer::FORM))?;
        let client_id = &request.client.client_id;
        let entry = meant(&app, &context, request.resources(), client_id)
            .await
            .map_err(|error| unclear(&app, client_id, error))?;
        token::grant(&app, &entry, &context, request).await
    };
    tally.answer(outcome.await, &headers, &context)
}

/// POST `/revoke`.
pub(super) async fn revoke(
    State(app): State<Arc<AuthorizationServer>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = async {
        let form = answer::form(body).await?;
        let request = RevocationRequest::parse(answer::authorization(&headers), &form)
            .map_err(|problem| answer::unusable(problem, &headers, answer::FORM))?;
        let resources = Parameters::parse(&form);
        let client_id = &request.client.client_id;
        let entry = meant(&app, &context, resources.all("resource"), client_id)
            .await
            .map_err(|error| unclear(&app, client_id, error))?;
        revoke::end(&app, &entry, &context, &request).await
    };
    outcome
        .await
        .unwrap_or_else(|error: TokenError| error.into_response(&headers, &context))
}

/// Why it is not known which gateway is meant.
#[derive(Debug, thiserror::Error)]
enum MeantError {
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The gateway a request at the root means.
async fn meant<'a>(
    app: &AuthorizationServer,
    context: &RequestContext,
    mut resources: impl Iterator<Item = &'a str>,
    client_id: &str,
) -> Result<Arc<GatewayEntry>, MeantError> {
    if let Some(resource) = resources.next() {
        return Ok(gateway::by_resource(app, context, resource)?);
    }
    let bound = match client_id.parse::<ClientId>() {
        Ok(id) => {
            let found: Result<_, StoreError> = app
                .store
                .look(move |tx| Box::pin(preregistered_client::gateway_of(tx, id)))
                .await;
            found?
        }
        Err(_) => RegisteredClient::open(&app.keyring, client_id).and_then(|client| client.gateway_id),
    };
    Ok(gateway::by_id(
        app,
        context,
        bound.ok_or(GatewayError::NotFound)?,
    )?)
}

/// The response if no gateway is identified: a client that is unknown everywhere learns that, so that it registers again.
fn unclear(app: &AuthorizationServer, client_id: &str, error: MeantError) -> TokenError {
    match error {
        MeantError::Gateway(GatewayError::NotFound)
            if !is_url(client_id) && RegisteredClient::open(&app.keyring, client_id).is_none() =>
        {
            TokenError::Refused(OAuthError::new(
                ErrorCode::InvalidClient,
                "This client is not registered here. Register again and start a new sign-in.",
            ))
        }
        MeantError::Gateway(GatewayError::NotFound) => TokenError::Refused(OAuthError::new(
            ErrorCode::InvalidTarget,
            "It is not clear which gateway you mean. Send resource=https://host/mcp/name, or use the endpoints its metadata names.",
        )),
        MeantError::Gateway(error) => error.into(),
        MeantError::Store(error) => error.into(),
    }
}
