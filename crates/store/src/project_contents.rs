//! Counts what a project contains, for pages that give an overview or say what is deleted with it.

use gatewright_domain::id::{GatewayId, ProjectId};

use crate::{StoreError, Tx, value::values};

/// The number of each kind of object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProjectContents {
    /// Gateways, active or not.
    pub gateways: i64,
    /// User Sources.
    pub user_sources: i64,
    /// Servers.
    pub servers: i64,
    /// Secrets.
    pub secrets: i64,
    /// End users. Those known under an earlier issuer or claim of their source do not count: they are
    /// counted again under their current identity.
    pub users: i64,
    /// Keys that have not been revoked.
    pub api_keys: i64,
    /// Members.
    pub members: i64,
}

/// Counts the contents of a project, all in one query and each by an index that begins with the project. Users under an earlier
/// identity are searched only at sources whose identity has ever changed.
pub async fn count(tx: &mut Tx, project: ProjectId) -> Result<ProjectContents, StoreError> {
    let sql = "SELECT (SELECT COUNT(*) FROM gateways WHERE project_id = $1) AS gateways, \
               (SELECT COUNT(*) FROM user_sources WHERE project_id = $1) AS user_sources, \
               (SELECT COUNT(*) FROM servers WHERE project_id = $1) AS servers, \
               (SELECT COUNT(*) FROM secrets WHERE project_id = $1) AS secrets, \
               (SELECT COUNT(*) FROM users WHERE project_id = $1) \
               - (SELECT COUNT(*) FROM user_sources JOIN users ON users.user_source_id = user_sources.id \
               AND (users.issuer <> user_sources.issuer OR users.claim <> user_sources.subject_claim) \
               WHERE user_sources.project_id = $1 AND user_sources.identity_epoch > 1) AS users, \
               (SELECT COUNT(*) FROM api_keys WHERE project_id = $1 AND revoked_at IS NULL) AS api_keys, \
               (SELECT COUNT(*) FROM members WHERE project_id = $1) AS members";
    let Some(row) = tx.fetch_optional(sql, values![project]).await? else {
        return Ok(ProjectContents::default());
    };
    Ok(ProjectContents {
        gateways: row.int("gateways")?,
        user_sources: row.int("user_sources")?,
        servers: row.int("servers")?,
        secrets: row.int("secrets")?,
        users: row.int("users")?,
        api_keys: row.int("api_keys")?,
        members: row.int("members")?,
    })
}

/// What is deleted with a gateway, or is useless without it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GatewayContents {
    /// Clients registered at it.
    pub registered_clients: i64,
    /// Unrevoked keys that give access only to it.
    pub api_keys: i64,
}

/// Counts the contents of a gateway.
pub async fn of_gateway(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
) -> Result<GatewayContents, StoreError> {
    let sql = "SELECT (SELECT COUNT(*) FROM preregistered_clients WHERE project_id = $1 AND gateway_id = $2) \
               AS registered_clients, (SELECT COUNT(*) FROM api_keys WHERE project_id = $1 AND gateway_id = $2 \
               AND revoked_at IS NULL) AS api_keys";
    let row = tx.fetch_one(sql, values![project, gateway]).await?;
    Ok(GatewayContents {
        registered_clients: row.int("registered_clients")?,
        api_keys: row.int("api_keys")?,
    })
}
