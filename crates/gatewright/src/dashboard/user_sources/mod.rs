//! User Sources: the identity providers end users sign in with.

mod list;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::app::App;

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/user-sources", get(list::show))
}
