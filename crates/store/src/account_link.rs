//! One-time links for accounts.

use gatewright_domain::{
    Timestamp,
    account_link::{AccountLink, LinkPurpose},
    audit::ActorKind,
    token_hash::TokenHash,
};

use crate::{StoreError, Tx, row::Row, value::values};

const SETUP: &str = "setup";
const RESET_PASSWORD: &str = "reset_password";

/// Adds a link of this creator. A new password link replaces older ones of the account. It stops working when the sessions
/// of its creator are ended (see [`account`](crate::account)), so an administrator who loses their rights leaves no link behind.
pub async fn insert(tx: &mut Tx, link: &AccountLink, maker: ActorKind) -> Result<(), StoreError> {
    let (purpose, account) = match link.purpose {
        LinkPurpose::Setup => (SETUP, None),
        LinkPurpose::ResetPassword(account) => (RESET_PASSWORD, Some(account)),
    };
    if let Some(account) = account {
        tx.execute(
            "DELETE FROM account_links WHERE account_id = $1",
            values![account],
        )
        .await?;
    }
    let sql = "INSERT INTO account_links (token_hash, purpose, account_id, created_at, expires_at, made_by) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = values![
        link.hash,
        purpose,
        account.map(|id| id.to_string()),
        link.created_at,
        link.expires_at,
        maker.to_string(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// What a link is for; `None` if it has expired or is unknown. Does not use it up.
pub async fn find(tx: &mut Tx, hash: TokenHash, now: Timestamp) -> Result<Option<LinkPurpose>, StoreError> {
    let sql = "SELECT purpose, account_id FROM account_links WHERE token_hash = $1 AND expires_at > $2";
    let row = tx.fetch_optional(sql, values![hash, now]).await?;
    row.as_ref().map(read).transpose()
}

/// Uses a link up: returns what it is for, or nothing if it was used, has expired or is unknown.
pub async fn redeem(tx: &mut Tx, hash: TokenHash, now: Timestamp) -> Result<Option<LinkPurpose>, StoreError> {
    let sql =
        "DELETE FROM account_links WHERE token_hash = $1 AND expires_at > $2 RETURNING purpose, account_id";
    let row = tx.fetch_optional(sql, values![hash, now]).await?;
    row.as_ref().map(read).transpose()
}

/// Deletes expired links, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM account_links WHERE token_hash IN \
               (SELECT token_hash FROM account_links WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}

fn read(row: &Row) -> Result<LinkPurpose, StoreError> {
    match row.text("purpose")?.as_str() {
        SETUP => Ok(LinkPurpose::Setup),
        RESET_PASSWORD => row.id("account_id").map(LinkPurpose::ResetPassword),
        _ => Err(StoreError::Corrupt { what: "purpose" }),
    }
}
