//! Project secrets, sealed. Each value is sealed under the context `secrets/value/<id>`.

use gatewright_domain::{
    id::{ProjectId, SecretId},
    stored_secret::StoredSecret,
};

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_json},
    tx::Lock,
    value::values,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, name, value, origins, created_at, updated_at FROM secrets ",
            $rest
        )
    };
}

/// Adds a secret; `Taken { field: "name" }`.
pub async fn insert(tx: &mut Tx, secret: &StoredSecret) -> Result<(), StoreError> {
    let sql = "INSERT INTO secrets (id, project_id, name, name_key, value, origins, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (project_id, name_key) DO NOTHING";
    let values = values![
        secret.id,
        secret.project_id,
        &secret.name,
        secret.name.to_lowercase(),
        &secret.value,
        to_json(&secret.origins),
        secret.created_at,
        secret.updated_at,
    ];
    if tx.execute(sql, values).await? == 0 {
        return Err(StoreError::Taken { field: "name" });
    }
    tx.note_change();
    Ok(())
}

/// Finds a secret by project and ID.
pub async fn find(tx: &mut Tx, project: ProjectId, id: SecretId) -> Result<Option<StoredSecret>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// All secrets of a project, oldest first.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<StoredSecret>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = tx
        .fetch_all(sql, values![project, page.above(), page.rows()])
        .await?;
    page.page(rows, read)
}

/// The secrets of all projects, for the directory.
pub(crate) async fn list_all(tx: &mut Tx) -> Result<Vec<StoredSecret>, StoreError> {
    let rows = tx.fetch_all(select!("ORDER BY id"), &[]).await?;
    rows.iter().map(read).collect()
}

/// Finds a secret by project and ID, locked until the end of the transaction: `keys rotate` leaves its value alone until then.
pub async fn find_and_hold(
    tx: &mut Tx,
    project: ProjectId,
    id: SecretId,
) -> Result<Option<StoredSecret>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.lock_optional(sql, Lock::Update, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// Replaces value and origins if neither an edit nor `keys rotate` has changed it since it was `seen`.
pub async fn update(tx: &mut Tx, secret: &StoredSecret, seen: &StoredSecret) -> Result<bool, StoreError> {
    let sql = "UPDATE secrets SET value = $1, origins = $2, updated_at = $3 \
               WHERE project_id = $4 AND id = $5 AND updated_at = $6 AND value = $7";
    let values = values![
        &secret.value,
        to_json(&secret.origins),
        secret.updated_at,
        secret.project_id,
        secret.id,
        seen.updated_at,
        &seen.value,
    ];
    let updated = tx.execute(sql, values).await? > 0;
    tx.note_change();
    Ok(updated)
}

/// Deletes it. The caller has checked, in this transaction, that no server's headers name it.
pub async fn delete(tx: &mut Tx, project: ProjectId, id: SecretId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM secrets WHERE project_id = $1 AND id = $2";
    let deleted = tx.execute(sql, values![project, id]).await? > 0;
    tx.note_change();
    Ok(deleted)
}

fn read(row: &Row) -> Result<StoredSecret, StoreError> {
    Ok(StoredSecret {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        name: row.text("name")?,
        value: row.sealed("value")?,
        origins: row.json("origins")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
