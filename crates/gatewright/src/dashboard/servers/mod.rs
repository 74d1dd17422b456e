//! Servers: the MCP servers whose tools gateways offer.

mod list;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::app::App;

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/servers", get(list::show))
}
