//! Sessions of accounts.

use gatewright_domain::{
    Timestamp,
    account::Account,
    account_session::{AccountSession, IDLE_LIFE, MAX_PER_ACCOUNT},
    id::{AccountId, AccountSessionId},
    token_hash::TokenHash,
};

use crate::{StoreError, Tx, account, row::Row, value::values};

macro_rules! columns {
    () => {
        "account_sessions.id AS session_id, account_sessions.account_id, account_sessions.token_hash, \
         account_sessions.epoch, account_sessions.created_at AS began_at, account_sessions.last_seen_at, \
         account_sessions.expires_at, account_sessions.address, account_sessions.user_agent"
    };
}

/// Begins a session; `false` if the account is not active or its epoch has changed in the meantime, for example because its
/// password was just changed. Beyond [`MAX_PER_ACCOUNT`], those unused for longest are ended.
pub async fn begin(tx: &mut Tx, session: &AccountSession) -> Result<bool, StoreError> {
    let sql = "INSERT INTO account_sessions (id, account_id, token_hash, epoch, created_at, last_seen_at, expires_at, \
               address, user_agent) SELECT $1, id, $2, session_epoch, $3, $4, $5, $6, $7 FROM accounts \
               WHERE id = $8 AND session_epoch = $9 AND status = 'active'";
    let values = values![
        session.id,
        session.hash,
        session.created_at,
        session.last_seen_at,
        session.expires_at,
        &session.address,
        &session.user_agent,
        session.account_id,
        session.epoch,
    ];
    if tx.execute(sql, values).await? == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM account_sessions WHERE account_id = $1 AND id NOT IN \
               (SELECT id FROM account_sessions WHERE account_id = $1 ORDER BY last_seen_at DESC, id DESC LIMIT $2)";
    tx.execute(sql, values![session.account_id, MAX_PER_ACCOUNT])
        .await?;
    Ok(true)
}

/// The session of a cookie and its account; nothing unless both are valid at `now`.
pub async fn find_live(
    tx: &mut Tx,
    hash: TokenHash,
    now: Timestamp,
) -> Result<Option<(AccountSession, Account)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", ",
        account::columns!(),
        " FROM account_sessions JOIN accounts ON accounts.id = account_sessions.account_id \
         AND accounts.session_epoch = account_sessions.epoch AND accounts.status = 'active' \
         WHERE account_sessions.token_hash = $1 AND account_sessions.expires_at > $2 \
         AND account_sessions.last_seen_at > $3"
    );
    let values = values![hash, now, now.minus(IDLE_LIFE)];
    let Some(row) = tx.fetch_optional(sql, values).await? else {
        return Ok(None);
    };
    Ok(Some((read(&row)?, account::read(&row)?)))
}

/// Valid sessions of an account, most recently used first. There are at most [`MAX_PER_ACCOUNT`].
pub async fn list(
    tx: &mut Tx,
    account: AccountId,
    now: Timestamp,
) -> Result<Vec<AccountSession>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM account_sessions JOIN accounts ON accounts.id = account_sessions.account_id \
         AND accounts.session_epoch = account_sessions.epoch AND accounts.status = 'active' \
         WHERE account_sessions.account_id = $1 AND account_sessions.expires_at > $2 \
         AND account_sessions.last_seen_at > $3 \
         ORDER BY account_sessions.last_seen_at DESC, account_sessions.id DESC"
    );
    let values = values![account, now, now.minus(IDLE_LIFE)];
    tx.fetch_all(sql, values).await?.iter().map(read).collect()
}

/// Records that a session is in use.
pub async fn note_seen(tx: &mut Tx, id: AccountSessionId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE account_sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1";
    tx.execute(sql, values![now, id]).await?;
    Ok(())
}

/// Moves a session to a later epoch of its account: this one session survives what ended the others.
pub async fn keep(tx: &mut Tx, session: &AccountSession, epoch: i64) -> Result<bool, StoreError> {
    let kept = AccountSession {
        epoch,
        ..session.clone()
    };
    begin(tx, &kept).await
}

/// Ends a session of an account; `false` if it has already ended.
pub async fn end(tx: &mut Tx, account: AccountId, id: AccountSessionId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM account_sessions WHERE account_id = $1 AND id = $2";
    Ok(tx.execute(sql, values![account, id]).await? > 0)
}

/// Ends the session of a cookie, whatever its state; returns whose it was.
pub async fn end_by_hash(tx: &mut Tx, hash: TokenHash) -> Result<Option<AccountId>, StoreError> {
    let sql = "DELETE FROM account_sessions WHERE token_hash = $1 RETURNING account_id";
    let row = tx.fetch_optional(sql, values![hash]).await?;
    row.map(|row| row.id("account_id")).transpose()
}

/// Ends all sessions of an account except one; returns how many.
pub async fn end_others(tx: &mut Tx, account: AccountId, keep: AccountSessionId) -> Result<u64, StoreError> {
    let sql = "DELETE FROM account_sessions WHERE account_id = $1 AND id <> $2";
    tx.execute(sql, values![account, keep]).await
}

/// Deletes expired sessions, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM account_sessions WHERE id IN (SELECT id FROM account_sessions \
               WHERE expires_at <= $1 OR last_seen_at <= $2 LIMIT $3)";
    tx.execute(sql, values![now, now.minus(IDLE_LIFE), limit]).await
}

fn read(row: &Row) -> Result<AccountSession, StoreError> {
    Ok(AccountSession {
        id: row.id("session_id")?,
        account_id: row.id("account_id")?,
        hash: row.hash("token_hash")?,
        epoch: row.int("epoch")?,
        created_at: row.time("began_at")?,
        last_seen_at: row.time("last_seen_at")?,
        expires_at: row.time("expires_at")?,
        address: row.text("address")?,
        user_agent: row.text("user_agent")?,
    })
}
