//! POST `/projects/{project}/gateways/{gateway}/recorded-arguments/delete`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::id::GatewayId;

use crate::{Admin, error::PageError, flash::Flash, page, service::gateways as service, session::InProject};

/// Deletes what the gateway has recorded so far.
pub(super) async fn delete(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    service::delete_arguments(&app, &place.visit.authority, place.project.id, id).await?;
    let path = place.path(&format!("/gateways/{id}"));
    Ok(page::done(&path, Flash::ArgumentsDeleted))
}
