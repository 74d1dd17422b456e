//! Codes of identity providers that browsers have brought back. A code belongs to the sign-in it first came with, as long
//! as any provider might still accept it: otherwise, a hostile provider could finish its own sign-in with a code that was
//! meant for another one. Rows are removed only by age.

use gatewright_domain::{Timestamp, token_hash::TokenHash};

use crate::{StoreError, Tx, value::values};

/// Records that a code was brought back with this state, and returns the state it first came with. Commit this
/// before doing anything else with the code.
pub async fn bring(
    tx: &mut Tx,
    code: TokenHash,
    state: TokenHash,
    now: Timestamp,
) -> Result<TokenHash, StoreError> {
    // The update changes nothing, but makes the statement return the row, whichever transaction inserted it.
    let sql = "INSERT INTO brought_codes (code_hash, state_hash, brought_at) VALUES ($1, $2, $3) \
               ON CONFLICT (code_hash) DO UPDATE SET state_hash = brought_codes.state_hash RETURNING state_hash";
    let row = tx.fetch_optional(sql, values![code, state, now]).await?;
    row.ok_or(StoreError::Corrupt {
        what: "brought_codes",
    })?
    .hash("state_hash")
}

/// Deletes those brought back before `before`, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM brought_codes WHERE code_hash IN \
               (SELECT code_hash FROM brought_codes WHERE brought_at < $1 ORDER BY brought_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}
