//! Checking a chain: every row is read once, in the order of the chain, a page at a time, in one snapshot of the database.

mod fault;
mod walk;

use gatewright_domain::audit::chain::Digest;

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

/// An event that is known from outside: a chain had this digest at this number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// The number.
    pub seq: i64,
    /// The digest.
    pub digest: String,
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
pub async fn check(store: &Store, chain: &str, anchored: Option<&Anchored>) -> Result<Report, StoreError> {
    let mut tx = store.read().await?;
    let head = heads::find(&mut tx, chain).await;
    let (head, has_head) = match head {
        Ok(Some(head)) => (head, true),
        // A head that cannot be read counts as missing.
        Ok(None) | Err(StoreError::Corrupt { .. }) => (blank(chain), false),
        Err(error) => return Err(error),
    };
    let mut walk = Walk::begin(&head, anchored);
    let mut after = None;
    while let Some(last) = page(&mut tx, chain, after, &mut walk).await? {
        after = Some(last);
    }
    let mut report = walk.finish(&head, has_head);
    unsealed(&mut tx, chain, &mut report).await?;
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

/// Rows that are not in the chain: counted ones have a key, and everything else was written from outside or by an older version.
async fn unsealed(tx: &mut Tx, chain: &str, report: &mut Report) -> Result<(), StoreError> {
    let sql =
        "SELECT id, tally_key FROM audit_events WHERE project_id = $1 AND seq IS NULL ORDER BY id LIMIT $2";
    for row in tx.fetch_all(sql, values![chain, UNSEALED]).await? {
        let is_counted = matches!(row.opt_text("tally_key"), Ok(Some(_)));
        if is_counted {
            report.waiting += 1;
        } else {
            report.add(Fault::Outside {
                id: row.text("id").unwrap_or_default(),
            });
        }
    }
    Ok(())
}
