//! Sessions of MCP clients that were ended early, so that every replica refuses them. A session is identified by
//! a number that is useless outside the replicas: what clients hold is sealed.

use gatewright_domain::Timestamp;

use crate::{
    StoreError, Tx,
    number::{hex, unhex},
    value::values,
};

/// The number of ended sessions remembered per person and gateway. Beyond that the oldest are forgotten: only
/// the same person could use them, with credentials that still work.
pub const MAX_PER_CALLER: u32 = 1_000;

/// An ended session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSession {
    /// The session.
    pub session: [u8; 16],
    /// Whose it was.
    pub caller: [u8; 16],
    /// When it was ended.
    pub ended_at: Timestamp,
    /// When it would have expired, and is forgotten.
    pub expires_at: Timestamp,
}

/// Remembers one; beyond [`MAX_PER_CALLER`], the oldest of the same caller are forgotten.
pub async fn insert(tx: &mut Tx, ended: &EndedSession) -> Result<(), StoreError> {
    let sql = "INSERT INTO ended_sessions (session, caller, ended_at, expires_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (session) DO NOTHING";
    let caller = hex(ended.caller);
    let values = values![hex(ended.session), &caller, ended.ended_at, ended.expires_at];
    tx.execute(sql, values).await?;
    let sql = "DELETE FROM ended_sessions WHERE caller = $1 AND session IN (SELECT session FROM ended_sessions \
               WHERE caller = $1 ORDER BY ended_at DESC, session DESC LIMIT 1000000 OFFSET $2)";
    tx.execute(sql, values![&caller, MAX_PER_CALLER]).await?;
    Ok(())
}

/// Those ended at `since` or later that are not forgotten yet, newest first: at most `limit`.
pub async fn list_since(
    tx: &mut Tx,
    since: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<([u8; 16], Timestamp)>, StoreError> {
    let sql = "SELECT session, ended_at FROM ended_sessions WHERE ended_at >= $1 AND expires_at > $2 \
               ORDER BY ended_at DESC LIMIT $3";
    let rows = tx.fetch_all(sql, values![since, now, limit]).await?;
    rows.iter()
        .map(|row| {
            let session = unhex(&row.text("session")?).ok_or(StoreError::Corrupt { what: "session" })?;
            Ok((session, row.time("ended_at")?))
        })
        .collect()
}

/// Deletes those that would have expired by now, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM ended_sessions WHERE session IN \
               (SELECT session FROM ended_sessions WHERE expires_at <= $1 LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}
