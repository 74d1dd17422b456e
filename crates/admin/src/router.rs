//! Which path leads where. Routes are denied by default: what is not named here is 404. The endpoint of a gateway,
//! `/mcp/{slug}`, is found before this by [`Front`].

use std::sync::Arc;

use axum::{Extension, Router, response::Response};
use gatewright_core::problem::Kind;
use http::HeaderMap;

use gatewright_gateway::front::{Front, RouteLayer};

use crate::{Admin, request::RequestContext};

/// The front before the whole router.
pub fn front(app: &Arc<Admin>) -> Front {
    front_with(app, Router::new())
}

/// The same with more routes beside.
pub fn front_with(app: &Arc<Admin>, more: Router<Arc<Admin>>) -> Front {
    Front::new(app.gateways(), router_with(Arc::clone(app), more))
}

/// The router of `serve`.
pub fn router(app: Arc<Admin>) -> Router {
    router_with(app, Router::new())
}

/// The same with more routes beside.
pub(crate) fn router_with(app: Arc<Admin>, more: Router<Arc<Admin>>) -> Router {
    Router::new()
        .merge(gatewright_gateway::routes(app.gateways()))
        .merge(crate::api::routes(&app))
        .merge(crate::dashboard::routes(&app))
        .merge(gatewright_core::status::routes(app.core()))
        .merge(more)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(RouteLayer)
        .with_state(app)
}

/// A page for browsers, a problem for everyone else.
async fn not_found(Extension(context): Extension<RequestContext>, headers: HeaderMap) -> Response {
    crate::dashboard::missing_page(&context, &headers)
        .unwrap_or_else(|| Kind::NOT_FOUND.respond("There is nothing at this path.", context.id))
}

async fn method_not_allowed(Extension(context): Extension<RequestContext>) -> Response {
    Kind::METHOD_NOT_ALLOWED.respond("This path does not take this method.", context.id)
}
