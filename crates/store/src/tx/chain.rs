//! The chains of audit events: events are added to the chain of their project, or of the instance, as the last statements of
//! the transaction that writes them. The head of the chain is locked from then until the commit, so that only the commits of
//! one project wait for each other, and the numbers of a chain have no gaps.

mod stored;

use std::collections::BTreeMap;

use gatewright_domain::audit::chain::Digest;

use super::Lock;
use crate::{StoreError, Tx, value::values};

pub(crate) use stored::{Stored, insert_stored, stored_columns};

/// The end of a chain.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The project's ID; empty for the instance.
    pub(crate) chain: String,
    /// The number of its latest event; 0 before the first.
    pub(crate) seq: i64,
    /// The digest of that event.
    pub(crate) digest: String,
    /// The number of the latest event that was deleted because of its age; 0 before the first.
    pub(crate) base_seq: i64,
}

impl Head {
    /// Locks the head of a chain until the end of the transaction, and creates it first if the chain is new.
    ///
    /// A transaction that locks several takes them in the order of their IDs, and before rows of events.
    pub(crate) async fn lock(tx: &mut Tx, chain: &str) -> Result<Self, StoreError> {
        if let Some(head) = Self::lock_existing(tx, chain).await? {
            return Ok(head);
        }
        let sql = "INSERT INTO audit_heads (project_id, seq, digest, base_seq, base_digest) \
                   VALUES ($1, 0, $2, 0, $2) ON CONFLICT (project_id) DO NOTHING";
        tx.execute(sql, values![chain, Digest::genesis(chain).to_string()])
            .await?;
        let head = Self::lock_existing(tx, chain).await?;
        head.ok_or(StoreError::Corrupt {
            what: "head of the audit trail",
        })
    }

    async fn lock_existing(tx: &mut Tx, chain: &str) -> Result<Option<Self>, StoreError> {
        // The last row counts too: should someone have changed or deleted the head, new events are added all the same, and
        // the check of the chain finds what was done.
        let sql = "SELECT seq, digest, base_seq, (SELECT MAX(seq) FROM audit_events WHERE project_id = $1 \
                   AND seq IS NOT NULL) AS last FROM audit_heads WHERE project_id = $1";
        let row = tx
            .lock_optional(sql, Lock::UpdateOf("audit_heads"), values![chain])
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(Self {
            chain: chain.to_owned(),
            seq: row.int("seq")?.max(row.opt_int("last")?.unwrap_or_default()),
            digest: row.text("digest")?,
            base_seq: row.int("base_seq")?,
        }))
    }

    /// Gives a row the next place in the chain.
    pub(crate) fn seal(&mut self, row: &mut Stored) -> Result<(), StoreError> {
        let seq = self.seq + 1;
        let digest = row.digest(seq, &self.digest).ok_or(StoreError::Corrupt {
            what: "salt of an audit event",
        })?;
        let digest = digest.to_string();
        row.seq = Some(seq);
        row.previous = Some(std::mem::replace(&mut self.digest, digest.clone()));
        row.digest = Some(digest);
        self.seq = seq;
        Ok(())
    }

    /// Writes the head after rows were added.
    pub(crate) async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let sql = "UPDATE audit_heads SET seq = $1, digest = $2 WHERE project_id = $3";
        tx.execute(sql, values![self.seq, &self.digest, &self.chain])
            .await?;
        Ok(())
    }
}

/// Adds the events of a transaction to their chains, at its end.
pub(super) async fn append(tx: &mut Tx, events: Vec<Stored>) -> Result<(), StoreError> {
    let mut chains: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
    for event in events {
        chains.entry(event.chain.clone()).or_default().push(event);
    }
    for (chain, events) in chains {
        let mut head = Head::lock(tx, &chain).await?;
        for mut event in events {
            head.seal(&mut event)?;
            event.insert(tx).await?;
        }
        head.save(tx).await?;
    }
    Ok(())
}
