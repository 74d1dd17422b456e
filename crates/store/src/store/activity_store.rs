//! The store as the activity sees it: a separate file on SQLite, the same database on PostgreSQL.

use super::{Engine, Store};
use crate::{Steps, StoreError, Tx, Urgency, value::values};

/// Where the activity is kept: cheap to clone. Only the statements of [`crate::activity`] find their tables here.
#[derive(Debug, Clone)]
pub struct ActivityStore(pub(crate) Store);

/// Bytes that a row takes in a PostgreSQL table in addition to its own: its place in the page, and its entry in the index.
const ROW_OVERHEAD: i64 = 28;

impl ActivityStore {
    /// Runs a whole transaction that may write: like [`Store::transact`], for a caller that retries automatically.
    pub async fn transact<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        // The only other writer of this file is the one that deletes old rows, in small pieces.
        self.0.transact(Urgency::Person, body).await
    }

    /// Runs a whole read-only transaction: like [`Store::look`].
    pub async fn look<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        self.0.look(body).await
    }

    /// A read-only transaction, a snapshot of one moment: like [`Store::read`].
    #[must_use = "nothing happens before the future is awaited"]
    pub fn read(&self) -> Steps<'_, Tx, StoreError> {
        self.0.read()
    }

    /// Bytes that the rows take. On SQLite these are the pages in use; the file keeps those that became free for later rows. On
    /// PostgreSQL it is the number of rows times the mean size of the newest, because its files only show the free space that
    /// they once needed.
    pub async fn size(&self) -> Result<i64, StoreError> {
        match self.0.engine {
            Engine::Sqlite { .. } => {
                self.look(|tx| {
                    Box::pin(async {
                        let sql = "SELECT (page_count - freelist_count) * page_size AS bytes \
                                   FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
                        tx.fetch_one(sql, &[]).await?.int("bytes")
                    })
                })
                .await
            }
            Engine::Postgres { .. } => {
                self.look(|tx| {
                    Box::pin(async {
                        let sql = "SELECT CAST(COALESCE(AVG(pg_column_size(newest.*)), 0) AS BIGINT) AS bytes \
                                   FROM (SELECT * FROM activity ORDER BY id DESC LIMIT 1000) AS newest";
                        let mean = tx.fetch_one(sql, &[]).await?.int("bytes")?;
                        let sql = "SELECT COALESCE(MAX(id) - MIN(id) + 1, 0) AS count FROM activity";
                        let count = tx.fetch_one(sql, values![]).await?.int("count")?;
                        Ok(count.saturating_mul(mean + ROW_OVERHEAD))
                    })
                })
                .await
            }
        }
    }
}
