//! What can go wrong with the store.

/// A failed store call. Lost races and missing rows are not errors: they are `None` or a typed outcome.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or answered with an error.
    #[error("the database did not answer as it should")]
    Database(#[source] sqlx::Error),
    /// The migrations could not be applied.
    #[error("the database could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
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
            _ => Self::Database(error),
        }
    }
}

impl StoreError {
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
