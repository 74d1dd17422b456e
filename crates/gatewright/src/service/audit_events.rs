//! The audit trail: list and read. Events are written by the changes they tell of.

use gatewright_domain::{
    audit::AuditEvent,
    id::{EventId, ProjectId},
};
use gatewright_store::{
    Page, PageRequest,
    audit::{self as rows, AuditFilter},
};

use super::{Authority, ServiceError};
use crate::app::App;

/// Events of a project (`None`: of the instance), newest first.
pub async fn list(
    app: &App,
    authority: &Authority,
    project: Option<ProjectId>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEvent>, ServiceError> {
    may_read(authority, project)?;
    let mut tx = app.store.read().await?;
    Ok(rows::list(&mut tx, project, filter, page).await?)
}

/// One event.
pub async fn find(
    app: &App,
    authority: &Authority,
    project: Option<ProjectId>,
    id: EventId,
) -> Result<AuditEvent, ServiceError> {
    may_read(authority, project)?;
    let mut tx = app.store.read().await?;
    rows::find(&mut tx, project, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("audit event"))
}

fn may_read(authority: &Authority, project: Option<ProjectId>) -> Result<(), ServiceError> {
    match project {
        Some(project) => authority.read(project),
        None => authority.instance(),
    }
}
