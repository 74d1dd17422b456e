//! Gateways: the URLs that clients connect to.

mod clients;
mod connect;
mod create;
mod delete;
mod detail;
mod draft;
mod edit;
mod editor;
mod fields;
mod kind;
mod list;
mod listed;
mod names;
mod recorded;
mod selection;
mod status;
#[cfg(test)]
mod tests;
mod tree;
mod try_tool;
mod words;

use std::sync::Arc;

use axum::Router;

use crate::{
    Admin, deleting,
    routing::{form, get, post},
    switching,
};

pub(super) use self::draft::Draft;

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/gateways", get(list::show))
        .route("/gateways/new", form(create::show, create::create))
        .route("/gateways/slug", get(editor::slug))
        .route("/gateways/tools", post(editor::tools))
        .route("/gateways/{gateway}", get(detail::show))
        .route("/gateways/{gateway}/edit", form(edit::show, edit::save))
        .route(
            "/gateways/{gateway}/status",
            post(switching::change::<delete::Gateways>),
        )
        .route(
            "/gateways/{gateway}/recorded-arguments/delete",
            post(recorded::delete),
        )
        .route("/gateways/{gateway}/connect", get(connect::show))
        .route(
            "/gateways/{gateway}/delete",
            form(
                deleting::show::<delete::Gateways>,
                deleting::delete::<delete::Gateways>,
            ),
        )
        .route(
            "/gateways/{gateway}/clients",
            form(clients::show, clients::register),
        )
        .route("/gateways/{gateway}/clients/block", post(clients::block))
        .route(
            "/gateways/{gateway}/blocked-clients/{block}/unblock",
            post(clients::unblock),
        )
        .route(
            "/gateways/{gateway}/registered-clients/{client}/secret",
            post(clients::rotate),
        )
        .route(
            "/gateways/{gateway}/registered-clients/{client}/delete",
            post(clients::delete),
        )
        .merge(try_tool::routes())
}
