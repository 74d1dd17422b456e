//! The heads of all chains, and what the latest check of each found.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use gatewright_domain::{Timestamp, id::ProjectId};

use super::chain_of;
use crate::{StoreError, Tx, row::Row, tx::chain, value::values};

/// The head of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The project's ID; empty for the instance.
    pub chain: String,
    /// The number of its latest event.
    pub seq: i64,
    /// The digest of that event.
    pub digest: String,
    /// The number of the latest event that was deleted because of its age; 0 if none was.
    pub base_seq: i64,
    /// The digest of that event.
    pub base_digest: String,
    /// The latest check by a running process.
    pub check: Option<Check>,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// When it ended.
    pub at: Timestamp,
    /// The number of the latest event at that time.
    pub seq: i64,
    /// How many faults it found.
    pub faults: u64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT project_id, seq, digest, base_seq, base_digest, checked_at, checked_seq, check_faults FROM audit_heads ",
            $rest
        )
    };
}

/// All heads, in the order of their chains.
pub async fn heads(tx: &mut Tx) -> Result<Vec<Head>, StoreError> {
    let rows = tx.fetch_all(select!("ORDER BY project_id"), &[]).await?;
    rows.iter().map(read).collect()
}

/// The head of a project (`None`: the instance), once it has an event.
pub async fn find_head(tx: &mut Tx, project: Option<ProjectId>) -> Result<Option<Head>, StoreError> {
    find(tx, &chain_of(project)).await
}

pub(super) async fn find(tx: &mut Tx, chain: &str) -> Result<Option<Head>, StoreError> {
    let row = tx
        .fetch_optional(select!("WHERE project_id = $1"), values![chain])
        .await?;
    row.as_ref().map(read).transpose()
}

/// The names of all chains: those with a head, and those that only rows name, because someone changed a row or deleted a head.
pub async fn chains(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT project_id FROM audit_heads UNION SELECT DISTINCT project_id FROM audit_events";
    let rows = tx.fetch_all(sql, &[]).await?;
    // One that is not a text has no events that could be checked; they are missing in another chain.
    let chains: BTreeSet<String> = rows
        .iter()
        .filter_map(|row| row.text("project_id").ok())
        .collect();
    Ok(chains.into_iter().collect())
}

/// When the latest event of each chain happened, by chain.
pub async fn times(tx: &mut Tx) -> Result<HashMap<String, Timestamp>, StoreError> {
    let sql = "SELECT audit_heads.project_id, audit_events.at FROM audit_heads JOIN audit_events \
               ON audit_events.project_id = audit_heads.project_id AND audit_events.seq = audit_heads.seq";
    let rows = tx.fetch_all(sql, &[]).await?;
    rows.iter()
        .map(|row| Ok((row.text("project_id")?, row.time("at")?)))
        .collect()
}

/// Gives a head to chains that have events and none, because it was deleted: otherwise no one would check them until the next event. The
/// new head does not match the events, and so the check finds what was done.
pub async fn add_missing(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "SELECT DISTINCT project_id FROM audit_events WHERE seq IS NOT NULL AND NOT EXISTS \
               (SELECT 1 FROM audit_heads WHERE audit_heads.project_id = audit_events.project_id)";
    for row in tx.fetch_all(sql, &[]).await? {
        if let Ok(chain) = row.text("project_id") {
            chain::Head::lock(tx, &chain).await?;
        }
    }
    Ok(())
}

/// Takes on the check of the chain that was not checked for the longest time, at least `every`. Nothing if all were: of several
/// replicas, one checks.
pub async fn claim_check(tx: &mut Tx, now: Timestamp, every: Duration) -> Result<Option<String>, StoreError> {
    let sql = "UPDATE audit_heads SET check_began_at = $1 WHERE check_began_at < $2 AND project_id = \
               (SELECT project_id FROM audit_heads WHERE check_began_at < $2 ORDER BY check_began_at, project_id LIMIT 1) \
               RETURNING project_id";
    let row = tx.fetch_optional(sql, values![now, now.minus(every)]).await?;
    row.map(|row| row.text("project_id")).transpose()
}

/// Writes what a check found.
pub async fn note_check(tx: &mut Tx, chain: &str, check: Check) -> Result<(), StoreError> {
    let sql =
        "UPDATE audit_heads SET checked_at = $1, checked_seq = $2, check_faults = $3 WHERE project_id = $4";
    let faults = i64::try_from(check.faults).unwrap_or(i64::MAX);
    tx.execute(sql, values![check.at, check.seq, faults, chain])
        .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Head, StoreError> {
    let check = match row.opt_time("checked_at")? {
        Some(at) => Some(Check {
            at,
            seq: row.int("checked_seq")?,
            faults: row.small("check_faults")?,
        }),
        None => None,
    };
    Ok(Head {
        chain: row.text("project_id")?,
        seq: row.int("seq")?,
        digest: row.text("digest")?,
        base_seq: row.int("base_seq")?,
        base_digest: row.text("base_digest")?,
        check,
    })
}
