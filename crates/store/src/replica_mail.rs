//! What one replica asks of another that holds the state for it, such as a call that waits for its client, and the answer.
//! On PostgreSQL the others are notified at commit. What is written is sealed by the replicas.

use gatewright_domain::{Timestamp, stored_secret::SealedText};

use crate::{
    StoreError, Tx,
    number::{hex, unhex},
    tx::revision,
    value::values,
};

/// A letter to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its number, unguessable.
    pub id: [u8; 16],
    /// The replica it is for, by the number of its process.
    pub recipient: [u8; 8],
    /// What it says, sealed.
    pub letter: SealedText,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// The outcome of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The replica has not taken it.
    Waiting,
    /// It works on it; when it last said so, by its own clock.
    Taken(Timestamp),
    /// It has answered, sealed.
    Answered(SealedText),
}

/// Writes a letter.
pub async fn insert(tx: &mut Tx, letter: &Letter) -> Result<(), StoreError> {
    let sql = "INSERT INTO replica_mail (id, recipient, letter, expires_at) VALUES ($1, $2, $3, $4)";
    let values = values![
        hex(letter.id),
        recipient(letter.recipient),
        &letter.letter,
        letter.expires_at
    ];
    tx.execute(sql, values).await?;
    // The channel on which replicas listen for changes: those it does not concern find nothing.
    tx.notify(revision::CHANNEL, "mail").await
}

/// Takes the letters for a replica, each once, at most `limit`.
pub async fn take(
    tx: &mut Tx,
    replica: [u8; 8],
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Letter>, StoreError> {
    let sql = "UPDATE replica_mail SET taken_at = $2 WHERE taken_at IS NULL AND id IN (SELECT id FROM replica_mail \
               WHERE recipient = $1 AND taken_at IS NULL AND expires_at > $2 ORDER BY id LIMIT $3) \
               RETURNING id, letter, expires_at";
    let rows = tx.fetch_all(sql, values![recipient(replica), now, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Letter {
                id: unhex(&row.text("id")?).ok_or(StoreError::Corrupt { what: "id" })?,
                recipient: replica,
                letter: row
                    .opt_sealed("letter")?
                    .ok_or(StoreError::Corrupt { what: "letter" })?,
                expires_at: row.time("expires_at")?,
            })
        })
        .collect()
}

/// Whether there is a letter for a replica: a check that writes nothing, because there hardly ever is one.
pub async fn has_any(tx: &mut Tx, replica: [u8; 8], now: Timestamp) -> Result<bool, StoreError> {
    let sql =
        "SELECT id FROM replica_mail WHERE recipient = $1 AND taken_at IS NULL AND expires_at > $2 LIMIT 1";
    let row = tx.fetch_optional(sql, values![recipient(replica), now]).await?;
    Ok(row.is_some())
}

/// Says that a letter is still worked on; returns whether its sender still waits.
pub async fn renew(tx: &mut Tx, id: [u8; 16], now: Timestamp) -> Result<bool, StoreError> {
    let sql =
        "UPDATE replica_mail SET taken_at = $2 WHERE id = $1 AND taken_at IS NOT NULL AND reply IS NULL";
    Ok(tx.execute(sql, values![hex(id), now]).await? > 0)
}

/// Writes the answer to a letter.
pub async fn answer(tx: &mut Tx, id: [u8; 16], reply: &SealedText) -> Result<(), StoreError> {
    let sql = "UPDATE replica_mail SET reply = $2 WHERE id = $1 AND taken_at IS NOT NULL AND reply IS NULL";
    tx.execute(sql, values![hex(id), reply]).await?;
    Ok(())
}

/// The state of a letter; `None` if it was deleted.
pub async fn find_fate(tx: &mut Tx, id: [u8; 16]) -> Result<Option<Fate>, StoreError> {
    let sql = "SELECT taken_at, reply FROM replica_mail WHERE id = $1";
    let Some(row) = tx.fetch_optional(sql, values![hex(id)]).await? else {
        return Ok(None);
    };
    let fate = match (row.opt_sealed("reply")?, row.opt_time("taken_at")?) {
        (Some(reply), _) => Fate::Answered(reply),
        (None, Some(at)) => Fate::Taken(at),
        (None, None) => Fate::Waiting,
    };
    Ok(Some(fate))
}

/// Deletes a letter unless it was taken; returns whether it was deleted.
pub async fn withdraw(tx: &mut Tx, id: [u8; 16]) -> Result<bool, StoreError> {
    let sql = "DELETE FROM replica_mail WHERE id = $1 AND taken_at IS NULL";
    Ok(tx.execute(sql, values![hex(id)]).await? > 0)
}

/// Deletes a letter that was answered.
pub async fn delete(tx: &mut Tx, id: [u8; 16]) -> Result<(), StoreError> {
    let sql = "DELETE FROM replica_mail WHERE id = $1";
    tx.execute(sql, values![hex(id)]).await?;
    Ok(())
}

/// Deletes those that have expired, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql =
        "DELETE FROM replica_mail WHERE id IN (SELECT id FROM replica_mail WHERE expires_at <= $1 LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}

fn recipient(replica: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(replica))
}
