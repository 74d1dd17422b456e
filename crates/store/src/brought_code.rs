//! Codes of identity providers that browsers have brought back. A code belongs to the sign-in it came with first, for as long
//! as any provider might still accept it: a hostile provider could otherwise finish a sign-in of its own with a code that was
//! meant for another one. Nothing but time removes a row.

use gatewright_domain::{Timestamp, token_hash::TokenHash};

use crate::{StoreError, Tx, value::values};

/// Notes that a code was brought back with this state, and returns the state it was brought back with first. Commit it
/// before anything else is done with the code.
pub async fn bring(
    tx: &mut Tx,
    code: TokenHash,
    state: TokenHash,
    now: Timestamp,
) -> Result<TokenHash, StoreError> {
    // The update changes nothing. It makes the statement return the row, whoever inserted it.
    let sql = "INSERT INTO brought_codes (code_hash, state_hash, brought_at) VALUES ($1, $2, $3) \
               ON CONFLICT (code_hash) DO UPDATE SET state_hash = brought_codes.state_hash RETURNING state_hash";
    let row = tx.fetch_optional(sql, values![code, state, now]).await?;
    row.ok_or(StoreError::Corrupt {
        what: "brought_codes",
    })?
    .hash("state_hash")
}

/// Forgets those brought back before `before`, at most `limit`; how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM brought_codes WHERE code_hash IN \
               (SELECT code_hash FROM brought_codes WHERE brought_at < $1 ORDER BY brought_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}
