//! Sessions of users on the connections page of a gateway. Each request looks its session up, so that a block, a change of the
//! User Source or a sign-out acts on the next one.

use gatewright_domain::{
    Timestamp,
    id::{GatewayId, ProjectId, UserId, UserSourceId},
    token_hash::TokenHash,
    user::User,
};

use crate::{StoreError, Tx, user, value::values};

/// Sessions that a user can have at a gateway at the same time. Beyond that the oldest end.
pub const MAX_PER_USER: u32 = 5;

/// A session of a user on the connections page of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionSession {
    /// SHA-256 of the cookie.
    pub hash: TokenHash,
    /// The project.
    pub project_id: ProjectId,
    /// The gateway.
    pub gateway_id: GatewayId,
    /// The user.
    pub user_id: UserId,
    /// The source that they signed in through.
    pub user_source_id: UserSourceId,
    /// The source's identity epoch at that time.
    pub identity_epoch: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Begins a session; `false` if the gateway does not use the source any more, or the source has changed who people are. Beyond
/// [`MAX_PER_USER`], the oldest of the user at this gateway end.
pub async fn begin(tx: &mut Tx, session: &ConnectionSession) -> Result<bool, StoreError> {
    let sql = "INSERT INTO connection_sessions (token_hash, project_id, gateway_id, user_id, user_source_id, \
               identity_epoch, created_at, expires_at) SELECT $1, $2, gateways.id, $3, user_sources.id, \
               user_sources.identity_epoch, $4, $5 FROM gateways \
               JOIN user_sources ON user_sources.id = gateways.user_source_id \
               WHERE gateways.project_id = $2 AND gateways.id = $6 AND gateways.mode = 'user_source' \
               AND gateways.status = 'active' AND user_sources.id = $7 AND user_sources.identity_epoch = $8 \
               AND user_sources.status = 'active'";
    let values = values![
        session.hash,
        session.project_id,
        session.user_id,
        session.created_at,
        session.expires_at,
        session.gateway_id,
        session.user_source_id,
        session.identity_epoch,
    ];
    if tx.execute(sql, values).await? == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM connection_sessions WHERE user_id = $1 AND gateway_id = $2 AND token_hash NOT IN \
               (SELECT token_hash FROM connection_sessions WHERE user_id = $1 AND gateway_id = $2 \
               ORDER BY created_at DESC, token_hash LIMIT $3)";
    let values = values![session.user_id, session.gateway_id, MAX_PER_USER];
    tx.execute(sql, values).await?;
    Ok(true)
}

/// The user of a cookie at a gateway; nothing unless the session is valid at `now`: not expired, the user not blocked, and the
/// gateway still with this source as it was.
pub async fn find_live(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    hash: TokenHash,
    now: Timestamp,
) -> Result<Option<User>, StoreError> {
    let sql = "SELECT connection_sessions.user_id AS user_id FROM connection_sessions \
               JOIN gateways ON gateways.id = connection_sessions.gateway_id \
               AND gateways.user_source_id = connection_sessions.user_source_id \
               AND gateways.mode = 'user_source' AND gateways.status = 'active' \
               JOIN user_sources ON user_sources.id = connection_sessions.user_source_id \
               AND user_sources.identity_epoch = connection_sessions.identity_epoch AND user_sources.status = 'active' \
               JOIN users ON users.id = connection_sessions.user_id AND users.status = 'active' \
               WHERE connection_sessions.token_hash = $1 AND connection_sessions.project_id = $2 \
               AND connection_sessions.gateway_id = $3 AND connection_sessions.expires_at > $4";
    let values = values![hash, project, gateway, now];
    let Some(row) = tx.fetch_optional(sql, values).await? else {
        return Ok(None);
    };
    user::find(tx, project, row.id("user_id")?).await
}

/// Ends the session of a cookie at a gateway; `false` if there is none.
pub async fn end(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    hash: TokenHash,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM connection_sessions WHERE token_hash = $1 AND project_id = $2 AND gateway_id = $3";
    Ok(tx.execute(sql, values![hash, project, gateway]).await? > 0)
}

/// Deletes expired sessions, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM connection_sessions WHERE token_hash IN \
               (SELECT token_hash FROM connection_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}
