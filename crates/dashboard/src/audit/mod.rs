//! `/projects/{project}/audit`: who changed what.

pub(super) mod chain;
mod export;
mod filter;
mod list;
pub(super) mod words;

use std::sync::Arc;

use axum::Router;

use crate::{Admin, routing::get};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/audit", get(list::show))
        .route("/audit/export", get(export::download))
}
