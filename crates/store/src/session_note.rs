//! What MCP clients asked for in a session at one replica, so that every replica acts on it, also after a restart. Session, caller
//! and item are numbers that are useless outside the replicas; what was asked for is sealed by them. On PostgreSQL the others are
//! notified at commit.

use gatewright_domain::{Timestamp, stored_secret::SealedText};

use crate::{
    StoreError, Tx,
    number::{hex, unhex},
    row::Row,
    tx::revision,
    value::{Value, values},
};

/// The number of notes remembered per person and gateway. Beyond that the oldest are forgotten.
pub const MAX_PER_CALLER: u32 = 1_024;

/// One thing that a client asked for in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionNote {
    /// The session.
    pub session: [u8; 16],
    /// What it is about, such as a resource. Another note about the same replaces it.
    pub item: [u8; 16],
    /// What was asked for, sealed.
    pub note: SealedText,
    /// When it was written.
    pub written_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// A note without what was asked for.
pub type NoteKey = ([u8; 16], [u8; 16], Timestamp);

/// Writes a note in the place of an earlier one about the same; without one, nothing.
pub async fn replace(tx: &mut Tx, note: &SessionNote) -> Result<(), StoreError> {
    let sql = "UPDATE session_notes SET note = $3, written_at = $4, expires_at = $5 WHERE session = $1 AND item = $2";
    let values = values![
        hex(note.session),
        hex(note.item),
        &note.note,
        note.written_at,
        note.expires_at
    ];
    if tx.execute(sql, values).await? == 0 {
        return Ok(());
    }
    tx.notify(revision::CHANNEL, "notes").await
}

/// Writes a note of a caller, in the place of an earlier one about the same; beyond [`MAX_PER_CALLER`], the oldest of the same
/// caller are forgotten.
pub async fn write(tx: &mut Tx, caller: [u8; 16], note: &SessionNote) -> Result<(), StoreError> {
    let sql = "INSERT INTO session_notes (session, item, caller, note, written_at, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (session, item) \
               DO UPDATE SET note = excluded.note, written_at = excluded.written_at, expires_at = excluded.expires_at";
    let caller = hex(caller);
    let values = values![
        hex(note.session),
        hex(note.item),
        &caller,
        &note.note,
        note.written_at,
        note.expires_at
    ];
    tx.execute(sql, values).await?;
    let sql = "DELETE FROM session_notes WHERE caller = $1 AND written_at < (SELECT written_at FROM session_notes \
               WHERE caller = $1 ORDER BY written_at DESC LIMIT 1 OFFSET $2)";
    tx.execute(sql, values![&caller, MAX_PER_CALLER - 1]).await?;
    // The channel on which replicas listen for changes.
    tx.notify(revision::CHANNEL, "notes").await
}

/// Session, item and time of those written at `since` or later that have not expired, newest first: at most `limit`.
pub async fn list_since(
    tx: &mut Tx,
    since: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<NoteKey>, StoreError> {
    let sql = "SELECT session, item, written_at FROM session_notes \
               WHERE written_at >= $1 AND expires_at > $2 ORDER BY written_at DESC, session, item LIMIT $3";
    let rows = tx.fetch_all(sql, values![since, now, limit]).await?;
    rows.iter().map(key).collect()
}

/// The note of a session about an item, if there is one.
pub async fn find(tx: &mut Tx, session: [u8; 16], item: [u8; 16]) -> Result<Option<SessionNote>, StoreError> {
    let sql = "SELECT session, item, note, written_at, expires_at FROM session_notes WHERE session = $1 AND item = $2";
    let row = tx.fetch_optional(sql, values![hex(session), hex(item)]).await?;
    row.as_ref().map(read).transpose()
}

/// Those of a session that have not expired, oldest first.
pub async fn list_of_session(
    tx: &mut Tx,
    session: [u8; 16],
    now: Timestamp,
) -> Result<Vec<SessionNote>, StoreError> {
    let sql = "SELECT session, item, note, written_at, expires_at FROM session_notes \
               WHERE session = $1 AND expires_at > $2 ORDER BY written_at, item LIMIT $3";
    list(tx, sql, values![hex(session), now, MAX_PER_CALLER]).await
}

/// Deletes those of a session, which has ended.
pub async fn delete_of_session(tx: &mut Tx, session: [u8; 16]) -> Result<(), StoreError> {
    let sql = "DELETE FROM session_notes WHERE session = $1";
    tx.execute(sql, values![hex(session)]).await?;
    Ok(())
}

/// Deletes those that have expired, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM session_notes WHERE (session, item) IN \
               (SELECT session, item FROM session_notes WHERE expires_at <= $1 LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}

async fn list(tx: &mut Tx, sql: &'static str, values: &[Value]) -> Result<Vec<SessionNote>, StoreError> {
    let rows = tx.fetch_all(sql, values).await?;
    rows.iter().map(read).collect()
}

fn key(row: &Row) -> Result<NoteKey, StoreError> {
    let number = |column: &'static str| unhex(&row.text(column)?).ok_or(StoreError::Corrupt { what: column });
    Ok((number("session")?, number("item")?, row.time("written_at")?))
}

fn read(row: &Row) -> Result<SessionNote, StoreError> {
    let (session, item, written_at) = key(row)?;
    Ok(SessionNote {
        session,
        item,
        note: row
            .opt_sealed("note")?
            .ok_or(StoreError::Corrupt { what: "note" })?,
        written_at,
        expires_at: row.time("expires_at")?,
    })
}
