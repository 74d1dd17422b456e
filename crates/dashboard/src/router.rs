//! Everything that an instance serves: the pages, the API and the endpoints of gateways.

use std::sync::Arc;

use axum::Router;
use gatewright_admin::Beside;
use gatewright_gateway::front::Front;

use crate::Admin;

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

fn router_with(app: Arc<Admin>, more: Router<Arc<Admin>>) -> Router {
    let beside = Beside {
        routes: crate::routes(&app).merge(more),
        missing: crate::missing_page,
    };
    gatewright_admin::router(app, beside)
}
