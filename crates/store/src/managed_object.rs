//! Which objects of a project files declare: projects, User Sources, servers and gateways.

use gatewright_domain::{Timestamp, id::ProjectId};

use crate::{Page, PageRequest, StoreError, Tx, row::Row, value::values};

/// An object that a file declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// Its ID, with its prefix.
    pub object_id: String,
    /// What the file calls it.
    pub name: String,
    /// The file.
    pub file: String,
    /// When the file first declared it, or last changed it.
    pub applied_at: Timestamp,
    /// When the object was last changed at that moment. It has been changed since if this differs from now.
    pub object_updated_at: Timestamp,
}

/// What is known of one object.
pub async fn find(tx: &mut Tx, project: ProjectId, object_id: &str) -> Result<Option<Managed>, StoreError> {
    let sql = "SELECT object_id, name, file, applied_at, object_updated_at FROM managed_objects \
               WHERE project_id = $1 AND object_id = $2";
    let row = tx.fetch_optional(sql, values![project, object_id]).await?;
    row.as_ref().map(read).transpose()
}

/// Those of a project, by ID.
pub async fn list(tx: &mut Tx, project: ProjectId, page: &PageRequest) -> Result<Page<Managed>, StoreError> {
    let sql = "SELECT object_id AS id, object_id, name, file, applied_at, object_updated_at FROM managed_objects \
               WHERE project_id = $1 AND object_id > $2 ORDER BY object_id LIMIT $3";
    let rows = tx
        .fetch_all(sql, values![project, page.above(), page.rows()])
        .await?;
    page.page(rows, read)
}

/// Replaces all of a project.
pub async fn replace(tx: &mut Tx, project: ProjectId, all: &[Managed]) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM managed_objects WHERE project_id = $1",
        values![project],
    )
    .await?;
    let sql = "INSERT INTO managed_objects (project_id, object_id, name, file, applied_at, object_updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    for managed in all {
        let values = values![
            project,
            &managed.object_id,
            &managed.name,
            &managed.file,
            managed.applied_at,
            managed.object_updated_at,
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<Managed, StoreError> {
    Ok(Managed {
        object_id: row.text("object_id")?,
        name: row.text("name")?,
        file: row.text("file")?,
        applied_at: row.time("applied_at")?,
        object_updated_at: row.time("object_updated_at")?,
    })
}
