//! What needs attention in a project, for its overview page. Each query reads a bounded number of rows.

use gatewright_domain::{
    Timestamp,
    id::{ApiKeyId, GatewayId, ProjectId},
    sign_in_attempt::Progress,
};

use crate::{
    StoreError, Tx,
    row::{Row, to_word},
    value::values,
};

/// The number of sign-ins read: enough to see a problem, and few enough for every view of the page.
const LATELY: u32 = 200;

/// Keys that expire between `now` and `until` and have no successor, soonest first, at most `limit`: ID, name and expiry.
pub async fn keys_ending(
    tx: &mut Tx,
    project: ProjectId,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<(ApiKeyId, String, Timestamp)>, StoreError> {
    let sql = "SELECT id, name, expires_at FROM api_keys WHERE project_id = $1 AND revoked_at IS NULL \
               AND successor_id IS NULL AND expires_at > $2 AND expires_at < $3 ORDER BY expires_at LIMIT $4";
    let rows = tx.fetch_all(sql, values![project, now, until, limit]).await?;
    let key = |row: &Row| Ok((row.id("id")?, row.text("name")?, row.time("expires_at")?));
    rows.iter().map(key).collect()
}

/// The same of all projects, and of the instance (`None`).
pub async fn keys_ending_anywhere(
    tx: &mut Tx,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<(Option<ProjectId>, ApiKeyId, String, Timestamp)>, StoreError> {
    let sql = "SELECT id, project_id, name, expires_at FROM api_keys WHERE revoked_at IS NULL \
               AND successor_id IS NULL AND expires_at > $1 AND expires_at < $2 ORDER BY expires_at LIMIT $3";
    let rows = tx.fetch_all(sql, values![now, until, limit]).await?;
    let key = |row: &Row| {
        let project = match row.text("project_id")?.as_str() {
            "" => None,
            _ => Some(row.id("project_id")?),
        };
        Ok((project, row.id("id")?, row.text("name")?, row.time("expires_at")?))
    };
    rows.iter().map(key).collect()
}

/// Projects in which sign-ins have failed since `since`, at most `limit`.
pub async fn projects_with_failures(
    tx: &mut Tx,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<ProjectId>, StoreError> {
    let sql =
        "SELECT DISTINCT project_id FROM sign_in_attempts WHERE updated_at >= $1 AND progress = $2 LIMIT $3";
    let rows = tx
        .fetch_all(sql, values![since, to_word(&Progress::Failed), limit])
        .await?;
    rows.iter().map(|row| row.id("project_id")).collect()
}

/// Active gateways that have no server to get tools from, oldest first, at most `limit`: they list none, and the project has
/// none.
pub async fn gateways_without_servers(
    tx: &mut Tx,
    project: ProjectId,
    limit: u32,
) -> Result<Vec<(GatewayId, String)>, StoreError> {
    let sql = "SELECT id, name FROM gateways WHERE project_id = $1 AND status = 'active' \
               AND NOT EXISTS (SELECT 1 FROM servers WHERE project_id = $1) \
               AND NOT EXISTS (SELECT 1 FROM gateway_servers WHERE gateway_id = gateways.id AND position IS NOT NULL) \
               ORDER BY id LIMIT $2";
    let rows = tx.fetch_all(sql, values![project, limit]).await?;
    let gateway = |row: &Row| Ok((row.id("id")?, row.text("name")?));
    rows.iter().map(gateway).collect()
}

/// The states of the last two hundred sign-in attempts that began at `since` or later, newest first.
pub async fn sign_ins_since(
    tx: &mut Tx,
    project: ProjectId,
    since: Timestamp,
) -> Result<Vec<(GatewayId, Progress)>, StoreError> {
    let sql = "SELECT gateway_id, progress, started_at FROM sign_in_attempts WHERE project_id = $1 \
               ORDER BY id DESC LIMIT $2";
    let rows = tx.fetch_all(sql, values![project, LATELY]).await?;
    let mut found = Vec::new();
    for row in &rows {
        if row.time("started_at")? >= since {
            found.push((row.id("gateway_id")?, row.word("progress")?));
        }
    }
    Ok(found)
}
