//! An audit event as its row: texts and numbers, unread. Digests are of what is stored, not of what it means.

use gatewright_domain::audit::chain::{Digest, Digester, Personal, Proof};

use crate::{
    StoreError, Tx,
    row::Row,
    value::{Value, values},
};

/// All columns of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: String,
    /// Column `project_id`.
    pub(crate) chain: String,
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) actor_id: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) origin: String,
    pub(crate) action: String,
    pub(crate) object_type: String,
    pub(crate) object_id: String,
    pub(crate) object_name: String,
    pub(crate) changes: String,
    pub(crate) occurrences: i64,
    pub(crate) last_at: Option<i64>,
    pub(crate) tally_key: Option<String>,
    pub(crate) address_proof: Option<String>,
    pub(crate) object_name_proof: Option<String>,
    pub(crate) changes_proof: Option<String>,
    pub(crate) seq: Option<i64>,
    pub(crate) previous: Option<String>,
    pub(crate) digest: Option<String>,
}

/// The columns that [`Stored::read`] reads.
macro_rules! stored_columns {
    () => {
        "id, project_id, at, actor, actor_id, address, origin, action, object_type, object_id, object_name, changes, \
         occurrences, last_at, tally_key, address_proof, object_name_proof, changes_proof, seq, previous, digest"
    };
}
pub(crate) use stored_columns;

/// The statement that inserts a row, and what follows its values.
macro_rules! insert_stored {
    ($rest:literal) => {
        concat!(
            "INSERT INTO audit_events (id, project_id, at, actor, actor_id, address, origin, action, object_type, object_id, \
             object_name, changes, occurrences, last_at, tally_key, address_proof, object_name_proof, changes_proof, seq, \
             previous, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
             $20, $21)",
            $rest
        )
    };
}
pub(crate) use insert_stored;

impl Stored {
    /// Reads a row that has all columns of `stored_columns!`.
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            chain: row.text("project_id")?,
            at: row.int("at")?,
            actor: row.text("actor")?,
            actor_id: row.opt_text("actor_id")?,
            address: row.opt_text("address")?,
            origin: row.text("origin")?,
            action: row.text("action")?,
            object_type: row.text("object_type")?,
            object_id: row.text("object_id")?,
            object_name: row.text("object_name")?,
            changes: row.text("changes")?,
            occurrences: row.int("occurrences")?,
            last_at: row.opt_int("last_at")?,
            tally_key: row.opt_text("tally_key")?,
            address_proof: row.opt_text("address_proof")?,
            object_name_proof: row.opt_text("object_name_proof")?,
            changes_proof: row.opt_text("changes_proof")?,
            seq: row.opt_int("seq")?,
            previous: row.opt_text("previous")?,
            digest: row.opt_text("digest")?,
        })
    }

    /// The digest of the row at a place of its chain; `None` if a proof is missing or does not fit. It is over every column
    /// but `tally_key`, which is NULL in every row of a chain, and the digest itself.
    pub(crate) fn digest(&self, seq: i64, previous: &str) -> Option<Digest> {
        let digester = Digester::new("gatewright audit event")
            .text(Some(&self.chain))
            .number(Some(seq))
            .text(Some(previous))
            .text(Some(&self.id))
            .number(Some(self.at))
            .text(Some(&self.actor))
            .text(self.actor_id.as_deref())
            .text(Some(&self.origin))
            .text(Some(&self.action))
            .text(Some(&self.object_type))
            .text(Some(&self.object_id))
            .number(Some(self.occurrences))
            .number(self.last_at);
        let digester = Personal::ALL.into_iter().try_fold(digester, |digester, part| {
            let proof = Proof::from_text(self.proof(part)?)?;
            Some(digester.digest(&proof.digest(part, self.personal(part))?))
        });
        digester.map(Digester::finish)
    }

    /// The value of a part that can be erased.
    pub(crate) fn personal(&self, part: Personal) -> Option<&str> {
        match part {
            Personal::Address => self.address.as_deref(),
            Personal::ObjectName => Some(&self.object_name),
            Personal::Changes => Some(&self.changes),
        }
    }

    /// The proof of that value.
    pub(crate) fn proof(&self, part: Personal) -> Option<&str> {
        match part {
            Personal::Address => self.address_proof.as_deref(),
            Personal::ObjectName => self.object_name_proof.as_deref(),
            Personal::Changes => self.changes_proof.as_deref(),
        }
    }

    /// Its columns, in the order of `insert_stored!`.
    pub(crate) fn columns(&self) -> [Value; 21] {
        [
            (&self.id).into(),
            (&self.chain).into(),
            self.at.into(),
            (&self.actor).into(),
            (&self.actor_id).into(),
            (&self.address).into(),
            (&self.origin).into(),
            (&self.action).into(),
            (&self.object_type).into(),
            (&self.object_id).into(),
            (&self.object_name).into(),
            (&self.changes).into(),
            self.occurrences.into(),
            self.last_at.into(),
            (&self.tally_key).into(),
            (&self.address_proof).into(),
            (&self.object_name_proof).into(),
            (&self.changes_proof).into(),
            self.seq.into(),
            (&self.previous).into(),
            (&self.digest).into(),
        ]
    }

    /// Inserts the row.
    pub(super) async fn insert(&self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.execute(insert_stored!(""), &self.columns()).await?;
        Ok(())
    }

    /// Writes the place in the chain into a row that exists, and its proofs, which a row of an older version does not have.
    pub(crate) async fn save_seal(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let sql = "UPDATE audit_events SET seq = $1, previous = $2, digest = $3, tally_key = NULL, address_proof = $4, \
                   object_name_proof = $5, changes_proof = $6 WHERE id = $7 AND seq IS NULL";
        let values = values![
            self.seq,
            &self.previous,
            &self.digest,
            &self.address_proof,
            &self.object_name_proof,
            &self.changes_proof,
            &self.id,
        ];
        tx.execute(sql, values).await?;
        Ok(())
    }
}
