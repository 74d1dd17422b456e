//! How much there is in a project, for pages that give an overview or say what goes with it.

use gatewright_domain::{Timestamp, id::ProjectId};

use crate::{StoreError, Tx, value::values};

/// How many of each there are.
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
    /// End users that have been here.
    pub users: i64,
    /// Keys that have not been revoked.
    pub api_keys: i64,
    /// Members.
    pub members: i64,
}

/// Counts what a project has, all in one query and each by an index that begins with the project.
pub async fn count(tx: &mut Tx, project: ProjectId) -> Result<ProjectContents, StoreError> {
    let sql = "SELECT (SELECT COUNT(*) FROM gateways WHERE project_id = $1) AS gateways, \
               (SELECT COUNT(*) FROM user_sources WHERE project_id = $1) AS user_sources, \
               (SELECT COUNT(*) FROM servers WHERE project_id = $1) AS servers, \
               (SELECT COUNT(*) FROM secrets WHERE project_id = $1) AS secrets, \
               (SELECT COUNT(*) FROM users WHERE project_id = $1) AS users, \
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

/// Counts the grants of a project that are live at `now`, gateway by gateway, because that is how they are indexed.
pub async fn live_grants(tx: &mut Tx, project: ProjectId, now: Timestamp) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) AS live FROM gateways JOIN grants ON grants.gateway_id = gateways.id \
               AND grants.revoked_at IS NULL AND grants.live_until > $2 WHERE gateways.project_id = $1";
    tx.fetch_one(sql, values![project, now]).await?.int("live")
}
