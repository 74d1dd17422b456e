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

use axum::{
    Router,
    routing::{get, post},
};

use crate::{Admin, dashboard::deleting};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/servers", get(list::show))
        .route("/servers/new", get(create::show).post(create::save))
        .route("/servers/{server}", get(detail::show))
        .route("/servers/{server}/edit", get(edit::show).post(edit::save))
        .route("/servers/{server}/check", post(detail::check))
        .route(
            "/servers/{server}/delete",
            get(deleting::show::<delete::Servers>).post(deleting::delete::<delete::Servers>),
        )
}
