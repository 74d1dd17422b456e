//! Which path leads where. Routes are denied by default: what is not named here is 404. The endpoint of a gateway,
//! `/mcp/{slug}`, is found before this by [`Front`].
//!
//! [`Front`]: gatewright_gateway::front::Front

use std::sync::Arc;

use axum::{Extension, Router, response::Response};
use gatewright_core::problem::Kind;
use gatewright_gateway::front::RouteLayer;
use http::HeaderMap;

use crate::{Admin, request::RequestContext};

/// Routes other than those of the API and of gateways, and the response at an unknown path.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The routes.
    pub routes: Router<Arc<Admin>>,
    /// The page for browsers at an unknown path.
    pub missing: fn(&RequestContext, &HeaderMap) -> Option<Response>,
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            routes: Router::new(),
            missing: |_, _| None,
        }
    }
}

/// The router with the API and the endpoints of gateways, and what is beside them.
pub fn router(app: Arc<Admin>, beside: Beside) -> Router {
    let missing = beside.missing;
    let not_found = async move |Extension(context): Extension<RequestContext>, headers: HeaderMap| {
        missing(&context, &headers)
            .unwrap_or_else(|| Kind::NOT_FOUND.respond("There is nothing at this path.", context.id))
    };
    Router::new()
        .merge(gatewright_gateway::routes(app.gateways()))
        .merge(crate::api::routes(&app))
        .merge(gatewright_core::status::routes(app.core()))
        .merge(beside.routes)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(RouteLayer)
        .with_state(app)
}

async fn method_not_allowed(Extension(context): Extension<RequestContext>) -> Response {
    Kind::METHOD_NOT_ALLOWED.respond("This path does not take this method.", context.id)
}
