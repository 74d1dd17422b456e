//! Incidents: list and read.

use gatewright_domain::{
    id::{IncidentId, ProjectId},
    incident::Incident,
};
use gatewright_store::{
    Page, PageRequest,
    incident::{self, IncidentFilter},
};

use super::{Authority, ServiceError};
use crate::Admin;

/// Incidents of a project, newest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &IncidentFilter,
    page: &PageRequest,
) -> Result<Page<Incident>, ServiceError> {
    let permit = authority.read(project)?;
    let mut tx = app.store.read(permit).await?;
    Ok(incident::list(&mut tx, project, filter, page).await?)
}

/// One incident.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: IncidentId,
) -> Result<Incident, ServiceError> {
    let permit = authority.read(project)?;
    let mut tx = app.store.read(permit).await?;
    incident::find(&mut tx, project, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("incident"))
}
