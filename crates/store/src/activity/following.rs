//! Reading the activity from a row on, of all projects or of one, for those who send it elsewhere.

use std::time::Duration;

use gatewright_domain::{Timestamp, activity::StoredActivity, id::ProjectId};

use super::{
    filter::{ActivityFilter, minute_of},
    names::{Said, find},
    reading,
};
use crate::{StoreError, Tx, value::values};

/// How far the time of a row can be before the time at which it was written, with the clocks of all replicas.
const LATE: Duration = Duration::from_mins(10);

/// How far someone has followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the last row that was seen.
    pub row: i64,
    /// The numbering that it belongs to; 0 if that is not known.
    pub generation: i64,
    /// When the place was noted.
    pub at: Timestamp,
}

/// Where following begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Rows after this one follow.
    pub after: i64,
    /// The present numbering.
    pub generation: i64,
    /// The number of the newest row.
    pub last: i64,
    /// Whether the numbers began again since the place was noted: the activity was lost, or is an older copy. What was written in between is
    /// lost.
    pub is_again: bool,
}

/// Rows after a number.
#[derive(Debug, Clone)]
pub struct FollowedActivity {
    /// Where it began.
    pub begin: Begin,
    /// The rows, in their order.
    pub rows: Vec<StoredActivity>,
    /// The last row that was looked at, from where to continue.
    pub seen: i64,
    /// How many rows before the first that exists were deleted, counting those of all projects.
    pub deleted: i64,
    /// Whether nothing is left of the project, or there never was anything.
    pub is_unknown: bool,
}

/// The end of the activity, as a place.
pub async fn end(tx: &mut Tx) -> Result<Place, StoreError> {
    let sql = "SELECT next_row - 1 AS last_row, generation FROM activity_sequence WHERE id = 1";
    let row = tx.fetch_one(sql, &[]).await?;
    Ok(Place {
        row: row.int("last_row")?,
        generation: row.int("generation")?,
        at: Timestamp::default(),
    })
}

/// Where to go on from a place. If the numbers began again, these are the rows from shortly before the time at which it was noted: they
/// include everything that was written since.
pub async fn begin(tx: &mut Tx, place: Place) -> Result<Begin, StoreError> {
    let end = end(tx).await?;
    let is_other = place.generation != 0 && place.generation != end.generation;
    let is_again = is_other || place.row > end.row;
    let mut after = place.row;
    if is_again {
        let sql = "SELECT MIN(first_row) - 1 AS before FROM activity_minutes WHERE minute >= $1";
        let row = tx
            .fetch_one(sql, values![minute_of(place.at.minus(LATE))])
            .await?;
        after = after.min(row.opt_int("before")?.unwrap_or(end.row));
    }
    Ok(Begin {
        after,
        generation: end.generation,
        last: end.row,
        is_again,
    })
}

/// Begins another numbering in the place of this one, so that everyone whose place is in the old one notices.
pub async fn renew_generation(tx: &mut Tx, old: i64, new: i64) -> Result<(), StoreError> {
    let sql = "UPDATE activity_sequence SET generation = $2 WHERE id = 1 AND generation = $1";
    tx.execute(sql, values![old, new]).await?;
    Ok(())
}

/// Rows after a place, of one project or of all, the oldest first, at most `limit`. Rows are numbered in the order of their commits, so none
/// is missed.
pub async fn follow(
    tx: &mut Tx,
    project: Option<ProjectId>,
    place: Place,
    limit: u32,
) -> Result<FollowedActivity, StoreError> {
    let begin = begin(tx, place).await?;
    let sql = "SELECT CAST(MIN(id) AS BIGINT) AS first FROM activity";
    let first = tx.fetch_one(sql, &[]).await?.opt_int("first")?;
    let first = first.unwrap_or(begin.last.saturating_add(1));
    let deleted = first.saturating_sub(begin.after.saturating_add(1)).max(0);
    let after = begin.after.max(first.saturating_sub(1));
    let (rows, seen) = match project {
        Some(project) => super::since(tx, project, &ActivityFilter::default(), after, limit).await?,
        None => reading::since_of_all(tx, after, limit).await?,
    };
    let is_unknown = match project {
        Some(project) => find(tx, project, &[Said::Project.name()]).await?.is_empty(),
        None => false,
    };
    Ok(FollowedActivity {
        begin,
        rows,
        seen,
        deleted,
        is_unknown,
    })
}

/// When the first row after this one was written; nothing if there is none.
pub async fn next_at(tx: &mut Tx, after: i64) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT at FROM activity WHERE id > $1 ORDER BY id LIMIT 1";
    let row = tx.fetch_optional(sql, values![after]).await?;
    row.map(|row| row.time("at")).transpose()
}
