//! How streams stand: which process sends one, how far it has come, what failed.
//!
//! A place is a number per source: of the event in each chain of the audit trail, and of the row in the activity. Both are numbered by
//! the transaction that writes them, under a lock that it holds until it commits, so a transaction that sees a number also sees every number
//! before it. What is written later always has a higher one, and nothing is skipped.

use std::collections::HashMap;

use gatewright_domain::{
    Timestamp,
    id::{ProjectId, StreamId},
    stream::{Stream, StreamLag, StreamState},
};

use crate::{
    StoreError, Tx,
    activity::Place,
    row::Row,
    tx::Lock,
    value::{Value, values},
};

/// The source of the place in the activity. No chain has this name.
const ACTIVITY: &str = "activity";
/// The source of the numbering that the place in the activity belongs to.
const GENERATION: &str = "activity generation";
/// The place in the activity of a stream whose only project is gone: nothing follows.
pub const GONE: i64 = -1;
/// Chains read at once.
const CHAINS_MAX: u32 = 100;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT stream_id, delivered, last_delivered_at, failed, failing_since, next_attempt_at, last_error, lost, lost_at \
             FROM stream_states ",
            $rest
        )
    };
}

/// The states of all streams.
pub async fn list(tx: &mut Tx) -> Result<HashMap<StreamId, StreamState>, StoreError> {
    let rows = tx.fetch_all(select!("ORDER BY stream_id"), &[]).await?;
    rows.iter()
        .map(|row| Ok((row.id("stream_id")?, read(row)?)))
        .collect()
}

/// The state of a stream.
pub async fn find(tx: &mut Tx, id: StreamId) -> Result<Option<StreamState>, StoreError> {
    let row = tx
        .fetch_optional(select!("WHERE stream_id = $1"), values![id])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Takes or keeps a stream for a process until `until`; `false` if another has it.
pub async fn hold(
    tx: &mut Tx,
    id: StreamId,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE stream_states SET holder = $2, held_until = $4 \
               WHERE stream_id = $1 AND (holder = $2 OR held_until <= $3)";
    Ok(tx.execute(sql, values![id, holder, now, until]).await? > 0)
}

/// Whether another process has a stream now.
pub async fn is_held_elsewhere(
    tx: &mut Tx,
    id: StreamId,
    holder: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "SELECT stream_id FROM stream_states WHERE stream_id = $1 AND holder <> $2 AND held_until > $3";
    let row = tx.fetch_optional(sql, values![id, holder, now]).await?;
    Ok(row.is_some())
}

/// Returns all streams that a process has, because it stops.
pub async fn release(tx: &mut Tx, holder: &str) -> Result<(), StoreError> {
    let sql = "UPDATE stream_states SET held_until = 0 WHERE holder = $1";
    tx.execute(sql, values![holder]).await?;
    Ok(())
}

/// Begins the audit events of a stream with those that are written from now on. What it knew of places is forgotten.
pub async fn begin_audit(
    tx: &mut Tx,
    id: StreamId,
    project: Option<ProjectId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    forget_audit(tx, id).await?;
    let sql = "INSERT INTO stream_cursors (stream_id, source, position, updated_at) \
               SELECT $1, project_id, seq, CAST($2 AS BIGINT) FROM audit_heads WHERE $3 = '' OR project_id = $3";
    let only = project.map(|id| id.to_string()).unwrap_or_default();
    tx.execute(sql, values![id, now, only]).await?;
    Ok(())
}

/// Begins the requests of a stream after this place in the activity.
pub async fn begin_activity(tx: &mut Tx, id: StreamId, end: Place, now: Timestamp) -> Result<(), StoreError> {
    put(tx, id, ACTIVITY, end.row, now).await?;
    put(tx, id, GENERATION, end.generation, now).await
}

/// Forgets the places in the audit trail.
pub async fn forget_audit(tx: &mut Tx, id: StreamId) -> Result<(), StoreError> {
    let sql = "DELETE FROM stream_cursors WHERE stream_id = $1 AND source NOT IN ($2, $3)";
    tx.execute(sql, values![id, ACTIVITY, GENERATION]).await?;
    Ok(())
}

/// Forgets the place in the activity.
pub async fn forget_activity(tx: &mut Tx, id: StreamId) -> Result<(), StoreError> {
    let sql = "DELETE FROM stream_cursors WHERE stream_id = $1 AND source IN ($2, $3)";
    tx.execute(sql, values![id, ACTIVITY, GENERATION]).await?;
    Ok(())
}

/// The place in the activity; before the first row if none is noted. [`GONE`] if nothing follows.
pub async fn activity_place(tx: &mut Tx, id: StreamId) -> Result<Place, StoreError> {
    let sql =
        "SELECT source, position, updated_at FROM stream_cursors WHERE stream_id = $1 AND source IN ($2, $3)";
    let mut place = Place::default();
    for row in tx.fetch_all(sql, values![id, ACTIVITY, GENERATION]).await? {
        let position = row.int("position")?;
        if row.text("source")? == ACTIVITY {
            (place.row, place.at) = (position, row.time("updated_at")?);
        } else {
            place.generation = position;
        }
    }
    Ok(place)
}

/// A chain of which events wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The name of the chain: the ID of the project, empty for the instance.
    pub chain: String,
    /// The number of the last event that arrived.
    pub place: i64,
    /// The number of the latest event.
    pub latest: i64,
}

/// Chains of which events wait, at most 100. Those that were sent longest ago come first, so that none waits for a busy one.
pub async fn behind(
    tx: &mut Tx,
    id: StreamId,
    project: Option<ProjectId>,
) -> Result<Vec<Behind>, StoreError> {
    let sql = "SELECT audit_heads.project_id AS chain, audit_heads.seq AS latest, \
               COALESCE(stream_cursors.position, 0) AS place FROM audit_heads LEFT JOIN stream_cursors \
               ON stream_cursors.stream_id = $1 AND stream_cursors.source = audit_heads.project_id \
               WHERE audit_heads.seq > COALESCE(stream_cursors.position, 0) AND ($2 = '' OR audit_heads.project_id = $2) \
               ORDER BY COALESCE(stream_cursors.updated_at, 0), audit_heads.project_id LIMIT $3";
    let only = project.map(|id| id.to_string()).unwrap_or_default();
    let rows = tx.fetch_all(sql, values![id, only, CHAINS_MAX]).await?;
    let read = |row: &Row| {
        Ok(Behind {
            chain: row.text("chain")?,
            place: row.int("place")?,
            latest: row.int("latest")?,
        })
    };
    rows.iter().map(read).collect()
}

/// How many audit events wait, and when the oldest of them happened.
pub async fn audit_lag(
    tx: &mut Tx,
    id: StreamId,
    project: Option<ProjectId>,
) -> Result<StreamLag, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(audit_heads.seq - COALESCE(stream_cursors.position, 0)), 0) AS BIGINT) AS events, \
               MIN(audit_events.at) AS oldest FROM audit_heads LEFT JOIN stream_cursors \
               ON stream_cursors.stream_id = $1 AND stream_cursors.source = audit_heads.project_id \
               LEFT JOIN audit_events ON audit_events.project_id = audit_heads.project_id \
               AND audit_events.seq = COALESCE(stream_cursors.position, 0) + 1 \
               WHERE audit_heads.seq > COALESCE(stream_cursors.position, 0) AND ($2 = '' OR audit_heads.project_id = $2)";
    let only = project.map(|id| id.to_string()).unwrap_or_default();
    let row = tx.fetch_one(sql, values![id, only]).await?;
    Ok(StreamLag {
        events: row.int("events")?,
        oldest_at: row.opt_time("oldest")?,
    })
}

/// What arrived, or was found to be lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The new place in each chain.
    pub places: Vec<(String, i64)>,
    /// The new place in the activity: the row and its numbering.
    pub activity: Option<(i64, i64)>,
    /// Records that arrived.
    pub delivered: i64,
    /// Records that were lost before them.
    pub lost: i64,
}

/// Notes what arrived, if the process still has the stream and no one has changed it since it was read; `false` otherwise, and then
/// nothing is noted. A change may have set another place, which must not be overwritten.
pub async fn advance(
    tx: &mut Tx,
    stream: &Stream,
    holder: &str,
    now: Timestamp,
    progress: &Progress,
) -> Result<bool, StoreError> {
    let id = stream.id;
    let sql = "SELECT updated_at FROM streams WHERE id = $1";
    let row = tx.lock_optional(sql, Lock::Share, values![id]).await?;
    let updated_at = row.map(|row| row.time("updated_at")).transpose()?;
    if updated_at != Some(stream.updated_at) {
        return Ok(false);
    }
    let arrived = (progress.delivered > 0).then_some(now);
    let found_lost = (progress.lost > 0).then_some(now);
    let sql = "UPDATE stream_states SET delivered = delivered + $3, \
               last_delivered_at = COALESCE($4, last_delivered_at), lost = lost + $5, lost_at = COALESCE($6, lost_at), \
               failed = 0, failing_since = NULL, next_attempt_at = 0, last_error = NULL WHERE stream_id = $1 AND holder = $2";
    let values = values![id, holder, progress.delivered, arrived, progress.lost, found_lost,];
    if tx.execute(sql, values).await? == 0 {
        return Ok(false);
    }
    for (source, place) in &progress.places {
        put(tx, id, source, *place, now).await?;
    }
    if let Some((row, generation)) = progress.activity {
        put(tx, id, ACTIVITY, row, now).await?;
        put(tx, id, GENERATION, generation, now).await?;
    }
    Ok(true)
}

/// Notes that an attempt failed, if the process still has the stream: the next is made at `next`.
pub async fn fail(
    tx: &mut Tx,
    id: StreamId,
    holder: &str,
    now: Timestamp,
    why: &str,
    next: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE stream_states SET failed = failed + 1, failing_since = COALESCE(failing_since, $3), last_error = $4, \
               next_attempt_at = $5 WHERE stream_id = $1 AND holder = $2";
    tx.execute(sql, values![id, holder, now, why, next]).await?;
    Ok(())
}

/// Makes the next attempt due now, because the stream was changed.
pub async fn retry_now(tx: &mut Tx, id: StreamId) -> Result<(), StoreError> {
    let sql = "UPDATE stream_states SET next_attempt_at = 0 WHERE stream_id = $1";
    tx.execute(sql, values![id]).await?;
    Ok(())
}

async fn put(tx: &mut Tx, id: StreamId, source: &str, place: i64, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO stream_cursors (stream_id, source, position, updated_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (stream_id, source) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at";
    let values: [Value; 4] = [id.into(), source.into(), place.into(), now.into()];
    tx.execute(sql, &values).await?;
    Ok(())
}

fn read(row: &Row) -> Result<StreamState, StoreError> {
    Ok(StreamState {
        delivered: row.int("delivered")?,
        last_delivered_at: row.opt_time("last_delivered_at")?,
        failed: row.small("failed")?,
        failing_since: row.opt_time("failing_since")?,
        next_attempt_at: row.time("next_attempt_at")?,
        last_error: row.opt_text("last_error")?,
        lost: row.int("lost")?,
        lost_at: row.opt_time("lost_at")?,
    })
}
