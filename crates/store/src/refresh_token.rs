//! Refresh tokens and their rotation with overlap.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    grant::{Grant, RefreshToken, Successor},
    id::GatewayId,
    stored_secret::SealedText,
    token_hash::TokenHash,
};

use crate::{StoreError, Tx, grant, row::Row, value::values};

/// A used token answers with its unused successor for this long: a client that was offline when the answer came back
/// may try again the next day.
const OVERLAP: Duration = Duration::from_hours(24);

/// A presentation this soon after the successor's first use is a straggler of a client that refreshes several times
/// at once, and no sign of theft.
const STRAGGLER_WINDOW: Duration = Duration::from_mins(2);

/// Adds the first refresh token of a grant.
pub async fn insert(tx: &mut Tx, token: &RefreshToken) -> Result<(), StoreError> {
    let sql = "INSERT INTO refresh_tokens (token_hash, grant_id, created_at, expires_at, used_at, successor_hash, \
               successor_sealed, successor_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let successor = token.successor.as_ref();
    let values = values![
        token.hash,
        token.grant_id,
        token.created_at,
        token.expires_at,
        token.used_at,
        successor.map(|successor| successor.hash.to_text()),
        successor.map(|successor| &successor.sealed),
        successor.and_then(|successor| successor.used_at),
    ];
    tx.execute(sql, values).await?;
    grant::note_used(tx, token.grant_id, token.created_at, token.expires_at).await
}

/// What came of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was current: the proposed successor is now stored.
    Rotated(Box<Grant>),
    /// It was used before and its successor is not used yet: the same successor answers again.
    Repeated {
        /// The grant.
        grant: Box<Grant>,
        /// The successor, sealed under the token presented.
        sealed: SealedText,
        /// When the successor expires for want of use.
        expires_at: Timestamp,
    },
    /// Used before; the successor was first used within the last two minutes: refuse, revoke nothing.
    Straggler,
    /// Used before and the successor long since used, or the overlap of 24 h is over: the caller revokes the grant.
    Reused(Box<Grant>),
    /// Unknown, expired, of another gateway or client, or its grant is not live.
    Refused,
}

/// A proposed successor.
#[derive(Debug, Clone)]
pub struct Proposal<'a> {
    /// SHA-256 of the successor.
    pub hash: TokenHash,
    /// The successor sealed under a key derived from the token presented.
    pub sealed: &'a SealedText,
    /// When the successor expires for want of use.
    pub expires_at: Timestamp,
}

/// Rotates in guarded updates; the first presentation of a successor also marks it used in its predecessor.
/// `client_id` is the short form that grants carry.
pub async fn rotate(
    tx: &mut Tx,
    gateway: GatewayId,
    client_id: &str,
    presented: TokenHash,
    proposal: &Proposal<'_>,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    let sql = "SELECT grant_id FROM refresh_tokens WHERE token_hash = $1 AND expires_at > $2";
    let Some(row) = tx.fetch_optional(sql, values![presented, now]).await? else {
        return Ok(Rotation::Refused);
    };
    // From here on this grant is ours: presentations of any token of it come one after the other.
    let id = row.text("grant_id")?;
    let Some(mut grant) = grant::lock_live(tx, gateway, client_id, &id, now).await? else {
        return Ok(Rotation::Refused);
    };
    let sql = "UPDATE refresh_tokens SET used_at = $1, successor_hash = $2, successor_sealed = $3 \
               WHERE token_hash = $4 AND used_at IS NULL AND expires_at > $1";
    let values = values![now, proposal.hash, proposal.sealed, presented];
    if tx.execute(sql, values).await? == 0 {
        return presented_again(tx, grant, presented, now).await;
    }
    let sql =
        "INSERT INTO refresh_tokens (token_hash, grant_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    let values = values![proposal.hash, grant.id, now, proposal.expires_at];
    tx.execute(sql, values).await?;
    // The predecessor has served: its copy of the token presented now is forgotten.
    let sql = "UPDATE refresh_tokens SET successor_used_at = $1, successor_sealed = NULL \
               WHERE successor_hash = $2 AND successor_used_at IS NULL";
    tx.execute(sql, values![now, presented]).await?;
    grant::note_used(tx, grant.id, now, proposal.expires_at).await?;
    grant.last_used_at = now;
    Ok(Rotation::Rotated(Box::new(grant)))
}

/// What becomes of a token that was used before.
async fn presented_again(
    tx: &mut Tx,
    grant: Grant,
    presented: TokenHash,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    let sql = "SELECT used_at, successor_sealed, successor_used_at, (SELECT next.expires_at FROM refresh_tokens AS next \
               WHERE next.token_hash = refresh_tokens.successor_hash) AS successor_expires_at FROM refresh_tokens \
               WHERE token_hash = $1 AND used_at IS NOT NULL";
    let Some(row) = tx.fetch_optional(sql, values![presented]).await? else {
        return Ok(Rotation::Refused);
    };
    if let Some(successor_used_at) = row.opt_time("successor_used_at")? {
        let straggles = now <= successor_used_at.plus(STRAGGLER_WINDOW);
        return Ok(if straggles {
            Rotation::Straggler
        } else {
            Rotation::Reused(Box::new(grant))
        });
    }
    let successor = (
        row.opt_sealed("successor_sealed")?,
        row.opt_time("successor_expires_at")?,
    );
    match successor {
        (Some(sealed), Some(expires_at)) if now <= row.time("used_at")?.plus(OVERLAP) => {
            Ok(Rotation::Repeated {
                grant: Box::new(grant),
                sealed,
                expires_at,
            })
        }
        _ => Ok(Rotation::Reused(Box::new(grant))),
    }
}

/// The grant a refresh token belongs to, for revocation (RFC 7009).
pub async fn find_grant(
    tx: &mut Tx,
    gateway: GatewayId,
    token: TokenHash,
) -> Result<Option<Grant>, StoreError> {
    let sql = "SELECT grant_id FROM refresh_tokens WHERE token_hash = $1";
    let Some(row) = tx.fetch_optional(sql, values![token]).await? else {
        return Ok(None);
    };
    grant::find(tx, gateway, row.id("grant_id")?).await
}

/// Forgets tokens that expired before `before`, at most `limit`: presenting one is refused either way.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM refresh_tokens WHERE token_hash IN \
               (SELECT token_hash FROM refresh_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

/// The row of a token, with its successor as far as it is still stored.
pub async fn find(tx: &mut Tx, token: TokenHash) -> Result<Option<RefreshToken>, StoreError> {
    let sql = "SELECT token_hash, grant_id, created_at, expires_at, used_at, successor_hash, successor_sealed, \
               successor_used_at FROM refresh_tokens WHERE token_hash = $1";
    let row = tx.fetch_optional(sql, values![token]).await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<RefreshToken, StoreError> {
    let successor = match (
        row.opt_hash("successor_hash")?,
        row.opt_sealed("successor_sealed")?,
    ) {
        (Some(hash), Some(sealed)) => Some(Successor {
            hash,
            sealed,
            used_at: row.opt_time("successor_used_at")?,
        }),
        _ => None,
    };
    Ok(RefreshToken {
        hash: row.hash("token_hash")?,
        grant_id: row.id("grant_id")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        used_at: row.opt_time("used_at")?,
        successor,
    })
}
