//! Opening SQLite: one writer, a few readers, little memory.

use std::{fs::OpenOptions, path::Path};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{StoreError, Tx, store::BUSY_AFTER};

/// Readers at most. They serve the administrators' pages and the first request of a token, never the hot path.
const READERS: u32 = 3;
/// Page cache of a connection in KiB, as a negative number, which is how SQLite takes it. Memory matters more than
/// speed here, and the operating system caches the file as well.
const CACHE_SIZE: &str = "-512";
/// The write-ahead log is cut back to this many bytes after a checkpoint.
const WAL_SIZE_LIMIT: &str = "16777216";

/// The writer and the readers of a database file, which is created (mode 0600) when it is missing.
pub(crate) async fn open(path: &Path) -> Result<(SqlitePool, SqlitePool), StoreError> {
    create(path).map_err(|error| StoreError::Database(sqlx::Error::Io(error)))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_AFTER)
        .pragma("cache_size", CACHE_SIZE)
        // Requests have one log line each, and statements are not among them.
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(BUSY_AFTER)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_usable(connection)));
    let writer = pool
        .clone()
        .max_connections(1)
        .connect_with(
            options
                .clone()
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("journal_size_limit", WAL_SIZE_LIMIT),
        )
        .await?;
    let readers = pool
        .max_connections(READERS)
        .connect_lazy_with(options.read_only(true));
    Ok((writer, readers))
}

/// Whether a connection is out of its transaction, so that the next one can begin. When the disk is full or fails, SQLite
/// itself takes back the transaction; the library's own `ROLLBACK` then finds none, and it takes the connection to be
/// inside one for ever. Such a connection is closed, and the next caller gets a new one.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // The rollback of a transaction that was dropped is waiting its turn; behind it comes this.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Creates the file for its owner alone. SQLite gives its log and index files the mode of the database file.
fn create(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Begins a transaction; waiting for the connection and for another process together take at most [`BUSY_AFTER`].
pub(crate) async fn begin(pool: &SqlitePool, statement: &'static str) -> Result<Tx, StoreError> {
    match tokio::time::timeout(BUSY_AFTER, pool.begin_with(statement)).await {
        Ok(Ok(tx)) => Ok(tx.into()),
        Err(_) | Ok(Err(sqlx::Error::PoolTimedOut)) => Err(StoreError::Busy),
        Ok(Err(error)) => Err(error.into()),
    }
}
