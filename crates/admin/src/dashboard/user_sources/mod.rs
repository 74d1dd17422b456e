//! User Sources: the identity providers end users sign in with.

mod check;
mod confirm;
mod create;
mod delete;
mod detail;
mod edit;
mod fields;
mod list;
mod rotate;
mod state;
mod status;
mod test_sign_in;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{
    Admin,
    dashboard::{deleting, switching},
};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/user-sources", get(list::show))
        .route("/user-sources/new", get(create::show).post(create::create))
        .route("/user-sources/check", post(check::check))
        .route("/user-sources/{source}", get(detail::show))
        .route("/user-sources/{source}/edit", get(edit::show).post(edit::save))
        .route(
            "/user-sources/{source}/secret",
            get(rotate::show).post(rotate::rotate),
        )
        .route(
            "/user-sources/{source}/status",
            post(switching::change::<delete::Sources>),
        )
        .route(
            "/user-sources/{source}/delete",
            get(deleting::show::<delete::Sources>).post(deleting::delete::<delete::Sources>),
        )
        .route(
            "/user-sources/{source}/test-connection",
            post(detail::test_connection),
        )
        .route("/user-sources/{source}/test-sign-ins", post(test_sign_in::start))
        .route(
            "/user-sources/{source}/test-sign-ins/{test}",
            get(test_sign_in::show),
        )
}
