//! The sign-in trace: what happened to each attempt to sign in, step by step, and what to do about those that failed.

mod detail;
mod list;
mod row;
mod words;

use std::sync::Arc;

use axum::Router;

use crate::{Admin, routing::get};

pub(super) use self::row::{AttemptRow, rows};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/sign-ins", get(list::show))
        .route("/sign-ins/{attempt}", get(detail::show))
}
