//! `/projects/{project}/activity`: what gateways are asked and with which outcome, as charts, as a list and one by one.

mod charts;
mod detail;
mod explain;
mod filter;
mod list;
mod live;
mod row;
mod tiles;
mod tools;

use std::sync::Arc;

use axum::Router;

use crate::{Admin, routing::get};

pub(super) use tiles::{Tiles, of as tiles_of, of_project as tiles_of_project};
pub(super) use tools::{Tools, of as tools_of};

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/activity", get(list::show))
        .route("/activity/live", get(live::follow))
        .route("/activity/{request}", get(detail::show))
}
