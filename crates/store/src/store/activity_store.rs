//! The store as the activity sees it: a separate file on SQLite, the same database on PostgreSQL.

use std::sync::LazyLock;

use super::{Engine, Store};
use crate::{Steps, StoreError, Tx, Urgency};

/// Where the activity is kept: cheap to clone. Only the statements of [`crate::activity`] find their tables here.
#[derive(Debug, Clone)]
pub struct ActivityStore(pub(crate) Store);

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

    /// Bytes that the rows of requests take: their number times the mean size of the newest. Files are no measure of it: they
    /// contain counts and recorded arguments too, and keep the free space that they once needed.
    pub async fn size(&self) -> Result<i64, StoreError> {
        let mean: &'static str = match self.0.engine {
            Engine::Sqlite { .. } => &SQLITE,
            Engine::Postgres { .. } => POSTGRES,
        };
        self.look(move |tx| {
            Box::pin(async move {
                let mean = tx.fetch_one(mean, &[]).await?.int("bytes")?;
                let sql = "SELECT COALESCE(MAX(id) - MIN(id) + 1, 0) AS count FROM activity";
                let count = tx.fetch_one(sql, &[]).await?.int("count")?;
                Ok(count.saturating_mul(mean))
            })
        })
        .await
    }

    /// Bytes that recorded arguments take.
    pub async fn size_of_arguments(&self) -> Result<i64, StoreError> {
        self.look(|tx| Box::pin(crate::activity::size_of_arguments(tx)))
            .await
    }
}

/// The mean size of the newest rows on PostgreSQL, with 28 bytes for the place in the page and the entry in the index.
const POSTGRES: &str = "SELECT CAST(COALESCE(AVG(pg_column_size(newest.*)), 0) AS BIGINT) + 28 AS bytes \
                        FROM (SELECT * FROM activity ORDER BY id DESC LIMIT 1000) AS newest";

/// Columns of a row that hold numbers.
const NUMBERS: [&str; 16] = [
    "at",
    "project",
    "gateway",
    "person",
    "client",
    "server",
    "kind",
    "item",
    "outcome",
    "rule",
    "duration_us",
    "upstream_us",
    "bytes_in",
    "bytes_out",
    "request",
    "session",
];

/// The mean size of the newest rows on SQLite, which has no function for it: the numbers of its record format
/// (<https://www.sqlite.org/fileformat2.html#record_format>), and 26 bytes for the header, the row number and the place in the page.
static SQLITE: LazyLock<String> = LazyLock::new(|| {
    let number = |column: &&str| {
        format!(
            "CASE WHEN {column} IS NULL OR {column} IN (0, 1) THEN 0 WHEN {column} BETWEEN -128 AND 127 THEN 1 \
             WHEN {column} BETWEEN -32768 AND 32767 THEN 2 WHEN {column} BETWEEN -8388608 AND 8388607 THEN 3 \
             WHEN {column} BETWEEN -2147483648 AND 2147483647 THEN 4 \
             WHEN {column} BETWEEN -140737488355328 AND 140737488355327 THEN 6 ELSE 8 END"
        )
    };
    let numbers: Vec<_> = NUMBERS.iter().map(number).collect();
    format!(
        "SELECT CAST(COALESCE(AVG({} + COALESCE(LENGTH(trace_id), 0)), 0) AS INTEGER) + 26 AS bytes \
         FROM (SELECT * FROM activity ORDER BY id DESC LIMIT 1000)",
        numbers.join(" + ")
    )
});
