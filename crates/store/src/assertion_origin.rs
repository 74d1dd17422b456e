//! Which origins receive assertions about the users of a project. An assertion is only valid within one project, and a server
//! that does not check the project would trust every project that sends it assertions.

use gatewright_domain::{
    id::{ProjectId, ServerId},
    server::Server,
};

use crate::{
    StoreError, Tx,
    row::{Row, to_word},
    value::values,
};

/// Whether no other project sends assertions to this origin. Until the transaction ends, none can start to.
pub async fn claim(tx: &mut Tx, project: ProjectId, origin: &str) -> Result<bool, StoreError> {
    // Other claims of the origin wait for this row. Looking second shows what they committed.
    let sql = "INSERT INTO assertion_origins (origin) VALUES ($1) \
               ON CONFLICT (origin) DO UPDATE SET origin = excluded.origin";
    tx.execute(sql, values![origin]).await?;
    let sql = "SELECT id FROM servers WHERE assertion_origin = $1 AND project_id <> $2 LIMIT 1";
    Ok(tx.fetch_optional(sql, values![origin, project]).await?.is_none())
}

/// The names of the other projects that send assertions to an origin, oldest first, at most `limit`.
pub async fn list_other_projects(
    tx: &mut Tx,
    project: ProjectId,
    origin: &str,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT name FROM projects WHERE id <> $1 AND id IN \
               (SELECT project_id FROM servers WHERE assertion_origin = $2) ORDER BY id LIMIT $3";
    let rows = tx.fetch_all(sql, values![project, origin, limit]).await?;
    rows.iter().map(|row| row.text("name")).collect()
}

/// The servers of a project whose origin also receives assertions of another project, oldest first: ID, name and origin of
/// at most `limit`.
pub async fn list_shared(
    tx: &mut Tx,
    project: ProjectId,
    limit: u32,
) -> Result<Vec<(ServerId, String, String)>, StoreError> {
    let sql = "SELECT id, name, assertion_origin FROM servers WHERE project_id = $1 \
               AND assertion_origin IS NOT NULL AND EXISTS (SELECT 1 FROM servers others \
               WHERE others.assertion_origin = servers.assertion_origin AND others.project_id <> $1) \
               ORDER BY id LIMIT $2";
    let rows = tx.fetch_all(sql, values![project, limit]).await?;
    let shared = |row: &Row| Ok((row.id("id")?, row.text("name")?, row.text("assertion_origin")?));
    rows.iter().map(shared).collect()
}

/// Every origin that receives assertions of several projects, at most `limit`.
pub async fn list_all_shared(tx: &mut Tx, limit: u32) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT assertion_origin FROM servers WHERE assertion_origin IS NOT NULL \
               GROUP BY assertion_origin HAVING COUNT(DISTINCT project_id) > 1 ORDER BY assertion_origin LIMIT $1";
    let rows = tx.fetch_all(sql, values![limit]).await?;
    rows.iter().map(|row| row.text("assertion_origin")).collect()
}

/// Updates the origins of all servers, after an upgrade or after a replica of an older version wrote. Also
/// deletes origins without a server.
pub(crate) async fn fill_in(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "SELECT id, project_id, slug, prefix, name, url, timeout_ms, retries, headers, identity, protocol, \
               created_at, updated_at, assertion_origin FROM servers WHERE identity = $1 OR assertion_origin IS NOT NULL ORDER BY id";
    let word = to_word(&gatewright_domain::server::IdentityForwarding::Assertion);
    for row in tx.fetch_all(sql, values![word]).await? {
        let server: Server = crate::server::read(&row)?;
        let origin = server.assertion_origin();
        if origin != row.opt_text("assertion_origin")? {
            let sql = "UPDATE servers SET assertion_origin = $1 \
                       WHERE project_id = $2 AND id = $3 AND url = $4 AND identity = $5";
            let identity = to_word(&server.identity);
            let values = values![origin, server.project_id, server.id, &server.url, identity];
            tx.execute(sql, values).await?;
        }
    }
    let sql = "DELETE FROM assertion_origins WHERE NOT EXISTS \
               (SELECT 1 FROM servers WHERE assertion_origin = origin)";
    tx.execute(sql, &[]).await?;
    Ok(())
}
