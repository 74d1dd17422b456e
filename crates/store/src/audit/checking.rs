//! Checking a chain: every row is read once, in the order of the chain, a page at a time, in one snapshot of the database.

mod fault;
mod walk;

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    audit::{TALLY_WINDOW, chain::Digest},
};

use super::heads;
use crate::{Store, StoreError, Tx, tx::chain::stored_columns, value::values};

pub use fault::Fault;
use walk::Walk;

/// Rows in memory at the same time.
const PAGE: u32 = 1_000;
/// Faults that are reported one by one; the others are counted.
const REPORTED: usize = 20;
/// Rows without a place in the chain that are reported or counted.
const UNSEALED: u32 = 1_000;
/// How far the time of a counted row can be in the future, or its window be over: clocks differ, and rows are added once a minute.
const COUNTED_LATE: Duration = Duration::from_mins(10);

/// An event that is known from outside: a chain had this digest at this number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// The number.
    pub seq: i64,
    /// The digest.
    pub digest: String,
    /// When the event happened; nothing if that is not known.
    pub at: Option<Timestamp>,
}

/// What a check goes by, in addition to what is in the database.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The time.
    pub now: Timestamp,
    /// No event since this time was deleted because of its age.
    pub kept_since: Timestamp,
    /// Whether everything that is no longer counted was just added to its chain ([`super::seal_due`]).
    pub is_sealed: bool,
    /// An event of the chain that is known from outside.
    pub anchored: Option<&'a Anchored>,
}

impl Known<'_> {
    /// Only the time, where events may have been deleted at any age.
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now,
            kept_since: now,
            is_sealed: false,
            anchored: None,
        }
    }
}

/// What the check of a chain found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The chain: the project's ID, or empty for the instance.
    pub chain: String,
    /// Events that were checked.
    pub events: u64,
    /// The number of the latest event; 0 in an empty chain.
    pub seq: i64,
    /// The first faults, at most 20.
    pub faults: Vec<Fault>,
    /// All faults.
    pub fault_count: u64,
    /// Events that were written by an older version and added to the chain later.
    pub adopted: u64,
    /// Events with values that were erased.
    pub erased: u64,
    /// Events whose occurrences are still counted, so that they are not in the chain yet.
    pub waiting: u64,
    /// Events that were deleted because of their age, as the head and an event say.
    pub deleted: i64,
    /// Whether the event of the anchor was deleted because of its age, so that nothing could be compared with it.
    pub is_uncompared: bool,
}

impl Report {
    fn add(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < REPORTED {
            self.faults.push(fault);
        }
    }
}

/// Checks a chain, and that it continues what is known from outside.
pub async fn check(store: &Store, chain: &str, known: Known<'_>) -> Result<Report, StoreError> {
    let mut tx = store.read().await?;
    let head = heads::find(&mut tx, chain).await;
    let (head, has_head) = match head {
        Ok(Some(head)) => (head, true),
        // A head that cannot be read counts as missing.
        Ok(None) | Err(StoreError::Corrupt { .. }) => (blank(chain), false),
        Err(error) => return Err(error),
    };
    let mut walk = Walk::begin(&head, known);
    let mut after = None;
    while let Some(last) = page(&mut tx, chain, after, &mut walk).await? {
        after = Some(last);
    }
    let mut report = walk.finish(&head, has_head);
    unsealed(&mut tx, chain, known, &mut report).await?;
    Ok(report)
}

/// The head of a chain that has none.
fn blank(chain: &str) -> heads::Head {
    let genesis = Digest::genesis(chain).to_string();
    heads::Head {
        chain: chain.to_owned(),
        seq: 0,
        digest: genesis.clone(),
        base_seq: 0,
        base_digest: genesis,
        check: None,
    }
}

/// Reads the rows after number `after`; returns the last number while there may be more.
async fn page(
    tx: &mut Tx,
    chain: &str,
    after: Option<i64>,
    walk: &mut Walk<'_>,
) -> Result<Option<i64>, StoreError> {
    let sql = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM audit_events WHERE project_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3"
    );
    let from = after.map_or(i64::MIN, |after| after.saturating_add(1));
    let rows = tx.fetch_all(sql, values![chain, from, PAGE]).await?;
    let is_full = rows.len() == PAGE as usize;
    let mut last = None;
    for row in rows {
        last = walk.step(&row);
        if last.is_none() {
            break;
        }
    }
    Ok(last.filter(|last| is_full && *last < i64::MAX))
}

/// Rows that are not in the chain: those whose occurrences are counted have a key, for a few minutes, and everything else was written from
/// outside or by an older version.
async fn unsealed(tx: &mut Tx, chain: &str, known: Known<'_>, report: &mut Report) -> Result<(), StoreError> {
    let sql = "SELECT id FROM audit_events WHERE project_id = $1 AND seq IS NULL AND tally_key IS NULL ORDER BY id LIMIT $2";
    for row in tx.fetch_all(sql, values![chain, UNSEALED]).await? {
        let id = row.text("id").unwrap_or_default();
        report.add(Fault::Outside { id });
    }
    let oldest = if known.is_sealed {
        known.now.minus(TALLY_WINDOW).minus(COUNTED_LATE)
    } else {
        Timestamp::from_millis(i64::MIN)
    };
    let newest = known.now.plus(COUNTED_LATE);
    let sql = "SELECT id FROM audit_events WHERE project_id = $1 AND seq IS NULL AND tally_key IS NOT NULL \
               AND (at < $2 OR at > $3) ORDER BY id LIMIT $4";
    let values = values![chain, oldest, newest, UNSEALED];
    for row in tx.fetch_all(sql, values).await? {
        let id = row.text("id").unwrap_or_default();
        report.add(Fault::Counted { id });
    }
    let sql = "SELECT COUNT(*) AS waiting FROM audit_events WHERE project_id = $1 AND seq IS NULL \
               AND tally_key IS NOT NULL AND at >= $2 AND at <= $3";
    let row = tx.fetch_one(sql, values![chain, oldest, newest]).await?;
    report.waiting = row.small("waiting")?;
    Ok(())
}
