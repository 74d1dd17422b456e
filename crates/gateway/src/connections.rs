//! Routes of the connections page, where people see which clients act for them at a gateway: the authorization server shows it,
//! and the relying party sends the browser on to the identity provider.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, RawQuery, State},
    response::Response,
    routing::{get, post},
};
use gatewright_domain::sign_in_attempt::{Step, StepRecord};
use http::HeaderMap;

use crate::{
    Gateways,
    authorization_server::{connections, no_departure_page, redirect},
    relying_party,
    request::RequestContext,
    sign_in_trace::BeforeAllow,
};

/// The routes, of each gateway.
pub(crate) fn routes() -> Router<Arc<Gateways>> {
    Router::new()
        .route("/mcp/{slug}/connections", get(show))
        .route("/mcp/{slug}/connections/sign-in", post(sign_in))
        .route("/mcp/{slug}/connections/leave", post(leave))
        .route("/mcp/{slug}/connections/{grant}/sign-out", post(sign_out))
}

async fn show(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let signed_out = query.as_deref() == Some("signed_out=1");
    connections::show(&app.authorization_server, &slug, signed_out, &context, &headers).await
}

/// Sends the browser to the identity provider. This is where it gets its cookie.
async fn sign_in(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (entry, source) = match connections::begin(&app.authorization_server, &slug, &context, &headers) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let reference = context.id.reference();
    let mut before = BeforeAllow::new(reference, app.now());
    let asked = "the person chose Sign in on the connections page";
    before
        .steps
        .push(StepRecord::done(Step::Authorize, app.now()).with_detail(asked));
    match relying_party::start_for_connections(&app, &entry, &source, before, &headers).await {
        Ok(started) => redirect(&started.redirect, started.set_cookies),
        Err(error) => {
            tracing::warn!(request = %context.id, %reference, %error, "a sign-in could not begin");
            no_departure_page(error.is_limited(), reference)
        }
    }
}

async fn leave(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Response {
    connections::leave(&app.authorization_server, &slug, &context, &headers).await
}

async fn sign_out(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path((slug, grant)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let grant = grant.parse().ok();
    connections::sign_out(&app.authorization_server, &slug, grant, &context, &headers).await
}
