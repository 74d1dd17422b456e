//! Adding rows to their chains that were written without: events whose occurrences were counted, once no more can follow, and
//! events of older versions.

use std::time::Duration;

use gatewright_domain::{
    Clock, Entropy, Timestamp,
    audit::{
        TALLY_WINDOW,
        chain::{Personal, Proofs},
    },
};

use super::trail;
use crate::{
    Store, StoreError, Tx, Urgency,
    tx::{
        Lock,
        chain::{Head, Stored, stored_columns},
    },
    value::{Value, values},
};

/// Rows added in one transaction.
const BATCH: u32 = 500;

/// How long after the end of its window an event is added: its last transaction may still be running.
const LEEWAY: Duration = Duration::from_mins(1);

/// Which rows are added.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// Whose occurrences were counted, until this moment.
    CountedBefore(Timestamp),
    /// That an older version wrote.
    Older,
}

/// Adds events to their chains whose occurrences are no longer counted; returns how many.
pub async fn seal_due(store: &Store, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<u64, StoreError> {
    let window = TALLY_WINDOW.as_secs().cast_signed();
    let over = clock.now().minus(LEEWAY).as_seconds().div_euclid(window) * window;
    let which = Which::CountedBefore(Timestamp::from_seconds(over));
    let mut sealed = 0;
    for chain in chains(store, which).await? {
        loop {
            let mut tx = store.write_for(Urgency::Program).await?;
            let mut head = Head::lock(&mut tx, &chain).await?;
            let count = seal(&mut tx, &mut head, which, entropy).await?;
            tx.commit().await?;
            sealed += u64::from(count);
            if count < BATCH {
                break;
            }
        }
    }
    Ok(sealed)
}

/// Adds events to their chains that an older version wrote, in the order of their IDs; returns how many. An event in each chain
/// records it, because what was changed before cannot be found. Called once when a process starts.
pub async fn adopt(store: &Store, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<u64, StoreError> {
    let mut all = 0;
    for chain in chains(store, Which::Older).await? {
        let mut adopted = 0;
        loop {
            let mut tx = store.write_for(Urgency::Program).await?;
            let mut head = Head::lock(&mut tx, &chain).await?;
            let count = seal(&mut tx, &mut head, Which::Older, entropy).await?;
            adopted += u64::from(count);
            let is_last = count < BATCH;
            if is_last && adopted > 0 {
                let events = vec![trail::field("events", adopted)];
                let action = trail::ADOPTED;
                trail::tell(&mut tx, &head, trail::PROGRAM, action, events, (clock, entropy));
            }
            tx.commit().await?;
            if is_last {
                break;
            }
        }
        all += adopted;
    }
    Ok(all)
}

/// The chains that have such rows.
async fn chains(store: &Store, which: Which) -> Result<Vec<String>, StoreError> {
    let mut tx = store.read().await?;
    let rows = match which {
        Which::CountedBefore(before) => {
            let sql = "SELECT DISTINCT project_id FROM audit_events WHERE seq IS NULL AND tally_key IS NOT NULL \
                       AND at < $1 ORDER BY project_id";
            tx.fetch_all(sql, values![before]).await?
        }
        Which::Older => {
            let sql = "SELECT DISTINCT project_id FROM audit_events WHERE seq IS NULL AND tally_key IS NULL \
                       ORDER BY project_id";
            tx.fetch_all(sql, &[]).await?
        }
    };
    rows.iter().map(|row| row.text("project_id")).collect()
}

/// Adds the next rows to a chain whose head is locked; returns how many.
async fn seal(tx: &mut Tx, head: &mut Head, which: Which, entropy: &dyn Entropy) -> Result<u32, StoreError> {
    macro_rules! select {
        ($condition:literal) => {
            concat!(
                "SELECT ",
                stored_columns!(),
                " FROM audit_events WHERE project_id = $1 AND seq IS NULL AND ",
                $condition,
                " ORDER BY id LIMIT $2"
            )
        };
    }
    let mut values: Vec<Value> = values![head.chain.as_str(), BATCH].to_vec();
    let sql = match which {
        Which::CountedBefore(before) => {
            values.push(before.into());
            select!("tally_key IS NOT NULL AND at < $3")
        }
        Which::Older => select!("tally_key IS NULL"),
    };
    let mut count = 0;
    for row in tx.lock_all(sql, Lock::Update, &values).await? {
        let mut row = Stored::read(&row)?;
        // An older version wrote no salts.
        if Personal::ALL.into_iter().any(|part| row.proof(part).is_none()) {
            let fresh = Proofs::generate(entropy);
            row.address_proof = Some(fresh.address.to_string());
            row.object_name_proof = Some(fresh.object_name.to_string());
            row.changes_proof = Some(fresh.changes.to_string());
        }
        row.tally_key = None;
        head.seal(&mut row)?;
        row.save_seal(tx).await?;
        count += 1;
    }
    if count > 0 {
        head.save(tx).await?;
    }
    Ok(count)
}
