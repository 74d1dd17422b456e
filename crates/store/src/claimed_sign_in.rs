//! Sign-ins whose browser came back with a code: each is claimed once, and repeated requests get the same response. Before that, a sign-in is
//! only in its browser's cookie. No deletion removes a row, because its cookie could then be used again; rows expire.

use gatewright_domain::{
    Timestamp, authorization::ClaimedSignIn, stored_secret::SealedText, token_hash::TokenHash,
};

use crate::{StoreError, Tx, row::Row, value::values};

/// The first arrival claims the sign-in. `false`: another one has claimed it; read it with [`find`].
pub async fn claim(tx: &mut Tx, sign_in: &ClaimedSignIn) -> Result<bool, StoreError> {
    let sql = "INSERT INTO claimed_sign_ins (state_hash, code_hash, claimed_at, expires_at, answer) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (state_hash) DO NOTHING";
    let values = values![
        sign_in.state_hash,
        sign_in.code_hash,
        sign_in.claimed_at,
        sign_in.expires_at,
        sign_in.answer.as_ref(),
    ];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Finds a sign-in by the hash of `state`.
pub async fn find(tx: &mut Tx, state: TokenHash) -> Result<Option<ClaimedSignIn>, StoreError> {
    let sql = "SELECT state_hash, code_hash, claimed_at, expires_at, answer FROM claimed_sign_ins \
               WHERE state_hash = $1";
    let row = tx.fetch_optional(sql, values![state]).await?;
    row.as_ref().map(read).transpose()
}

/// Stores the answer of a claimed sign-in; `false` if it was not claimed with this code, or already has an answer.
pub async fn answer(
    tx: &mut Tx,
    state: TokenHash,
    code: TokenHash,
    answer: &SealedText,
) -> Result<bool, StoreError> {
    let sql =
        "UPDATE claimed_sign_ins SET answer = $1 WHERE state_hash = $2 AND code_hash = $3 AND answer IS NULL";
    Ok(tx.execute(sql, values![answer, state, code]).await? > 0)
}

/// Deletes those that expired before `before`, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM claimed_sign_ins WHERE state_hash IN \
               (SELECT state_hash FROM claimed_sign_ins WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

fn read(row: &Row) -> Result<ClaimedSignIn, StoreError> {
    Ok(ClaimedSignIn {
        state_hash: row.hash("state_hash")?,
        code_hash: row.hash("code_hash")?,
        claimed_at: row.time("claimed_at")?,
        expires_at: row.time("expires_at")?,
        answer: row.opt_sealed("answer")?,
    })
}
