//! The deny-list: what was ended while tokens for it may still be about.

use gatewright_domain::{
    Timestamp,
    id::{GatewayId, GrantId, UserId},
    token_hash::TokenHash,
};

use sqlx::AssertSqlSafe;

use crate::{
    StoreError, Tx, client_block,
    row::Row,
    value::{Value, places, values},
};

/// What is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denied {
    /// A revoked grant.
    Grant(GrantId),
    /// A blocked or deleted user.
    User(UserId),
    /// A client at a gateway, by the hash of its short id.
    Client(GatewayId, TokenHash),
}

impl Denied {
    /// A client at a gateway, by the short id that tokens carry.
    pub fn client(gateway: GatewayId, short_id: &str) -> Self {
        Self::Client(gateway, TokenHash::of(short_id))
    }
}

/// Everything denied at `now`: revocations that have not run out, blocked users, and blocked clients.
pub async fn list(tx: &mut Tx, now: Timestamp) -> Result<Vec<Denied>, StoreError> {
    let sql = "SELECT kind, object_id FROM revocations WHERE expires_at > $1 \
               UNION ALL SELECT 'user', id FROM users WHERE status = 'blocked'";
    let rows = tx.fetch_all(sql, values![now]).await?;
    let mut denied = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    denied.extend(client_block::list_all(tx).await?);
    Ok(denied)
}

/// Denies a user until `until`.
pub(crate) async fn insert_user(tx: &mut Tx, user: UserId, until: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO revocations (kind, object_id, expires_at) VALUES ('user', $1, $2) \
               ON CONFLICT (kind, object_id) DO UPDATE SET expires_at = excluded.expires_at \
               WHERE excluded.expires_at > revocations.expires_at";
    tx.execute(sql, values![user, until]).await?;
    tx.note_change();
    Ok(())
}

/// Denies these grants, which exist, until `until`.
pub(crate) async fn insert_grants(
    tx: &mut Tx,
    grants: &[GrantId],
    until: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO revocations (kind, object_id, expires_at) SELECT 'grant', id, $1 FROM grants WHERE id IN ({}) \
         ON CONFLICT (kind, object_id) DO UPDATE SET expires_at = excluded.expires_at \
         WHERE excluded.expires_at > revocations.expires_at",
        places(2, grants)
    );
    let mut values = values![until].to_vec();
    values.extend(grants.iter().copied().map(Value::from));
    tx.execute(AssertSqlSafe(sql), &values).await?;
    tx.note_change();
    Ok(())
}

/// Forgets those that have run out, at most `limit`; how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "SELECT kind, object_id FROM revocations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";
    let rows = tx.fetch_all(sql, values![now, limit]).await?;
    let mut forgotten = 0;
    for row in rows {
        let sql = "DELETE FROM revocations WHERE kind = $1 AND object_id = $2 AND expires_at <= $3";
        let values = values![row.text("kind")?, row.text("object_id")?, now];
        forgotten += tx.execute(sql, values).await?;
    }
    Ok(forgotten)
}

fn read(row: &Row) -> Result<Denied, StoreError> {
    match row.text("kind")?.as_str() {
        "grant" => row.id("object_id").map(Denied::Grant),
        "user" => row.id("object_id").map(Denied::User),
        _ => Err(StoreError::Corrupt { what: "kind" }),
    }
}
