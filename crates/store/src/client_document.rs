//! Metadata documents of clients that a project knows: those that hold a grant there, or that are listed on one of its
//! gateways. Requests that nobody has signed in for change rows and remove them, and never add one.

use gatewright_domain::{Timestamp, id::ProjectId};

use crate::{StoreError, Tx, row::Row, value::values};

/// Documents kept for one project. A team uses a handful of apps; the least recently used give way.
pub const MAX_PER_PROJECT: u32 = 100;

/// A document as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDocument {
    /// The client id, which is its URL.
    pub url: String,
    /// The text.
    pub document: String,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// Until when its host lets it be kept.
    pub fresh_until: Timestamp,
}

/// Keeps a document for a project, or notes that it is still in use; at most `cap` of a project, mostly
/// [`MAX_PER_PROJECT`]. An older document never takes the place of a newer one.
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

/// Writes what was fetched now to every project that knows the client; `false` where none does.
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

/// Forgets the document of a client in every project, because its host has taken it back.
pub async fn forget(tx: &mut Tx, url: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM client_documents WHERE url = $1";
    tx.execute(sql, values![url]).await?;
    Ok(())
}

/// Forgets those that were last used before a moment, at most `limit`; how many.
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
