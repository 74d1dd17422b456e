//! Trying a gateway out: its tools, a form for each made from what its server says it takes, and what came of a call.

mod call;
mod fields;
mod json;
mod list;
mod people;
mod result;
mod schema;

use std::sync::Arc;

use axum::{Router, routing::get};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Admin;

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/gateways/{gateway}/try", get(list::show))
        .route("/gateways/{gateway}/try/{tool}", get(call::show).post(call::call))
}

/// The path of a tool's page below the list. A tool may have any name.
fn path_of(list: &str, tool: &str) -> String {
    format!("{list}/{}", utf8_percent_encode(tool, NON_ALPHANUMERIC))
}
