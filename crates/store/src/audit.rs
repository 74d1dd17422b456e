//! Audit events.

use std::{fmt::Write as _, time::Duration};

use gatewright_domain::{
    Timestamp,
    audit::{Actor, ActorKind, AuditEvent, Origin, TALLY_WINDOW},
    id::{EventId, ProjectId},
    token_hash::TokenHash,
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
            "SELECT id, project_id, at, actor, actor_id, address, origin, action, object_type, object_id, \
             object_name, changes, occurrences, last_at FROM audit_events ",
            $rest
        )
    };
}

macro_rules! insert {
    ($rest:literal) => {
        concat!(
            "INSERT INTO audit_events (id, project_id, at, actor, actor_id, address, origin, action, object_type, \
             object_id, object_name, changes, tally_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            $rest
        )
    };
}

/// Adds an event, in the transaction of its change.
pub async fn insert(tx: &mut Tx, event: &AuditEvent) -> Result<(), StoreError> {
    tx.execute(insert!(""), &columns(event, None)).await?;
    Ok(())
}

/// Adds an event that may repeat endlessly, such as a failed sign-in or a refused change. Within one [`TALLY_WINDOW`]
/// (windows begin at multiples of it), events of one project and action with the same `subject`, such as an address prefix or
/// an object and its caller, are one row with a count; returns that count. Concurrent events are all counted.
pub async fn tally(tx: &mut Tx, event: &AuditEvent, subject: &str) -> Result<u32, StoreError> {
    let sql = insert!(
        " ON CONFLICT (tally_key) WHERE tally_key IS NOT NULL DO UPDATE \
         SET occurrences = audit_events.occurrences + 1, last_at = excluded.at RETURNING occurrences"
    );
    let row = tx
        .fetch_one(sql, &columns(event, Some(tally_key(event, subject))))
        .await?;
    row.small("occurrences")
}

/// A hash, because an index entry is bounded and a subject is not.
fn tally_key(event: &AuditEvent, subject: &str) -> String {
    let window = event.at.as_seconds() / TALLY_WINDOW.as_secs().cast_signed();
    let parts = (project_column(event.project_id), &event.action, window, subject);
    TokenHash::of(&to_json(&parts)).to_text()
}

fn columns(event: &AuditEvent, tally_key: Option<String>) -> [Value; 13] {
    let (actor, actor_id) = match event.actor.kind {
        ActorKind::ApiKey(id) => ("api_key", Some(id.to_string())),
        ActorKind::Account(id) => ("account", Some(id.to_string())),
        ActorKind::Anonymous => ("anonymous", None),
        ActorKind::Operator => ("operator", None),
        ActorKind::System => ("system", None),
    };
    [
        event.id.into(),
        project_column(event.project_id).into(),
        event.at.into(),
        actor.into(),
        actor_id.into(),
        (&event.actor.address).into(),
        to_word(&event.actor.origin).into(),
        (&event.action).into(),
        (&event.object_type).into(),
        (&event.object_id).into(),
        (&event.object_name).into(),
        to_json(&event.changes).into(),
        tally_key.into(),
    ]
}

/// Finds an event by project (`None`: the instance) and ID.
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

/// Deletes events that began before `before`, at most `limit`; returns how many. Their IDs are ordered by time.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE id < $1 ORDER BY id LIMIT $2)";
    tx.execute(sql, values![first_id(before), limit]).await
}

/// IDs may be this much later than the time of their event, because its transaction was running.
const ID_LEEWAY: Duration = Duration::from_mins(1);

/// Filters of a list of events.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only this actor: an ID, or the kind of an actor without one, like `operator`.
    pub actor: Option<String>,
    /// Only this way in.
    pub origin: Option<Origin>,
    /// Only from this address.
    pub address: Option<String>,
    /// Only at this time or later.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub to: Option<Timestamp>,
    /// Only this action.
    pub action: Option<String>,
    /// Only this kind of object.
    pub object_type: Option<String>,
    /// Only this object.
    pub object_id: Option<String>,
}

/// Events, newest first.
pub async fn list(
    tx: &mut Tx,
    project: Option<ProjectId>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEvent>, StoreError> {
    // The time decides, and the ID leads there. One upper bound and not two, because SQLite starts at the first it sees.
    let last = filter.to.map(|to| first_id(to.plus(ID_LEEWAY)));
    let below = last
        .as_deref()
        .map_or(page.below(), |last| last.min(page.below()));
    // Only the active filters are in the query, so that each finds its index. Writing to a String never fails.
    let mut sql = select!("WHERE project_id = $1 AND id < $2").to_owned();
    let mut values: Vec<Value> = values![project_column(project), below].to_vec();
    let mut only = |condition: &str, value: Value| {
        values.push(value);
        let _ = write!(sql, " AND {condition} ${}", values.len());
    };
    let texts = [
        ("COALESCE(actor_id, actor) =", &filter.actor),
        ("address =", &filter.address),
        ("action =", &filter.action),
        ("object_type =", &filter.object_type),
        ("object_id =", &filter.object_id),
    ];
    for (condition, wanted) in texts {
        // PostgreSQL stores no NUL, so a text with one has no matches, and PostgreSQL would refuse to search for it.
        if wanted.as_ref().is_some_and(|wanted| wanted.contains('\0')) {
            return page.page(Vec::new(), read);
        }
        if wanted.is_some() {
            only(condition, wanted.into());
        }
    }
    if let Some(origin) = &filter.origin {
        only("origin =", to_word(origin).into());
    }
    if let Some(from) = filter.from {
        only("at >=", from.into());
        only("id >=", first_id(from.minus(ID_LEEWAY)).into());
    }
    if let Some(to) = filter.to {
        only("at <", to.into());
    }
    values.push(page.rows().into());
    let _ = write!(sql, " ORDER BY id DESC LIMIT ${}", values.len());
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    page.page(rows, read)
}

/// A bound below every ID of this moment or later (RFC 9562 section 5.7: the first 48 bits are the time).
fn first_id(at: Timestamp) -> String {
    const LAST: i64 = (1 << 48) - 1;
    format!("{}{:012x}", EventId::PREFIX, at.as_millis().clamp(0, LAST))
}

fn project_column(project: Option<ProjectId>) -> String {
    project.map(|id| id.to_string()).unwrap_or_default()
}

fn read(row: &Row) -> Result<AuditEvent, StoreError> {
    let kind = match row.text("actor")?.as_str() {
        "api_key" => ActorKind::ApiKey(row.id("actor_id")?),
        "account" => ActorKind::Account(row.id("actor_id")?),
        "anonymous" => ActorKind::Anonymous,
        "operator" => ActorKind::Operator,
        "system" => ActorKind::System,
        _ => return Err(StoreError::Corrupt { what: "actor" }),
    };
    let project = row.text("project_id")?;
    let project_id = match project.as_str() {
        "" => None,
        _ => Some(row.id("project_id")?),
    };
    let at: Timestamp = row.time("at")?;
    Ok(AuditEvent {
        id: row.id("id")?,
        project_id,
        at,
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
        occurrences: row.small("occurrences")?,
        last_at: row.opt_time("last_at")?.unwrap_or(at),
    })
}
