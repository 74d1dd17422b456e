//! Incidents. Several replicas notice the same one; each transition is one guarded statement, so it begins and ends once.

use std::{fmt::Write as _, time::Duration};

use gatewright_domain::{
    Timestamp,
    id::{IncidentId, ProjectId},
    incident::{Incident, IncidentKind, IncidentStatus, Observation},
};
use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_word},
    value::{Value, values},
};

/// An open incident is written again at most this often, unless its words change.
const SEEN_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// How many incidents of one subject are kept.
const KEPT_OF_ONE: u32 = 50;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, kind, subject_id, subject_name, what, remedy, returns, began_at, last_seen_at, \
             recovered_at FROM incidents ",
            $rest
        )
    };
}

/// The outcome of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// An incident began.
    Began,
    /// One that seemed to have ended continues.
    Returned,
    /// One continues.
    GoesOn,
}

/// Records that something was noticed: `id` is that of the incident, if one begins. One that ended less than `settle` ago
/// continues.
pub async fn note(
    tx: &mut Tx,
    id: IncidentId,
    observed: &Observation,
    settle: Duration,
) -> Result<Noted, StoreError> {
    let key = values![&observed.subject_id, to_word(&observed.kind)];
    let words = values![
        &observed.subject_name,
        &observed.what,
        &observed.remedy,
        observed.at
    ];
    let open = "SELECT last_seen_at, what FROM incidents WHERE subject_id = $1 AND kind = $2 AND recovered_at IS NULL";
    if let Some(row) = tx.fetch_optional(open, key).await? {
        let is_news = row.text("what")? != observed.what
            || observed.at.since(row.time("last_seen_at")?) >= SEEN_AGAIN_AFTER;
        if is_news {
            let sql = "UPDATE incidents SET subject_name = $3, what = $4, remedy = $5, last_seen_at = $6 \
                       WHERE subject_id = $1 AND kind = $2 AND recovered_at IS NULL AND last_seen_at <= $6";
            tx.execute(sql, &[key.as_slice(), words].concat()).await?;
        }
        return Ok(Noted::GoesOn);
    }
    // The last one of its kind, unless its end has been reported.
    let sql = "UPDATE incidents SET subject_name = $3, what = $4, remedy = $5, last_seen_at = $6, recovered_at = NULL, \
               returns = returns + 1 WHERE id IN (SELECT id FROM incidents WHERE subject_id = $1 AND kind = $2 \
               AND recovered_at > $7 AND end_told_at IS NULL ORDER BY id DESC LIMIT 1) \
               AND NOT EXISTS (SELECT 1 FROM incidents AS others WHERE others.subject_id = $1 AND others.kind = $2 \
               AND others.recovered_at IS NULL)";
    let settled = values![observed.at.minus(settle)];
    if tx
        .execute(sql, &[key.as_slice(), words, settled].concat())
        .await?
        > 0
    {
        return Ok(Noted::Returned);
    }
    let sql = "INSERT INTO incidents (subject_id, kind, subject_name, what, remedy, began_at, last_seen_at, project_id, id, returns) \
               VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, 0) \
               ON CONFLICT (subject_id, kind) WHERE recovered_at IS NULL DO NOTHING";
    let own = values![observed.project_id, id];
    if tx.execute(sql, &[key.as_slice(), words, own].concat()).await? == 0 {
        return Ok(Noted::GoesOn);
    }
    let sql = "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE subject_id = $1 AND recovered_at IS NOT NULL \
               ORDER BY id DESC LIMIT 100 OFFSET $2)";
    tx.execute(sql, values![&observed.subject_id, KEPT_OF_ONE])
        .await?;
    Ok(Noted::Began)
}

/// Records that an incident has ended; `false` if there was none, or if it was noticed after `at`.
pub async fn recover(
    tx: &mut Tx,
    kind: IncidentKind,
    subject_id: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE incidents SET recovered_at = $3 WHERE subject_id = $1 AND kind = $2 AND recovered_at IS NULL \
               AND last_seen_at <= $3";
    let values = values![subject_id, to_word(&kind), at];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Has the beginning of an open incident told again, if it was last told before this time: what it warns of has come closer.
pub async fn tell_again(
    tx: &mut Tx,
    kind: IncidentKind,
    subject_id: &str,
    before: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE incidents SET begin_told_at = NULL WHERE subject_id = $1 AND kind = $2 \
               AND recovered_at IS NULL AND begin_told_at < $3";
    let values = values![subject_id, to_word(&kind), before];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Which incidents to list.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// Only of this kind.
    pub kind: Option<IncidentKind>,
    /// Only of this server, User Source, gateway or key.
    pub subject_id: Option<String>,
    /// Only those that are open, or over.
    pub status: Option<IncidentStatus>,
}

/// Incidents of a project, newest first.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &IncidentFilter,
    page: &PageRequest,
) -> Result<Page<Incident>, StoreError> {
    let mut sql = select!("WHERE project_id = $1 AND id < $2").to_owned();
    let mut values: Vec<Value> = values![project, page.below()].to_vec();
    // Writing to a String never fails.
    let mut only = |column: &str, value: Value| {
        values.push(value);
        let _ = write!(sql, " AND {column} = ${}", values.len());
    };
    if let Some(kind) = filter.kind {
        only("kind", to_word(&kind).into());
    }
    if let Some(subject) = &filter.subject_id {
        only("subject_id", subject.into());
    }
    match filter.status {
        Some(IncidentStatus::Open) => sql += " AND recovered_at IS NULL",
        Some(IncidentStatus::Recovered) => sql += " AND recovered_at IS NOT NULL",
        None => {}
    }
    values.push(page.rows().into());
    let _ = write!(sql, " ORDER BY id DESC LIMIT ${}", values.len());
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    page.page(rows, read)
}

/// One incident of a project.
pub async fn find(tx: &mut Tx, project: ProjectId, id: IncidentId) -> Result<Option<Incident>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// Open incidents of a kind in all projects, oldest first, after one with the ID `after`, at most `limit`.
pub async fn list_open(
    tx: &mut Tx,
    kind: IncidentKind,
    after: Option<IncidentId>,
    limit: u32,
) -> Result<Vec<Incident>, StoreError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let sql = select!("WHERE kind = $1 AND recovered_at IS NULL AND id > $2 ORDER BY id LIMIT $3");
    let rows = tx.fetch_all(sql, values![to_word(&kind), after, limit]).await?;
    rows.iter().map(read).collect()
}

/// Returns what has to be reported, and marks it as reported: incidents that began before `begun`, and those of them that
/// ended before `over`; oldest first, at most `limit` of each.
pub async fn take_untold(
    tx: &mut Tx,
    now: Timestamp,
    begun: Timestamp,
    over: Timestamp,
    limit: u32,
) -> Result<(Vec<Incident>, Vec<Incident>), StoreError> {
    let sql = "UPDATE incidents SET begin_told_at = $1 WHERE begin_told_at IS NULL AND recovered_at IS NULL AND id IN \
               (SELECT id FROM incidents WHERE began_at <= $2 AND begin_told_at IS NULL AND recovered_at IS NULL \
               ORDER BY id LIMIT $3) \
               RETURNING id, project_id, kind, subject_id, subject_name, what, remedy, returns, began_at, last_seen_at, \
               recovered_at";
    let have_begun = tx.fetch_all(sql, values![now, begun, limit]).await?;
    let sql = "UPDATE incidents SET end_told_at = $1 WHERE end_told_at IS NULL AND id IN (SELECT id FROM incidents \
               WHERE recovered_at <= $2 AND begin_told_at IS NOT NULL \
               AND end_told_at IS NULL ORDER BY recovered_at LIMIT $3) \
               RETURNING id, project_id, kind, subject_id, subject_name, what, remedy, returns, began_at, last_seen_at, \
               recovered_at";
    let are_over = tx.fetch_all(sql, values![now, over, limit]).await?;
    let sorted = |rows: Vec<Row>| {
        let mut incidents: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
        incidents.sort_by_key(|incident: &Incident| incident.id);
        Ok::<_, StoreError>(incidents)
    };
    Ok((sorted(have_begun)?, sorted(are_over)?))
}

/// Deletes those that were over before `before`, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE recovered_at < $1 \
               ORDER BY recovered_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

/// Deletes the incidents of something that is deleted.
pub(crate) async fn forget(tx: &mut Tx, subject_id: String) -> Result<(), StoreError> {
    let sql = "DELETE FROM incidents WHERE subject_id = $1";
    tx.execute(sql, values![subject_id]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Incident, StoreError> {
    Ok(Incident {
        id: row.id("id")?,
        project_id: row.opt_id("project_id")?,
        kind: row.word("kind")?,
        subject_id: row.text("subject_id")?,
        subject_name: row.text("subject_name")?,
        what: row.text("what")?,
        remedy: row.text("remedy")?,
        returns: row.small("returns")?,
        began_at: row.time("began_at")?,
        last_seen_at: row.time("last_seen_at")?,
        recovered_at: row.opt_time("recovered_at")?,
    })
}
