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

use axum::Router;

use crate::{
    Admin, deleting,
    routing::{form, get, post},
    switching,
};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/user-sources", get(list::show))
        .route("/user-sources/new", form(create::show, create::create))
        .route("/user-sources/check", post(check::check))
        .route("/user-sources/{source}", get(detail::show))
        .route("/user-sources/{source}/edit", form(edit::show, edit::save))
        .route(
            "/user-sources/{source}/secret",
            form(rotate::show, rotate::rotate),
        )
        .route(
            "/user-sources/{source}/status",
            post(switching::change::<delete::Sources>),
        )
        .route(
            "/user-sources/{source}/delete",
            form(
                deleting::show::<delete::Sources>,
                deleting::delete::<delete::Sources>,
            ),
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
