//! Refresh tokens and their rotation with overlap.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    grant::{Grant, RefreshToken, Successor},
    id::{GatewayId, GrantId},
    stored_secret::SealedText,
    token_hash::TokenHash,
};

use crate::{StoreError, Tx, grant, row::Row, value::values};

/// A used token returns its unused successor for this long: a client that was offline when the response arrived
/// can try again the next day.
const OVERLAP: Duration = Duration::from_hours(24);

/// The number of times it does.
const MAX_REPEATS: i64 = 10;

/// A client that refreshes several times with one token does so within this time, even while it uses the first response.
const BURST: Duration = Duration::from_secs(90);

/// A request this soon after the overlap ended comes from a client that refreshes several times at once,
/// and is not a sign of theft.
const STRAGGLER_WINDOW: Duration = Duration::from_mins(2);

/// Adds the first refresh token of a grant, issued with an access token that expires at `access_token_ends_at`.
pub async fn insert(
    tx: &mut Tx,
    token: &RefreshToken,
    access_token_ends_at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO refresh_tokens (token_hash, grant_id, created_at, expires_at, used_at, successor_hash, \
               successor_sealed, successor_used_at, generation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
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
        token.generation,
    ];
    tx.execute(sql, values).await?;
    let issued = grant::Issued {
        at: token.created_at,
        access_token_ends_at,
        idle_end: token.expires_at,
        generation: token.generation,
    };
    grant::note_issued(tx, token.grant_id, &issued).await
}

/// The outcome of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was current: the proposed successor was stored.
    Rotated(Box<Grant>),
    /// It was used before, and neither its successor nor an access token issued with that has been used yet: returns the same
    /// successor again.
    Repeated {
        /// The grant.
        grant: Box<Grant>,
        /// The successor, sealed under the token presented.
        sealed: SealedText,
        /// Its generation, if it has one.
        generation: Option<i64>,
        /// When the successor expires without use.
        expires_at: Timestamp,
        /// The address prefix from which the token was first used, if this request comes from another one.
        first_from: Option<String>,
    },
    /// Used before, and the overlap ended within the last two minutes: refuse, revoke nothing.
    Straggler,
    /// Used before, and the overlap ended long ago: the caller revokes the grant.
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
    /// Its generation, as [`find_known`] returned it.
    pub generation: i64,
    /// When the successor expires without use.
    pub expires_at: Timestamp,
    /// When the access token issued with it expires, and any issued when the successor is returned again.
    pub access_token_ends_at: Timestamp,
    /// The address prefix from which the token is presented.
    pub from: &'a str,
}

/// Rotates in guarded updates; the first use of a successor also marks it as used in its predecessor.
/// `client_id` is the short form that grants use.
pub async fn rotate(
    tx: &mut Tx,
    gateway: GatewayId,
    client_id: &str,
    presented: TokenHash,
    proposal: &Proposal<'_>,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    // From here on this transaction holds the grant: requests with any of its tokens run one after the other.
    let Some(mut grant) = grant::lock_live_of_token(tx, gateway, client_id, presented, now).await? else {
        return Ok(Rotation::Refused);
    };
    let sql = "UPDATE refresh_tokens SET used_at = $1, successor_hash = $2, successor_sealed = $3, used_from = $4 \
               WHERE token_hash = $5 AND used_at IS NULL AND expires_at > $1";
    let values = values![now, proposal.hash, proposal.sealed, proposal.from, presented];
    if tx.execute(sql, values).await? == 0 {
        return presented_again(tx, grant, presented, proposal, now).await;
    }
    let sql = "INSERT INTO refresh_tokens (token_hash, grant_id, created_at, expires_at, generation) \
               VALUES ($1, $2, $3, $4, $5)";
    let values = values![
        proposal.hash,
        grant.id,
        now,
        proposal.expires_at,
        proposal.generation
    ];
    tx.execute(sql, values).await?;
    // The predecessor is no longer needed: its copy of the presented token is deleted.
    let sql = "UPDATE refresh_tokens SET successor_used_at = $1, successor_sealed = NULL \
               WHERE successor_hash = $2 AND successor_used_at IS NULL";
    tx.execute(sql, values![now, presented]).await?;
    // Earlier tokens are recognised by their number; one without a number keeps its row until it expires.
    let sql = "DELETE FROM refresh_tokens WHERE grant_id = $1 AND generation IS NOT NULL AND successor_used_at < $2";
    tx.execute(sql, values![grant.id, now.minus(STRAGGLER_WINDOW)])
        .await?;
    let issued = grant::Issued {
        at: now,
        access_token_ends_at: proposal.access_token_ends_at,
        idle_end: proposal.expires_at,
        generation: Some(proposal.generation),
    };
    grant::note_issued(tx, grant.id, &issued).await?;
    grant.last_used_at = now;
    Ok(Rotation::Rotated(Box::new(grant)))
}

/// What is known about a token that was used before.
struct Used {
    at: Timestamp,
    from: Option<String>,
    successor_used_at: Option<Timestamp>,
    successor: Option<(SealedText, Timestamp)>,
    successor_generation: Option<i64>,
    /// When an access token issued with the successor was first used.
    access_token_seen_at: Option<Timestamp>,
}

/// Decides what happens to a token that was used before (RFC 9700 section 4.14.2).
async fn presented_again(
    tx: &mut Tx,
    grant: Grant,
    presented: TokenHash,
    proposal: &Proposal<'_>,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    let Some(used) = find_used(tx, presented).await? else {
        return Ok(Rotation::Refused);
    };
    let straggles = |since: Timestamp| now <= since.plus(STRAGGLER_WINDOW);
    let late = |straggles: bool| {
        if straggles {
            Rotation::Straggler
        } else {
            Rotation::Reused(Box::new(grant.clone()))
        }
    };
    if let Some(over_at) = used.successor_used_at {
        return Ok(late(straggles(over_at)));
    }
    if let Some(over_at) = used.access_token_seen_at
        && now > used.at.plus(BURST)
    {
        return Ok(late(straggles(over_at)));
    }
    let sql = "UPDATE refresh_tokens SET repeats = repeats + 1 \
               WHERE token_hash = $1 AND repeats < $2 AND used_at >= $3 AND successor_used_at IS NULL";
    let values = values![presented, MAX_REPEATS, now.minus(OVERLAP)];
    let Some((sealed, expires_at)) = used.successor.filter(|(_, expires_at)| *expires_at > now) else {
        return Ok(late(false));
    };
    if tx.execute(sql, values).await? == 0 {
        return Ok(late(straggles(used.at)));
    }
    grant::note_repeated(tx, grant.id, now, proposal.access_token_ends_at).await?;
    Ok(Rotation::Repeated {
        grant: Box::new(grant),
        sealed,
        generation: used.successor_generation,
        expires_at,
        first_from: used.from.filter(|from| from != proposal.from),
    })
}

async fn find_used(tx: &mut Tx, token: TokenHash) -> Result<Option<Used>, StoreError> {
    let sql = "SELECT used.used_at, used.used_from, used.successor_used_at, used.successor_sealed, \
               next.expires_at, next.generation, \
               CASE WHEN grants.seen_generation >= next.generation THEN grants.seen_at END AS seen_at \
               FROM refresh_tokens AS used JOIN grants ON grants.id = used.grant_id \
               LEFT JOIN refresh_tokens AS next ON next.token_hash = used.successor_hash \
               WHERE used.token_hash = $1 AND used.used_at IS NOT NULL";
    let Some(row) = tx.fetch_optional(sql, values![token]).await? else {
        return Ok(None);
    };
    Ok(Some(Used {
        at: row.time("used_at")?,
        from: row.opt_text("used_from")?,
        successor_used_at: row.opt_time("successor_used_at")?,
        successor: row
            .opt_sealed("successor_sealed")?
            .zip(row.opt_time("expires_at")?),
        successor_generation: row.opt_int("generation")?,
        access_token_seen_at: row.opt_time("seen_at")?,
    }))
}

/// Decides what happens to a token that has no row, and says that it is this generation of this grant: an older token of
/// a live grant that comes back long after its time. A generation that the grant has not reached is from a future that
/// this database lost.
pub async fn outlived(
    tx: &mut Tx,
    gateway: GatewayId,
    client_id: &str,
    (grant, generation): (GrantId, i64),
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    let Some(grant) = grant::lock_live(tx, gateway, client_id, &grant.to_string(), now).await? else {
        return Ok(Rotation::Refused);
    };
    // Of the row that was just locked, at this gateway.
    let sql = "SELECT generation FROM grants WHERE id = $1";
    let newest = tx.fetch_one(sql, values![grant.id]).await?.int("generation")?;
    Ok(if generation < newest {
        Rotation::Reused(Box::new(grant))
    } else {
        Rotation::Refused
    })
}

/// The grant that a refresh token belongs to, and the generation of the token's successor, if it has none yet. A token
/// without a number counts as one generation after its grant: access tokens of a first generation end no overlap, and
/// those of its successor must.
pub async fn find_known(
    tx: &mut Tx,
    gateway: GatewayId,
    token: TokenHash,
) -> Result<Option<(Grant, i64)>, StoreError> {
    grant::find_of_token(tx, gateway, token).await
}

/// The grant that a refresh token belongs to, for revocation (RFC 7009).
pub async fn find_grant(
    tx: &mut Tx,
    gateway: GatewayId,
    token: TokenHash,
) -> Result<Option<Grant>, StoreError> {
    Ok(find_known(tx, gateway, token).await?.map(|(grant, _)| grant))
}

/// Deletes tokens that expired before `before`, at most `limit`: presenting one is refused either way.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM refresh_tokens WHERE token_hash IN \
               (SELECT token_hash FROM refresh_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

/// The row of a token, with its successor if that is still stored.
pub async fn find(tx: &mut Tx, token: TokenHash) -> Result<Option<RefreshToken>, StoreError> {
    let sql = "SELECT token_hash, grant_id, generation, created_at, expires_at, used_at, successor_hash, \
               successor_sealed, successor_used_at FROM refresh_tokens WHERE token_hash = $1";
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
        generation: row.opt_int("generation")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        used_at: row.opt_time("used_at")?,
        successor,
    })
}
