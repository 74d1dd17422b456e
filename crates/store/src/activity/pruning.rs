//! Deleting: by age, by number, and what belongs to a project that was deleted. Each call is one small piece of work, so that
//! others do not wait long for it.

use std::time::Duration;

use gatewright_domain::{Timestamp, id::ProjectId};

use super::{
    block_of,
    filter::minute_of,
    first_row_of,
    names::{Said, find},
};
use crate::{StoreError, Tx, activity_rollup, value::values};

/// Names looked at in one piece.
const NAMES_MAX: u32 = 500;
/// Blocks of a deleted project worked on in one piece: at most 8,192 rows.
const BLOCKS_MAX: u32 = 8;
/// Arguments, counts or names of a deleted project in one piece.
const PIECE: u32 = 2_000;

/// What a piece of work did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that were deleted.
    pub rows: u64,
    /// Whether there is more of the same.
    pub more: bool,
}

/// A process that wrote nothing for this long has ended.
const KEEP_WRITERS: Duration = Duration::from_hours(24 * 7);

/// Deletes rows that were written in the minutes before that of `before`, the oldest first, at most `limit`.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<Pruned, StoreError> {
    let sql = "DELETE FROM activity_writers WHERE at < $1";
    tx.execute(sql, values![before.minus(KEEP_WRITERS)]).await?;
    let sql = "SELECT MIN(first_row) AS first_row FROM activity_minutes WHERE minute >= $1";
    let kept = tx.fetch_one(sql, values![minute_of(before)]).await?;
    delete_below(tx, kept.opt_int("first_row")?.unwrap_or(i64::MAX), limit).await
}

/// Deletes the oldest rows, at most `limit`.
pub async fn prune_oldest(tx: &mut Tx, limit: u32) -> Result<Pruned, StoreError> {
    delete_below(tx, i64::MAX, limit).await
}

/// Deletes rows below a number, the oldest first, and what is known about blocks and minutes without rows.
async fn delete_below(tx: &mut Tx, end: i64, limit: u32) -> Result<Pruned, StoreError> {
    let sql = "SELECT CAST(MIN(id) AS BIGINT) AS first, CAST(MAX(id) AS BIGINT) AS last FROM activity";
    let bounds = tx.fetch_one(sql, &[]).await?;
    let (Some(first), Some(last)) = (bounds.opt_int("first")?, bounds.opt_int("last")?) else {
        return Ok(Pruned { rows: 0, more: false });
    };
    let end = end.min(last.saturating_add(1));
    let until = first.saturating_add(i64::from(limit)).min(end);
    if until <= first {
        return Ok(Pruned { rows: 0, more: false });
    }
    let rows = tx
        .execute("DELETE FROM activity WHERE id < $1", values![until])
        .await?;
    tx.execute("DELETE FROM activity_arguments WHERE id < $1", values![until])
        .await?;
    let sql = "DELETE FROM activity_blocks WHERE block < $1";
    tx.execute(sql, values![block_of(until)]).await?;
    let sql = "DELETE FROM activity_minutes WHERE minute < \
               (SELECT MAX(minute) FROM activity_minutes WHERE first_row <= $1)";
    tx.execute(sql, values![until]).await?;
    Ok(Pruned {
        rows,
        more: until < end,
    })
}

/// Deletes names that no block has any more, of some names after the one with this number; returns the last that was looked
/// at, or `None` after the last one. Locks the numbers first, as a batch does: one that runs at the same time may be about to
/// use such a name.
pub async fn prune_names(tx: &mut Tx, after: i64) -> Result<Option<i64>, StoreError> {
    let sql = "UPDATE activity_sequence SET next_row = next_row WHERE id = 1";
    tx.execute(sql, &[]).await?;
    let sql = "SELECT CAST(MAX(id) AS BIGINT) AS last FROM \
               (SELECT id FROM activity_names WHERE id > $1 ORDER BY id LIMIT $2) AS looked_at";
    let last = tx
        .fetch_one(sql, values![after, NAMES_MAX])
        .await?
        .opt_int("last")?;
    if let Some(last) = last {
        let sql = "DELETE FROM activity_names WHERE id > $1 AND id <= $2 AND NOT EXISTS \
                   (SELECT 1 FROM activity_blocks WHERE activity_blocks.name = activity_names.id)";
        tx.execute(sql, values![after, last]).await?;
    }
    Ok(last)
}

/// The projects that have names here, of all that come after `after` in the order of their IDs, at most 200.
pub async fn projects(tx: &mut Tx, after: Option<ProjectId>) -> Result<Vec<ProjectId>, StoreError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let sql =
        "SELECT DISTINCT project_id FROM activity_names WHERE project_id > $1 ORDER BY project_id LIMIT 200";
    let rows = tx.fetch_all(sql, values![after]).await?;
    rows.iter().map(|row| row.id("project_id")).collect()
}

/// Deletes some of what belongs to a project: its arguments, its counts, its rows, and its names with the last of them. Only the last rows
/// and the names are deleted under the lock that batches take, a few at a time, so that writing does not wait for a large project.
pub async fn forget_project(tx: &mut Tx, project: ProjectId) -> Result<Pruned, StoreError> {
    let more = |rows| Ok(Pruned { rows, more: true });
    let sql = "DELETE FROM activity_arguments WHERE id IN \
               (SELECT id FROM activity_arguments WHERE project_id = $1 LIMIT $2)";
    if tx.execute(sql, values![project, PIECE]).await? >= u64::from(PIECE)
        || activity_rollup::forget_of_project(tx, project, PIECE).await? >= u64::from(PIECE)
    {
        return more(0);
    }
    let found = find(tx, project, &[Said::Project.name()]).await?;
    let Some(name) = found.first().map(|found| found.id) else {
        return Ok(Pruned { rows: 0, more: false });
    };
    // No batch that runs now writes into blocks before that of the next row.
    let sql = "SELECT next_row FROM activity_sequence WHERE id = 1";
    let next = tx.fetch_one(sql, &[]).await?.int("next_row")?;
    let blocks = blocks_of(tx, name, block_of(next)).await?;
    let mut deleted = forget_blocks(tx, project, name, &blocks).await?;
    if blocks.len() >= BLOCKS_MAX as usize {
        return more(deleted);
    }
    let sql = "UPDATE activity_sequence SET next_row = next_row WHERE id = 1";
    tx.execute(sql, &[]).await?;
    let blocks = blocks_of(tx, name, i64::MAX).await?;
    deleted += forget_blocks(tx, project, name, &blocks).await?;
    if blocks.len() >= BLOCKS_MAX as usize || has_more(tx, project).await? {
        return more(deleted);
    }
    let sql = "DELETE FROM activity_names WHERE id IN \
               (SELECT id FROM activity_names WHERE project_id = $1 AND id <> $2 LIMIT $3)";
    if tx.execute(sql, values![project, name, PIECE]).await? >= u64::from(PIECE) {
        return more(deleted);
    }
    tx.execute("DELETE FROM activity_names WHERE id = $1", values![name])
        .await?;
    Ok(Pruned {
        rows: deleted,
        more: false,
    })
}

/// Blocks before `end` that a project has rows in, the oldest first.
async fn blocks_of(tx: &mut Tx, name: i64, end: i64) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT block FROM activity_blocks WHERE name = $1 AND block < $2 ORDER BY block LIMIT $3";
    let rows = tx.fetch_all(sql, values![name, end, BLOCKS_MAX]).await?;
    rows.iter().map(|row| row.int("block")).collect()
}

/// Deletes the rows of a project in some blocks; returns how many.
async fn forget_blocks(
    tx: &mut Tx,
    project: ProjectId,
    name: i64,
    blocks: &[i64],
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for block in blocks {
        let sql = "DELETE FROM activity WHERE id >= $1 AND id < $2 AND project = $3";
        let rows = values![first_row_of(*block), first_row_of(*block + 1), name];
        deleted += tx.execute(sql, rows).await?;
        let sql = "DELETE FROM activity_blocks WHERE block = $1 AND name IN \
                   (SELECT id FROM activity_names WHERE project_id = $2)";
        tx.execute(sql, values![*block, project]).await?;
    }
    Ok(deleted)
}

/// Whether a batch has written arguments or counts of a project since they were deleted.
async fn has_more(tx: &mut Tx, project: ProjectId) -> Result<bool, StoreError> {
    for sql in [
        "SELECT id FROM activity_arguments WHERE project_id = $1 LIMIT 1",
        "SELECT seconds FROM activity_rollups WHERE project_id = $1 LIMIT 1",
    ] {
        if tx.fetch_optional(sql, values![project]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
