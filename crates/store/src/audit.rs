//! Audit events.

use std::fmt::Write as _;

use gatewright_domain::{
    audit::{Actor, ActorKind, AuditEvent},
    id::{EventId, ProjectId},
};
use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_json, to_word},
    value::{Value, values},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, at, actor, actor_key_id, address, origin, action, object_type, object_id, \
             object_name, changes FROM audit_events ",
            $rest
        )
    };
}

/// Adds an event, in the transaction of the change it tells of.
pub async fn insert(tx: &mut Tx, event: &AuditEvent) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_events (id, project_id, at, actor, actor_key_id, address, origin, action, \
               object_type, object_id, object_name, changes) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let (actor, key) = match event.actor.kind {
        ActorKind::ApiKey(id) => ("api_key", Some(id.to_string())),
        ActorKind::Operator => ("operator", None),
        ActorKind::System => ("system", None),
    };
    let values = values![
        event.id,
        project_column(event.project_id),
        event.at,
        actor,
        key,
        &event.actor.address,
        to_word(&event.actor.origin),
        &event.action,
        &event.object_type,
        &event.object_id,
        &event.object_name,
        to_json(&event.changes),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// By project (`None`: the instance) and id.
pub async fn find(
    tx: &mut Tx,
    project: Option<ProjectId>,
    id: EventId,
) -> Result<Option<AuditEvent>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx
        .fetch_optional(sql, values![project_column(project), id])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Filters of a list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<String>,
    /// Only this kind of object.
    pub object_type: Option<String>,
    /// Only this object.
    pub object_id: Option<String>,
}

/// Newest first.
pub async fn list(
    tx: &mut Tx,
    project: Option<ProjectId>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEvent>, StoreError> {
    // Only the filters that are set stand in the query, so that each finds its index. Writing to a String never fails.
    let mut sql = select!("WHERE project_id = $1 AND id < $2").to_owned();
    let mut values: Vec<Value> = values![project_column(project), page.below()].to_vec();
    let filters = [
        ("action", &filter.action),
        ("object_type", &filter.object_type),
        ("object_id", &filter.object_id),
    ];
    for (column, wanted) in filters {
        // PostgreSQL stores no NUL, so a text with one is found nowhere, and it would refuse to look for it.
        if wanted.as_ref().is_some_and(|wanted| wanted.contains('\0')) {
            return page.page(Vec::new(), read);
        }
        if wanted.is_some() {
            values.push(wanted.into());
            let _ = write!(sql, " AND {column} = ${}", values.len());
        }
    }
    values.push(page.rows().into());
    let _ = write!(sql, " ORDER BY id DESC LIMIT ${}", values.len());
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    page.page(rows, read)
}

fn project_column(project: Option<ProjectId>) -> String {
    project.map(|id| id.to_string()).unwrap_or_default()
}

fn read(row: &Row) -> Result<AuditEvent, StoreError> {
    let kind = match row.text("actor")?.as_str() {
        "api_key" => ActorKind::ApiKey(row.id("actor_key_id")?),
        "operator" => ActorKind::Operator,
        "system" => ActorKind::System,
        _ => return Err(StoreError::Corrupt { what: "actor" }),
    };
    let project = row.text("project_id")?;
    let project_id = match project.as_str() {
        "" => None,
        _ => Some(row.id("project_id")?),
    };
    Ok(AuditEvent {
        id: row.id("id")?,
        project_id,
        at: row.time("at")?,
        actor: Actor {
            kind,
            address: row.opt_text("address")?,
            origin: row.word("origin")?,
        },
        action: row.text("action")?,
        object_type: row.text("object_type")?,
        object_id: row.text("object_id")?,
        object_name: row.text("object_name")?,
        changes: row.json("changes")?,
    })
}
