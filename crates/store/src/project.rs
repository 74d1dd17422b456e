//! Projects.

use gatewright_domain::{
    Timestamp,
    id::{AccountId, ProjectId},
    project::Project,
};

use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::Row,
    sign_in_attempt, sign_in_count,
    tx::Lock,
    value::{Value, places, values},
};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, name, created_at, updated_at FROM projects ", $rest)
    };
}

/// Adds a project; `Taken { field: "name" }`.
pub async fn insert(tx: &mut Tx, project: &Project) -> Result<(), StoreError> {
    let sql = "INSERT INTO projects (id, name, name_key, created_at, updated_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (name_key) DO NOTHING";
    let values = values![
        project.id,
        &project.name,
        project.name.to_lowercase(),
        project.created_at,
        project.updated_at,
    ];
    match tx.execute(sql, values).await? {
        0 => Err(StoreError::Taken { field: "name" }),
        _ => Ok(()),
    }
}

/// Finds a project by ID.
pub async fn find(tx: &mut Tx, id: ProjectId) -> Result<Option<Project>, StoreError> {
    let row = tx.fetch_optional(select!("WHERE id = $1"), values![id]).await?;
    row.as_ref().map(read).transpose()
}

/// All projects, oldest first.
pub async fn list(tx: &mut Tx, page: &PageRequest) -> Result<Page<Project>, StoreError> {
    let sql = select!("WHERE id > $1 ORDER BY id LIMIT $2");
    let rows = tx.fetch_all(sql, values![page.above(), page.rows()]).await?;
    page.page(rows, read)
}

/// Those of some projects that exist.
pub async fn existing(tx: &mut Tx, projects: &[ProjectId]) -> Result<Vec<ProjectId>, StoreError> {
    if projects.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT id FROM projects WHERE id IN ({})", places(1, projects));
    let values: Vec<Value> = projects.iter().map(|id| Value::from(*id)).collect();
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    rows.iter().map(|row| row.id("id")).collect()
}

/// Whether there is more than one.
pub async fn are_several(tx: &mut Tx) -> Result<bool, StoreError> {
    let rows = tx.fetch_all("SELECT id FROM projects LIMIT 2", &[]).await?;
    Ok(rows.len() > 1)
}

/// The projects that an account is a member of, oldest first.
pub async fn list_of_account(
    tx: &mut Tx,
    account: AccountId,
    page: &PageRequest,
) -> Result<Page<Project>, StoreError> {
    let sql = select!(
        "WHERE id > $1 AND id IN (SELECT project_id FROM members WHERE account_id = $2) ORDER BY id LIMIT $3"
    );
    let rows = tx
        .fetch_all(sql, values![page.above(), account, page.rows()])
        .await?;
    page.page(rows, read)
}

/// Replaces the row if `updated_at` is still `seen`; `false` if it was changed in the meantime or deleted.
pub async fn update(tx: &mut Tx, project: &Project, seen: Timestamp) -> Result<bool, StoreError> {
    let sql =
        "UPDATE projects SET name = $1, name_key = $2, updated_at = $3 WHERE id = $4 AND updated_at = $5";
    let values = values![
        &project.name,
        project.name.to_lowercase(),
        project.updated_at,
        project.id,
        seen,
    ];
    let updated = tx
        .execute(sql, values)
        .await
        .map_err(|error| error.or_taken("name"))?;
    Ok(updated > 0)
}

/// Deletes it with everything inside (audit events are kept; used slugs stay reserved).
pub async fn delete(tx: &mut Tx, id: ProjectId) -> Result<bool, StoreError> {
    if tx
        .lock_optional("SELECT id FROM projects WHERE id = $1", Lock::Update, values![id])
        .await?
        .is_none()
    {
        return Ok(false);
    }
    sign_in_attempt::forget_of_project(tx, id).await?;
    sign_in_count::forget_of_project(tx, id).await?;
    // In the order in which they refer to each other; codes, grants and tokens are deleted with their gateway or user.
    for sql in [
        "DELETE FROM gateways WHERE project_id = $1",
        "DELETE FROM servers WHERE project_id = $1",
        "DELETE FROM users WHERE project_id = $1",
        "DELETE FROM user_sources WHERE project_id = $1",
        "DELETE FROM secrets WHERE project_id = $1",
        "DELETE FROM api_keys WHERE project_id = $1",
        "DELETE FROM invitations WHERE project_id = $1",
        "DELETE FROM members WHERE project_id = $1",
        "DELETE FROM projects WHERE id = $1",
    ] {
        tx.execute(sql, values![id]).await?;
    }
    tx.note_change();
    Ok(true)
}

fn read(row: &Row) -> Result<Project, StoreError> {
    Ok(Project {
        id: row.id("id")?,
        name: row.text("name")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
