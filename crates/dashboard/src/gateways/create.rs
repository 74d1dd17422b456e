//! `/projects/{project}/gateways/new`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::user_source::UserSourceStatus;

use super::{
    draft,
    editor::{self, After},
    fields,
    tree::Step,
};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Asked, Posted},
    page,
    service::gateways as service,
    session::InProject,
};

/// GET `/projects/{project}/gateways/new`, with `?source=` if a source leads here, and with the form that was set aside to
/// make one.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    if let Some(typed) = draft::read(&asked, None) {
        return editor::from_link(&app, &place, &typed, None).await;
    }
    let sources = editor::sources(&app, &place).await?;
    let mut active = sources
        .iter()
        .filter(|source| source.status == UserSourceStatus::Active);
    let only = match (active.next(), active.next()) {
        (Some(only), None) => Some(only.id),
        _ => None,
    };
    let wanted = asked.text("source").and_then(|id| id.parse().ok());
    let wanted = wanted.filter(|id| sources.iter().any(|source| source.id == *id));
    let after = After {
        gateway: None,
        posted: None,
        step: None,
        is_from_link: false,
    };
    editor::show(&app, &place, fields::fresh(wanted.or(only)), after).await
}

/// POST `/projects/{project}/gateways/new`.
pub(super) async fn create(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    if let Some(aside) = draft::put_aside(&app, &place, &posted, None).await? {
        return Ok(aside);
    }
    if let Some(step) = Step::of(&posted) {
        return editor::again(&app, &place, &posted, None, Some(step)).await;
    }
    let new = fields::new_gateway(&posted);
    match service::create(&app, &place.visit.authority, place.project.id, new).await {
        Ok(gateway) => {
            let path = place.path(&format!("/gateways/{}/connect", gateway.id));
            Ok(page::done(&path, Flash::GatewayCreated))
        }
        Err(error) => editor::refused(&app, &place, &posted, None, error).await,
    }
}
