//! The audit trail: list and read. Events are written by the changes that they describe; what can repeat without end is counted.

use gatewright_domain::{
    audit::{Actor, AuditEvent, FieldChange, chain::Stamp},
    id::{EventId, ProjectId},
};
use gatewright_store::{
    Page, PageRequest,
    audit::{self as rows, AuditFilter, Head},
};

use super::{Authority, ServiceError, authority::before_sign_in, change::Object};
use crate::Admin;

/// Events of a project (`None`: of the instance), newest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEvent>, ServiceError> {
    let mut tx = app.store.read(authority.read_in(project)?).await?;
    Ok(rows::list(&mut tx, project, filter, page).await?)
}

/// A further page of an export, which can take longer than the key or session it began with: checks again whether that
/// is still valid.
pub(crate) async fn list_further(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEvent>, ServiceError> {
    let mut tx = app.store.read(authority.read_in(project)?).await?;
    if !authority.stands(&mut tx, project, app.now()).await? {
        return Err(ServiceError::Forbidden(
            "The key or session that started this export is no longer valid.".to_owned(),
        ));
    }
    Ok(rows::list(&mut tx, project, filter, page).await?)
}

/// One event.
pub(crate) async fn find(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    id: EventId,
) -> Result<AuditEvent, ServiceError> {
    let mut tx = app.store.read(authority.read_in(project)?).await?;
    rows::find(&mut tx, project, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("audit event"))
}

/// The latest event of the chain of a project (`None`: of the instance), and what its latest check found. Nothing before the
/// first event.
pub async fn chain(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
) -> Result<Option<Head>, ServiceError> {
    let mut tx = app.store.read(authority.read_in(project)?).await?;
    Ok(rows::find_head(&mut tx, project).await?)
}

/// An entry for the trail.
pub(crate) struct Entry<'a> {
    /// The project, or `None` for the instance.
    pub(crate) project: Option<ProjectId>,
    /// Who, and from where.
    pub(crate) actor: Actor,
    /// What was done; with the object's kind before it, it is the action.
    pub(crate) verb: &'a str,
    /// To what.
    pub(crate) object: Object<'a>,
    /// Field by field, without secrets.
    pub(crate) changes: Vec<FieldChange>,
}

impl Entry<'_> {
    /// The event, as of now.
    pub(super) fn event(self, app: &Admin) -> AuditEvent {
        let now = app.now();
        let Stamp { id, proofs } = Stamp::generate(app.clock.as_ref(), app.entropy.as_ref());
        AuditEvent {
            id,
            project_id: self.project,
            at: now,
            actor: self.actor,
            action: format!("{}.{}", self.object.kind, self.verb),
            object_type: self.object.kind.to_owned(),
            object_id: self.object.id,
            object_name: self.object.name.to_owned(),
            changes: self.changes,
            occurrences: 1,
            last_at: now,
            proofs: Some(proofs),
            seal: None,
        }
    }
}

/// Records what can repeat without end, such as a failed sign-in or a refused change, in its own transaction: within
/// five minutes, entries of one project and action with the same `subject` are one event with a count. A trail that
/// cannot be written is reported in the log and does not stop anyone.
pub(crate) async fn tally(app: &Admin, event: &AuditEvent, subject: &str) {
    let noted = async {
        let mut tx = app.store.write(before_sign_in()).await?;
        rows::tally(&mut tx, event, subject).await?;
        tx.commit().await
    };
    if let Err(error) = noted.await {
        tracing::error!(
            action = event.action,
            error = &error as &dyn std::error::Error,
            "an event is missing in the audit trail"
        );
    }
}
