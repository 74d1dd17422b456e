//! End users: who has signed in, what they hold, and keeping them out.

mod change;
mod detail;
mod list;

use std::sync::Arc;

use axum::Router;

use crate::{
    Admin,
    routing::{get, post},
};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/users", get(list::show))
        .route("/users/{user}", get(detail::show))
        .route("/users/{user}/block", post(change::block))
        .route("/users/{user}/unblock", post(change::unblock))
        .route("/users/{user}/sessions/end", post(change::end_all))
        .route("/users/{user}/sessions/{grant}/end", post(change::end_one))
}
