//! Metadata documents of clients that a project knows: those that hold a grant there, or that are listed on one of its
//! gateways. Requests without a completed sign-in change and remove rows, and never add one.

use gatewright_domain::{Timestamp, id::ProjectId};

use crate::{StoreError, Tx, row::Row, value::values};

/// The number of documents stored for one project. A team uses a handful of apps; the least recently used are removed.
pub const MAX_PER_PROJECT: u32 = 100;

/// A document as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDocument {
    /// The client ID, which is its URL.
    pub url: String,
    /// The text.
    pub document: String,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// Until when its host allows it to be cached.
    pub fresh_until: Timestamp,
}

/// Stores a document for a project, or records that it is still in use; at most `cap` per project, usually
/// [`MAX_PER_PROJECT`]. An older document never replaces a newer one.
pub async fn keep(
    tx: &mut Tx,
    project: ProjectId,
    document: &ClientDocument,
    cap: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO client_documents (project_id, url, document, fetched_at, fresh_until, used_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, url) DO UPDATE SET used_at = $6";
    let values = values![
        project,
        &document.url,
        &document.document,
        document.fetched_at,
        document.fresh_until,
        now,
    ];
    tx.execute(sql, values).await?;
    renew(tx, document).await?;
    let sql = "DELETE FROM client_documents WHERE project_id = $1 AND url NOT IN \
               (SELECT url FROM client_documents WHERE project_id = $1 ORDER BY used_at DESC, url LIMIT $2)";
    tx.execute(sql, values![project, cap]).await?;
    Ok(())
}

/// Writes a newly fetched document to every project that knows the client; `false` if none does.
pub async fn renew(tx: &mut Tx, document: &ClientDocument) -> Result<bool, StoreError> {
    let sql = "UPDATE client_documents SET document = $1, fetched_at = $2, fresh_until = $3 \
               WHERE url = $4 AND fetched_at < $2";
    let values = values![
        &document.document,
        document.fetched_at,
        document.fresh_until,
        &document.url,
    ];
    Ok(tx.execute(sql, values).await? > 0)
}

/// The document of a client that a project knows.
pub async fn find(tx: &mut Tx, project: ProjectId, url: &str) -> Result<Option<ClientDocument>, StoreError> {
    let sql = "SELECT url, document, fetched_at, fresh_until FROM client_documents WHERE project_id = $1 AND url = $2";
    let row = tx.fetch_optional(sql, values![project, url]).await?;
    row.as_ref().map(read).transpose()
}

/// Deletes the document of a client in every project, because its host has withdrawn it.
pub async fn forget(tx: &mut Tx, url: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM client_documents WHERE url = $1";
    tx.execute(sql, values![url]).await?;
    Ok(())
}

/// Deletes those last used before a moment, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM client_documents WHERE used_at < $1 AND url IN \
               (SELECT url FROM client_documents WHERE used_at < $1 ORDER BY used_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

fn read(row: &Row) -> Result<ClientDocument, StoreError> {
    Ok(ClientDocument {
        url: row.text("url")?,
        document: row.text("document")?,
        fetched_at: row.time("fetched_at")?,
        fresh_until: row.time("fresh_until")?,
    })
}
