//! The authorization endpoint (RFC 6749 section 3.1): the authorization server checks a request and asks the person, and the
//! relying party sends the browser on to the identity provider.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, RawQuery, State},
    response::Response,
    routing::get,
};
use http::HeaderMap;

use crate::{
    Gateways,
    authorization_server::{self, Departure, Outcome, no_departure_page, redirect},
    relying_party,
    request::RequestContext,
};

/// The routes, of each gateway and of the instance.
pub(crate) fn routes() -> Router<Arc<Gateways>> {
    Router::new()
        .route("/mcp/{slug}/oauth2/authorize", get(show).post(decide))
        .route("/authorize", get(show_at_root))
}

/// GET `/mcp/{slug}/oauth2/authorize`.
async fn show(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let outcome =
        authorization_server::show(&app.authorization_server, &slug, &query, &context, &headers).await;
    go_on(&app, outcome, &context, &headers).await
}

/// GET `/authorize`.
async fn show_at_root(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let outcome =
        authorization_server::show_at_root(&app.authorization_server, &query, &context, &headers).await;
    go_on(&app, outcome, &context, &headers).await
}

/// POST `/mcp/{slug}/oauth2/authorize`.
async fn decide(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome =
        authorization_server::decide(&app.authorization_server, &slug, &context, &headers, body).await;
    go_on(&app, outcome, &context, &headers).await
}

/// Sends a browser to the identity provider, if its request leads there. This is where it gets its cookie.
async fn go_on(app: &Gateways, outcome: Outcome, context: &RequestContext, headers: &HeaderMap) -> Response {
    let Departure {
        entry,
        source,
        request,
        before,
    } = match outcome {
        Outcome::Answered(response) => return response,
        Outcome::Departs(departure) => *departure,
    };
    let reference = before.reference;
    match relying_party::start(app, &entry, &source, request, before, headers).await {
        Ok(started) => redirect(&started.redirect, started.set_cookies),
        Err(error) => {
            tracing::warn!(request = %context.id, %reference, %error, "a sign-in could not begin");
            no_departure_page(error.is_limited(), reference)
        }
    }
}
