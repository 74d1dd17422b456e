//! POST `/projects/{project}/user-sources/{source}/status`: activate and deactivate.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::{id::UserSourceId, user_source::UserSourceStatus};

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
        user_sources::{self as service, UserSourcePatch},
    },
};

/// The handler. While an active gateway uses the source the page says which.
pub(super) async fn change(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: UserSourceId = place.id("source", "User Source")?;
    let (status, flash) = match posted.text("status") {
        "active" => (UserSourceStatus::Active, Flash::SourceActivated),
        _ => (UserSourceStatus::Inactive, Flash::SourceDeactivated),
    };
    let patch = UserSourcePatch {
        status: Patch::Set(status),
        ..UserSourcePatch::default()
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    match service::update(&app, authority, project, id, patch, &IfMatch::Any, Run::Change).await {
        Ok(_) => Ok(page::done(&place.path(&format!("/user-sources/{id}")), flash)),
        Err(error) => {
            let form = Form::refused(&posted, &[], &[], error)?;
            detail::render(&app, &place, id, form).await
        }
    }
}
