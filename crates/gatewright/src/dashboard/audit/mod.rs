//! `/projects/{project}/audit`: who changed what.

mod export;
mod filter;
mod list;
mod words;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::app::App;

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/audit", get(list::show))
        .route("/audit/export", get(export::download))
}
