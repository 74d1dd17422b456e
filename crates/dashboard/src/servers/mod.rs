//! Servers: the MCP servers whose tools gateways offer.

mod create;
mod delete;
mod detail;
mod edit;
mod fields;
mod list;
mod lists;
mod state;
mod tools;

use std::sync::Arc;

use axum::Router;

use crate::{
    Admin, deleting,
    routing::{form, get, post},
};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/servers", get(list::show))
        .route("/servers/new", form(create::show, create::save))
        .route("/servers/{server}", get(detail::show))
        .route("/servers/{server}/edit", form(edit::show, edit::save))
        .route("/servers/{server}/check", post(detail::check))
        .route(
            "/servers/{server}/delete",
            form(
                deleting::show::<delete::Servers>,
                deleting::delete::<delete::Servers>,
            ),
        )
}
