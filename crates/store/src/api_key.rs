//! API keys.

use gatewright_domain::{
    Timestamp,
    api_key::{ApiKey, KeyScope},
    id::{ApiKeyId, ProjectId},
    token_hash::TokenHash,
};

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, from_word},
    value::values,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, role, gateway_id, name, key_hash, expires_at, created_at, last_used_at, \
             revoked_at, successor_id FROM api_keys ",
            $rest
        )
    };
}

/// The value of the role column for keys of the instance.
const INSTANCE: &str = "instance";

/// Adds a key.
pub async fn insert(tx: &mut Tx, key: &ApiKey) -> Result<(), StoreError> {
    let sql = "INSERT INTO api_keys (id, project_id, role, gateway_id, name, key_hash, expires_at, created_at, \
               last_used_at, revoked_at, successor_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (project, role, gateway) = match key.scope {
        KeyScope::Instance => (None, INSTANCE, None),
        KeyScope::Project {
            project_id,
            role,
            gateway_id,
        } => (Some(project_id), role.as_str(), gateway_id),
    };
    let values = values![
        key.id,
        project_column(project),
        role,
        gateway.map(|id| id.to_string()),
        &key.name,
        key.hash,
        key.expires_at,
        key.created_at,
        key.last_used_at,
        key.revoked_at,
        key.successor_id.map(|id| id.to_string()),
    ];
    tx.execute(sql, values).await?;
    tx.note_change();
    Ok(())
}

/// Finds a key by the hash of its text, including revoked and expired ones; the caller decides.
pub async fn find_by_hash(tx: &mut Tx, hash: TokenHash) -> Result<Option<ApiKey>, StoreError> {
    let row = tx
        .fetch_optional(select!("WHERE key_hash = $1"), values![hash])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Finds a key by ID, in a project (`None`: instance keys).
pub async fn find(
    tx: &mut Tx,
    project: Option<ProjectId>,
    id: ApiKeyId,
) -> Result<Option<ApiKey>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx
        .fetch_optional(sql, values![project_column(project), id])
        .await?;
    row.as_ref().map(read).transpose()
}

/// All keys of a project (`None`: instance keys), oldest first.
pub async fn list(
    tx: &mut Tx,
    project: Option<ProjectId>,
    page: &PageRequest,
) -> Result<Page<ApiKey>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    let values = values![project_column(project), page.above(), page.rows()];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

/// All unrevoked keys with the role `gateway`, for the directory.
pub(crate) async fn list_of_gateways(tx: &mut Tx) -> Result<Vec<ApiKey>, StoreError> {
    let sql = select!("WHERE role = 'gateway' AND revoked_at IS NULL ORDER BY id");
    tx.fetch_all(sql, &[]).await?.iter().map(read).collect()
}

/// Renames a key.
pub async fn rename(
    tx: &mut Tx,
    project: Option<ProjectId>,
    id: ApiKeyId,
    name: &str,
) -> Result<bool, StoreError> {
    let sql = "UPDATE api_keys SET name = $1 WHERE project_id = $2 AND id = $3";
    let renamed = tx
        .execute(sql, values![name, project_column(project), id])
        .await?
        > 0;
    tx.note_change();
    Ok(renamed)
}

/// Revokes a key; `false` if it was already revoked or is unknown.
pub async fn revoke(
    tx: &mut Tx,
    project: Option<ProjectId>,
    id: ApiKeyId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE api_keys SET revoked_at = $1 WHERE project_id = $2 AND id = $3 AND revoked_at IS NULL";
    let revoked = tx.execute(sql, values![now, project_column(project), id]).await? > 0;
    tx.note_change();
    Ok(revoked)
}

/// Lets `successor` replace a key, which stays valid until `ends_at`, or its own expiry if that comes first. `false`, with nothing
/// changed, if it is no longer valid at `now` or already has a successor.
pub async fn rotate(
    tx: &mut Tx,
    project: Option<ProjectId>,
    id: ApiKeyId,
    successor: ApiKeyId,
    ends_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE api_keys SET successor_id = $1, \
               expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END \
               WHERE project_id = $3 AND id = $4 AND successor_id IS NULL AND revoked_at IS NULL \
               AND (expires_at IS NULL OR expires_at > $5)";
    let values = values![successor, ends_at, project_column(project), id, now];
    let rotated = tx.execute(sql, values).await? > 0;
    tx.note_change();
    Ok(rotated)
}

/// The key that this one replaced, if that is still valid at `now`.
pub async fn find_predecessor(
    tx: &mut Tx,
    project: Option<ProjectId>,
    id: ApiKeyId,
    now: Timestamp,
) -> Result<Option<ApiKey>, StoreError> {
    let sql = select!(
        "WHERE project_id = $1 AND successor_id = $2 AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > $3)"
    );
    let row = tx
        .fetch_optional(sql, values![project_column(project), id, now])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Deletes up to `limit` keys that were revoked or had expired by `before`; returns how many. A successor
/// is kept until its predecessor is deleted, so that every successor that a key names exists.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM api_keys WHERE id IN (SELECT ended.id FROM api_keys AS ended \
               WHERE (ended.revoked_at <= $1 OR ended.expires_at <= $1) AND NOT EXISTS \
               (SELECT 1 FROM api_keys AS earlier WHERE earlier.project_id = ended.project_id \
               AND earlier.successor_id = ended.id) LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

/// Records last uses, in a batch: of keys of many projects, which requests have just presented.
pub async fn note_used(tx: &mut Tx, uses: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
    let sql = "UPDATE api_keys SET last_used_at = $1 \
               WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)";
    // In the same order everywhere, so that two replicas never deadlock.
    let mut uses = uses.to_vec();
    uses.sort_unstable();
    for (id, at) in uses {
        tx.execute(sql, values![at, id]).await?;
    }
    Ok(())
}

fn project_column(project: Option<ProjectId>) -> String {
    project.map(|id| id.to_string()).unwrap_or_default()
}

fn read(row: &Row) -> Result<ApiKey, StoreError> {
    let role = row.text("role")?;
    let scope = if role == INSTANCE {
        KeyScope::Instance
    } else {
        KeyScope::Project {
            project_id: row.id("project_id")?,
            role: from_word(&role).ok_or(StoreError::Corrupt { what: "role" })?,
            gateway_id: row.opt_id("gateway_id")?,
        }
    };
    Ok(ApiKey {
        id: row.id("id")?,
        scope,
        name: row.text("name")?,
        hash: row.hash("key_hash")?,
        expires_at: row.opt_time("expires_at")?,
        created_at: row.time("created_at")?,
        last_used_at: row.opt_time("last_used_at")?,
        revoked_at: row.opt_time("revoked_at")?,
        successor_id: row.opt_id("successor_id")?,
    })
}
