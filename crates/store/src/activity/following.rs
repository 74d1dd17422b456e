//! Reading the activity from a row on, of all projects or of one, for those who send it elsewhere.

use gatewright_domain::{Timestamp, activity::StoredActivity, id::ProjectId};

use super::{filter::ActivityFilter, reading};
use crate::{StoreError, Tx, value::values};

/// Rows after a number.
#[derive(Debug, Clone, Default)]
pub struct FollowedActivity {
    /// The rows, in their order.
    pub rows: Vec<StoredActivity>,
    /// The last row that was looked at, from where to continue.
    pub seen: i64,
    /// How many rows before the first that exists were deleted, counting those of all projects.
    pub deleted: i64,
}

/// Rows after the row with this number, of one project or of all, the oldest first, at most `limit`. Rows are numbered in the order of
/// their commits, so none is missed.
pub async fn follow(
    tx: &mut Tx,
    project: Option<ProjectId>,
    after: i64,
    limit: u32,
) -> Result<FollowedActivity, StoreError> {
    let last = super::last_row(tx).await?;
    let sql = "SELECT CAST(MIN(id) AS BIGINT) AS first FROM activity";
    let first = tx.fetch_one(sql, &[]).await?.opt_int("first")?;
    let first = first.unwrap_or(last.saturating_add(1));
    let deleted = first.saturating_sub(after.saturating_add(1)).max(0);
    let after = after.max(first.saturating_sub(1));
    let (rows, seen) = match project {
        Some(project) => super::since(tx, project, &ActivityFilter::default(), after, limit).await?,
        None => reading::since_of_all(tx, after, limit).await?,
    };
    Ok(FollowedActivity { rows, seen, deleted })
}

/// When the first row after this one was written; nothing if there is none.
pub async fn next_at(tx: &mut Tx, after: i64) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT at FROM activity WHERE id > $1 ORDER BY id LIMIT 1";
    let row = tx.fetch_optional(sql, values![after]).await?;
    row.map(|row| row.time("at")).transpose()
}
