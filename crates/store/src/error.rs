//! What can go wrong with the store.

use sqlx::migrate::MigrateError;

use crate::link;

/// A failed store call. Lost races and missing rows are not errors: they are `None` or a typed outcome.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or answered with an error.
    #[error("the database did not answer as it should")]
    Database(#[source] sqlx::Error),
    /// The migrations could not be applied.
    #[error("the database could not be brought up to date")]
    Migration(#[source] MigrateError),
    /// The database has been busy for too long (five seconds): the caller answers 503.
    #[error("the database is busy")]
    Busy,
    /// A unique name or slug is taken.
    #[error("that {field} is already taken")]
    Taken {
        /// The field in the API, like `name` or `slug`.
        field: &'static str,
    },
    /// A row holds something this version does not understand.
    #[error("a stored {what} could not be read")]
    Corrupt {
        /// Which column or entity.
        what: &'static str,
    },
    /// The database accepts no writes, as a standby does not.
    #[error("the database is read-only, as a standby is, and accepts no changes")]
    ReadOnly,
    /// The file of the database is not where it was when it was opened.
    #[error(
        "the database file {path} was {what} while this process ran, so nothing more is saved. Stop the process, put the \
         file back or restore a backup, and start it again"
    )]
    FileGone {
        /// Where it was.
        path: String,
        /// What became of it.
        what: &'static str,
    },
    /// The database was made with another master key, or is of a newer version.
    #[error("{0}")]
    Refused(String),
}

/// Codes of PostgreSQL that mean "not now": serialization failure, deadlock, lock timeout, cancelled by timeout.
const POSTGRES_BUSY: [&str; 4] = ["40001", "40P01", "55P03", "57014"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) if is_busy(database) => Self::Busy,
            Some(_) if link::is_read_only(&error) => Self::ReadOnly,
            _ => Self::Database(error),
        }
    }
}

impl StoreError {
    /// Whether there is no space left where the database lies.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(error) | Self::Migration(MigrateError::Execute(error)) => is_disk_full(error),
            _ => false,
        }
    }

    /// Tells a violated unique constraint by the field it is about; every other error stays what it is.
    pub(crate) fn or_taken(self, field: &'static str) -> Self {
        match &self {
            Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Self::Taken { field }
            }
            _ => self,
        }
    }
}

fn is_disk_full(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        sqlx::Error::Database(error) => {
            let is_postgres = error
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .is_some();
            // SQLITE_FULL is 13; of PostgreSQL it is `disk_full`.
            error.code().is_some_and(|code| {
                if is_postgres {
                    code == "53100"
                } else {
                    code.parse::<i32>().is_ok_and(|code| code & 0xff == 13)
                }
            })
        }
        _ => false,
    }
}

fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    let Some(code) = error.code() else { return false };
    if error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
    {
        return POSTGRES_BUSY.contains(&code.as_ref());
    }
    // The low byte of an SQLite result code is its kind: 5 SQLITE_BUSY, 6 SQLITE_LOCKED.
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Executor as _, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn a_full_database_is_told_from_other_errors() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let setup = "PRAGMA max_page_count = 2; CREATE TABLE t (text TEXT)";
        connection.execute(setup).await.unwrap();
        let insert = "INSERT INTO t VALUES (hex(zeroblob(1000000)))";
        let full: StoreError = connection.execute(insert).await.unwrap_err().into();
        assert!(full.is_disk_full(), "{full:?}");
        let other: StoreError = connection
            .execute("SELECT nothing FROM t")
            .await
            .unwrap_err()
            .into();
        assert!(!other.is_disk_full(), "{other:?}");
    }
}
