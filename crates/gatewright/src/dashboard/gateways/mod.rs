//! Gateways: the URLs that clients connect to.

mod connect;
mod list;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::app::App;

pub(super) use self::list::mode_words;

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/gateways", get(list::show))
        .route("/gateways/{gateway}/connect", get(connect::show))
}
