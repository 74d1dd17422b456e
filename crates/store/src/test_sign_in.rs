//! Test sign-ins. The result is sealed under the context `test_sign_ins/result/<id>`.

use gatewright_domain::{
    Timestamp,
    id::{ProjectId, TestSignInId, UserSourceId},
    test_sign_in::{TestProgress, TestSignIn},
    token_hash::TokenHash,
};

use crate::{StoreError, Tx, row::Row, value::values};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, user_source_id, started_by, page_hash, status, result, created_at, expires_at \
             FROM test_sign_ins ",
            $rest
        )
    };
}

/// Adds a test unless the project has `limit` unexpired ones; `false` if it has.
pub async fn insert(tx: &mut Tx, test: &TestSignIn, limit: u32) -> Result<bool, StoreError> {
    let (status, result) = columns(&test.progress);
    let sql = "INSERT INTO test_sign_ins (id, project_id, user_source_id, started_by, page_hash, status, result, \
               created_at, expires_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE \
               (SELECT COUNT(*) FROM test_sign_ins WHERE project_id = $2 AND expires_at > $8) < $10";
    let values = values![
        test.id,
        test.project_id,
        test.user_source_id,
        &test.started_by,
        test.page_hash,
        status,
        result,
        test.created_at,
        test.expires_at,
        limit,
    ];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Finds an unexpired test by project, source and ID.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    source: UserSourceId,
    id: TestSignInId,
    now: Timestamp,
) -> Result<Option<TestSignIn>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND user_source_id = $2 AND id = $3 AND expires_at > $4");
    let row = tx.fetch_optional(sql, values![project, source, id, now]).await?;
    row.as_ref().map(read).transpose()
}

/// Finds an unexpired test by the token of its page.
pub async fn find_by_page(
    tx: &mut Tx,
    page: TokenHash,
    now: Timestamp,
) -> Result<Option<TestSignIn>, StoreError> {
    let sql = select!("WHERE page_hash = $1 AND expires_at > $2");
    let row = tx.fetch_optional(sql, values![page, now]).await?;
    row.as_ref().map(read).transpose()
}

/// Records the progress of a test. `false`: it has already succeeded, which is final, or it no longer exists.
pub async fn note(
    tx: &mut Tx,
    project: ProjectId,
    id: TestSignInId,
    progress: &TestProgress,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (status, result) = columns(progress);
    let sql = "UPDATE test_sign_ins SET status = $1, result = $2 WHERE project_id = $3 AND id = $4 AND \
               expires_at > $5 AND status <> 'succeeded'";
    Ok(tx.execute(sql, values![status, result, project, id, now]).await? > 0)
}

/// Deletes expired ones, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM test_sign_ins WHERE id IN \
               (SELECT id FROM test_sign_ins WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![now, limit]).await
}

fn columns(progress: &TestProgress) -> (&'static str, Option<String>) {
    match progress {
        TestProgress::Waiting => ("waiting", None),
        TestProgress::AtProvider => ("at_provider", None),
        TestProgress::Succeeded(result) => ("succeeded", Some(result.0.clone())),
        TestProgress::Failed(result) => ("failed", Some(result.0.clone())),
    }
}

fn read(row: &Row) -> Result<TestSignIn, StoreError> {
    let result = row.opt_sealed("result")?;
    let progress = match (row.text("status")?.as_str(), result) {
        ("waiting", None) => TestProgress::Waiting,
        ("at_provider", None) => TestProgress::AtProvider,
        ("succeeded", Some(result)) => TestProgress::Succeeded(result),
        ("failed", Some(result)) => TestProgress::Failed(result),
        _ => return Err(StoreError::Corrupt { what: "status" }),
    };
    Ok(TestSignIn {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        user_source_id: row.id("user_source_id")?,
        started_by: row.text("started_by")?,
        page_hash: row.hash("page_hash")?,
        progress,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
