//! Assertions that clients have used to authenticate, so that none is accepted twice (RFC 7523 section 3).

use gatewright_domain::{Timestamp, id::GatewayId, token_hash::TokenHash};

use crate::{StoreError, Tx, value::values};

/// The number of assertions remembered per client and gateway. They live for minutes, so this is dozens of
/// token requests per second; a client with more is broken, and its rows would slow down others.
pub const MAX_PER_CLIENT: u32 = 10_000;

/// An assertion whose signature and claims have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedAssertion {
    hash: TokenHash,
    client: TokenHash,
    expires_at: Timestamp,
}

impl UsedAssertion {
    /// An assertion with the ID `jti` by a client, named by its short ID, that expires at
    /// `expires_at`.
    pub fn new(gateway: GatewayId, client: &str, jti: &str, expires_at: Timestamp) -> Self {
        // A client ID has no line break, so no two pairs produce the same text.
        Self {
            hash: TokenHash::of(&format!("{gateway}\n{client}\n{jti}")),
            client: TokenHash::of(&format!("{gateway}\n{client}")),
            expires_at,
        }
    }
}

/// The outcome of using an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionUse {
    /// It had not been used before, and now is.
    First,
    /// It had been used before.
    Again,
    /// The client has used too many that are not yet expired.
    TooMany,
}

/// Uses an assertion up, in the transaction that issues what the client asks for. `cap` is how many are
/// remembered per client, usually [`MAX_PER_CLIENT`].
pub async fn use_up(
    tx: &mut Tx,
    assertion: &UsedAssertion,
    cap: u32,
    now: Timestamp,
) -> Result<AssertionUse, StoreError> {
    let sql = "INSERT INTO used_assertions (assertion_hash, client_hash, expires_at) SELECT $1, $2, $3 \
               WHERE (SELECT COUNT(*) FROM used_assertions WHERE client_hash = $2 AND expires_at > $4) < $5 \
               ON CONFLICT (assertion_hash) DO NOTHING";
    let values = values![assertion.hash, assertion.client, assertion.expires_at, now, cap];
    if tx.execute(sql, values).await? > 0 {
        return Ok(AssertionUse::First);
    }
    let sql = "SELECT assertion_hash FROM used_assertions WHERE assertion_hash = $1";
    let known = tx.fetch_optional(sql, values![assertion.hash]).await?;
    Ok(if known.is_some() {
        AssertionUse::Again
    } else {
        AssertionUse::TooMany
    })
}

/// Deletes expired ones, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM used_assertions WHERE assertion_hash IN \
               (SELECT assertion_hash FROM used_assertions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}
