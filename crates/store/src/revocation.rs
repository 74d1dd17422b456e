//! Revocations: what was ended while its access tokens may still be in use. Each is kept only until the last of those
//! tokens has expired.

use gatewright_domain::{
    Timestamp,
    gateway::REVOCATION_LEEWAY,
    id::{GatewayId, GrantId, ProjectId, UserId},
    token_hash::TokenHash,
};

use sqlx::AssertSqlSafe;

use crate::{
    StoreError, Tx,
    row::Row,
    value::{Value, places, values},
};

/// Revocations read at once.
const PAGE: u32 = 10_000;

/// When the last access token of a grant has expired on every replica, whatever its clock says; a condition or column
/// over `grants`. `$leeway` is the placeholder of [`leeway`].
macro_rules! tokens_until {
    ($leeway:literal) => {
        concat!("grants.last_used_at + grants.token_life + ", $leeway)
    };
}
pub(crate) use tokens_until;

/// The value of the placeholder in [`tokens_until`], in milliseconds.
pub(crate) fn leeway() -> i64 {
    i64::try_from(REVOCATION_LEEWAY.as_millis()).unwrap_or(i64::MAX)
}

/// What is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denied {
    /// A revoked grant.
    Grant(GrantId),
    /// A blocked or deleted user.
    User(UserId),
    /// A client at a gateway, by the hash of its short ID.
    Client(GatewayId, TokenHash),
}

impl Denied {
    /// A client at a gateway, by the short ID in tokens.
    pub fn client(gateway: GatewayId, short_id: &str) -> Self {
        Self::Client(gateway, TokenHash::of(short_id))
    }
}

/// Where reading revocations continues.
#[derive(Debug, Clone)]
pub struct Place {
    number: i64,
    object: String,
    /// Whether those without a number were read.
    unnumbered: bool,
}

impl Place {
    /// After the revocations with this number and all below; `None`: at the beginning.
    pub fn after(number: Option<i64>) -> Self {
        Self {
            number: number.map_or(0, |number| number.saturating_add(1)),
            object: String::new(),
            unnumbered: false,
        }
    }
}

/// Passes on a page of the revocations from `place` on that have not expired at `now`, each with its expiry;
/// returns the place of the next page, if there may be one. `tx` comes from [`crate::Store::read`], so that all pages are of
/// one moment.
pub async fn read_page(
    tx: &mut Tx,
    place: Place,
    now: Timestamp,
    each: &mut (dyn FnMut(Denied, Timestamp) + Send),
) -> Result<Option<Place>, StoreError> {
    if !place.unnumbered {
        // An older version running in parallel numbers nothing. What has expired is left out here and not in the query:
        // PostgreSQL would read the whole index of times for it as long as it has no statistics.
        let sql = "SELECT kind, object_id, expires_at FROM revocations WHERE number IS NULL";
        for row in tx.fetch_all(sql, &[]).await? {
            let expires_at = row.time("expires_at")?;
            if expires_at > now {
                each(read(&row)?, expires_at);
            }
        }
    }
    let sql = "SELECT kind, object_id, expires_at, number FROM revocations WHERE (number, object_id) > ($1, $2) \
               AND expires_at > $3 ORDER BY number, object_id LIMIT $4";
    let values = values![place.number, place.object, now, PAGE];
    let rows = tx.fetch_all(sql, values).await?;
    for row in &rows {
        each(read(row)?, row.time("expires_at")?);
    }
    match rows.last() {
        Some(last) if rows.len() >= PAGE as usize => Ok(Some(Place {
            number: last.int("number")?,
            object: last.text("object_id")?,
            unnumbered: true,
        })),
        _ => Ok(None),
    }
}

/// Denies a user who is about to be deleted, and whose grants are locked, until their last access token has
/// expired; writes nothing if it already has.
pub(crate) async fn insert_user(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = concat!(
        "INSERT INTO revocations (kind, object_id, expires_at) SELECT 'user', $1, expires_at FROM \
         (SELECT MAX(",
        tokens_until!("$2"),
        ") AS expires_at FROM grants WHERE project_id = $4 AND user_id = $1) AS last WHERE expires_at > $3 \
         ON CONFLICT (kind, object_id) DO UPDATE SET expires_at = excluded.expires_at, number = NULL \
         WHERE excluded.expires_at > revocations.expires_at"
    );
    if tx.execute(sql, values![user, leeway(), now, project]).await? > 0 {
        tx.note_revocation();
    }
    Ok(())
}

/// Denies these existing, locked grants, each until its last access token has expired; writes nothing for
/// those whose last one already has. The query that locked them named their project or gateway.
pub(crate) async fn insert_grants(tx: &mut Tx, grants: &[GrantId], now: Timestamp) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO revocations (kind, object_id, expires_at) SELECT 'grant', id, {until} FROM grants \
         WHERE {until} > $2 AND id IN ({}) \
         ON CONFLICT (kind, object_id) DO UPDATE SET expires_at = excluded.expires_at, number = NULL \
         WHERE excluded.expires_at > revocations.expires_at",
        places(3, grants),
        until = tokens_until!("$1"),
    );
    let mut values = values![leeway(), now].to_vec();
    values.extend(grants.iter().copied().map(Value::from));
    if tx.execute(AssertSqlSafe(sql), &values).await? > 0 {
        tx.note_revocation();
    }
    Ok(())
}

/// Deletes expired ones, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM revocations WHERE expires_at <= $1 AND object_id IN \
               (SELECT object_id FROM revocations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) \
               AND kind IN ('grant', 'user')";
    tx.execute(sql, values![now, limit]).await
}

fn read(row: &Row) -> Result<Denied, StoreError> {
    match row.text("kind")?.as_str() {
        "grant" => row.id("object_id").map(Denied::Grant),
        "user" => row.id("object_id").map(Denied::User),
        _ => Err(StoreError::Corrupt { what: "kind" }),
    }
}
