//! Secrets: values that headers of servers refer to and that are never shown again.

mod create;
mod detail;
mod list;

use std::sync::Arc;

use axum::Router;

use super::form::Posted;
use crate::{
    Admin,
    routing::{form, get, post},
};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/secrets", get(list::show))
        .route("/secrets/new", form(create::show, create::save))
        .route("/secrets/{secret}", form(detail::show, detail::save))
        .route("/secrets/{secret}/delete", post(detail::delete))
}

/// Origins as entered: one per line. Commas and spaces separate them too.
fn origins(posted: &Posted) -> Vec<String> {
    let typed = posted.text("origins");
    typed
        .split(|letter: char| letter.is_whitespace() || letter == ',')
        .filter(|origin| !origin.is_empty())
        .map(str::to_owned)
        .collect()
}
