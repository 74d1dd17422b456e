//! Creations with an `Idempotency-Key`: claimed in the transaction that creates, together with the response.

use gatewright_domain::{Timestamp, stored_secret::SealedText, token_hash::TokenHash};

use crate::{StoreError, Tx, row::Row, value::values};

/// Responses stored for one caller: beyond that, the oldest are deleted, so that no caller can fill the database.
const KEPT_PER_CALLER: i64 = 1_000;
/// More than one caller can have, for engines that need a limit with an offset.
const ALL: i64 = 1_000_000;

/// A request to create something, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The header, bound to caller, method and path.
    pub key: TokenHash,
    /// The caller.
    pub caller: TokenHash,
    /// The request body.
    pub body: TokenHash,
}

/// What was stored for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The request body.
    pub body: TokenHash,
    /// The response, sealed under [`answer_context`].
    pub answer: SealedText,
}

/// The context under which a response is sealed: table, column and row.
pub fn answer_context(key: TokenHash) -> String {
    format!("idempotency_keys/answer/{}", key.to_text())
}

/// Claims a key for this transaction; `false` if it was used before and is still remembered. Concurrent claims of the same
/// key wait for each other.
pub async fn claim(
    tx: &mut Tx,
    claim: &Claim,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO idempotency_keys (key_hash, caller, body_hash, created_at, expires_at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key_hash) DO UPDATE SET body_hash = excluded.body_hash, \
               answer = NULL, created_at = excluded.created_at, expires_at = excluded.expires_at \
               WHERE idempotency_keys.expires_at <= excluded.created_at";
    let values = values![claim.key, claim.caller, claim.body, now, expires_at];
    if tx.execute(sql, values).await? == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM idempotency_keys WHERE key_hash IN (SELECT key_hash FROM idempotency_keys \
               WHERE caller = $1 AND key_hash <> $2 ORDER BY created_at DESC, key_hash LIMIT $3 OFFSET $4)";
    let values = values![claim.caller, claim.key, ALL, KEPT_PER_CALLER - 1];
    tx.execute(sql, values).await?;
    Ok(true)
}

/// Stores the response for a key that this transaction has claimed.
pub async fn answer(tx: &mut Tx, key: TokenHash, answer: &SealedText) -> Result<(), StoreError> {
    let sql = "UPDATE idempotency_keys SET answer = $1 WHERE key_hash = $2";
    tx.execute(sql, values![answer, key]).await?;
    Ok(())
}

/// What was stored under a key that is still remembered.
pub async fn find(tx: &mut Tx, key: TokenHash, now: Timestamp) -> Result<Option<Done>, StoreError> {
    let sql = "SELECT body_hash, answer FROM idempotency_keys \
               WHERE key_hash = $1 AND expires_at > $2 AND answer IS NOT NULL";
    let row = tx.fetch_optional(sql, values![key, now]).await?;
    let read = |row: Row| {
        Ok(Done {
            body: row.hash("body_hash")?,
            answer: row.sealed("answer")?,
        })
    };
    row.map(read).transpose()
}

/// Deletes up to `limit` expired ones; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM idempotency_keys WHERE key_hash IN \
               (SELECT key_hash FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}
