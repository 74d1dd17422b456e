//! POST `/projects/{project}/gateways/{gateway}/status`: activate and deactivate.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::GatewayStatus, id::GatewayId};

use super::detail;
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        flash::Flash,
        form::{Form, Posted},
        page,
        session::InProject,
    },
    service::{
        IfMatch, Patch,
        effects::Run,
        gateways::{self as service, GatewayPatch},
    },
};

/// The handler. Where the source of the gateway forbids it, the page says so.
pub(super) async fn change(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (status, flash) = match posted.text("status") {
        "active" => (GatewayStatus::Active, Flash::GatewayActivated),
        _ => (GatewayStatus::Inactive, Flash::GatewayDeactivated),
    };
    let patch = GatewayPatch {
        status: Patch::Set(status),
        ..GatewayPatch::default()
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    match service::update(&app, authority, project, id, patch, &IfMatch::Any, Run::Change).await {
        Ok(_) => Ok(page::done(&place.path(&format!("/gateways/{id}")), flash)),
        Err(error) => {
            let form = Form::refused(&posted, &[], &[], error)?;
            detail::render(&app, &place, id, form).await
        }
    }
}
