//! Errors of the store.

use std::sync::Arc;

use rusqlite::ErrorCode;
use sqlx::migrate::MigrateError;

/// A failed store call. Lost races and missing rows are not errors: they are `None` or a typed outcome.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or returned an error.
    #[error("the database failed to respond correctly")]
    Database(#[source] EngineError),
    /// The migrations could not be applied.
    #[error("the database could not be brought up to date")]
    Migration(#[source] MigrateError),
    /// The database has been busy for too long (five seconds): the caller responds with 503.
    #[error("the database is busy")]
    Busy,
    /// A unique name or slug is taken.
    #[error("that {field} is already taken")]
    Taken {
        /// The field in the API, like `name` or `slug`.
        field: &'static str,
    },
    /// A row contains something that this version does not understand.
    #[error("a stored {what} could not be read")]
    Corrupt {
        /// Which column or entity.
        what: &'static str,
    },
    /// A statement names another project than the one its transaction is confined to: a bug.
    #[error("a statement names another project than its transaction is for")]
    OtherProject,
    /// The database is read-only, like a standby.
    #[error("the database is read-only, like a standby, and accepts no changes")]
    ReadOnly,
    /// The database file is no longer where it was when it was opened.
    #[error(
        "the database file {path} was {what} while this process ran, so nothing more is saved. Stop the process, put the \
         file back or restore a backup, and start it again"
    )]
    FileGone {
        /// Where it was.
        path: String,
        /// What happened to it.
        what: &'static str,
    },
    /// The database was created with another master key, or by a newer version.
    #[error("{0}")]
    Refused(String),
}

/// An error of one of the two engines.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// PostgreSQL, or the connection to it.
    #[error(transparent)]
    Postgres(sqlx::Error),
    /// SQLite.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// The database file, or a thread for it.
    #[error(transparent)]
    Io(std::io::Error),
    /// A statement that always returns a row returned none.
    #[error("a row is missing")]
    NoRow,
    /// The store was closed.
    #[error("the database was closed")]
    Closed,
    /// The owner of a transaction sent no statement for too long, so it was rolled back, because others waited.
    #[error("the transaction was rolled back because its next statement came too late")]
    TookTooLong,
    /// SQLite rolled back a transaction itself, as it does when the disk is full.
    #[error("the transaction was rolled back by the database")]
    RolledBack,
    /// The commit that this transaction shared with others failed.
    #[error("the commit failed")]
    Commit(#[source] Arc<StoreError>),
}

/// Codes of PostgreSQL that mean "not now": serialization failure, deadlock, lock timeout, cancelled by timeout.
const POSTGRES_BUSY: [&str; 4] = ["40001", "40P01", "55P03", "57014"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        if code.is_some_and(|code| POSTGRES_BUSY.contains(&code.as_ref())) {
            return Self::Busy;
        }
        if is_read_only(&error) {
            return Self::ReadOnly;
        }
        Self::Database(EngineError::Postgres(error))
    }
}

/// PostgreSQL's code for a write in a read-only transaction.
const POSTGRES_READ_ONLY: &str = "25006";

/// Whether an error says that the session is read-only.
pub(crate) fn is_read_only(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == POSTGRES_READ_ONLY)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Database(EngineError::Sqlite(error)),
        }
    }
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        Self::Database(error)
    }
}

impl StoreError {
    /// Whether the database has no disk space left.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(error) => error.is_disk_full(),
            Self::Migration(MigrateError::Execute(error)) => is_disk_full(error),
            _ => false,
        }
    }

    /// Maps a violated unique constraint to its field; every other error stays unchanged.
    pub(crate) fn or_taken(self, field: &'static str) -> Self {
        let unique = match &self {
            Self::Database(EngineError::Postgres(sqlx::Error::Database(error))) => {
                error.is_unique_violation()
            }
            Self::Database(EngineError::Sqlite(rusqlite::Error::SqliteFailure(error, _))) => {
                SQLITE_UNIQUE.contains(&error.extended_code)
            }
            _ => false,
        };
        if unique { Self::Taken { field } } else { self }
    }
}

/// SQLite's codes for a violated unique constraint: of a primary key, and of any other.
const SQLITE_UNIQUE: [i32; 2] = [
    rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE,
];

impl EngineError {
    fn is_disk_full(&self) -> bool {
        match self {
            Self::Postgres(error) => is_disk_full(error),
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(ErrorCode::DiskFull) || has_no_room_for_index(error)
            }
            Self::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
            Self::Commit(shared) => shared.is_disk_full(),
            Self::NoRow | Self::Closed | Self::TookTooLong | Self::RolledBack => false,
        }
    }
}

/// Whether SQLite found no room for the index of its log (`-shm`), which it creates when it opens a database: it reports
/// this as a disk fault.
fn has_no_room_for_index(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(error, _) if error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// PostgreSQL's code for a full disk.
const POSTGRES_DISK_FULL: &str = "53100";

fn is_disk_full(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == POSTGRES_DISK_FULL),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_database_is_distinguished_from_other_errors() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let setup = "PRAGMA max_page_count = 2; CREATE TABLE t (text TEXT)";
        connection.execute_batch(setup).unwrap();
        let insert = "INSERT INTO t VALUES (hex(zeroblob(1000000)))";
        let full: StoreError = connection.execute(insert, []).unwrap_err().into();
        assert!(full.is_disk_full(), "{full:?}");
        let shared = StoreError::Database(EngineError::Commit(Arc::new(full)));
        assert!(shared.is_disk_full(), "{shared:?}");
        let other: StoreError = connection
            .execute("SELECT nothing FROM t", [])
            .unwrap_err()
            .into();
        assert!(!other.is_disk_full(), "{other:?}");
        for (code, full) in [
            (rusqlite::ffi::SQLITE_IOERR_SHMSIZE, true),
            (rusqlite::ffi::SQLITE_IOERR_READ, false),
        ] {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            assert_eq!(StoreError::from(error).is_disk_full(), full, "{code}");
        }
    }
}
