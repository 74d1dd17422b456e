//! One connection to SQLite, used by one thread: how it is opened, and how statements run on it.

use std::{path::Path, sync::Arc};

use rusqlite::{
    Connection, OpenFlags, Statement, types::ToSqlOutput, types::Value as Stored, types::ValueRef,
};

use crate::{StoreError, row::SqliteRow, turn::BUSY_AFTER, value::Value};

/// The write-ahead log is truncated to this many bytes after a checkpoint.
const WAL_SIZE_LIMIT: i64 = 16_777_216;
/// Prepared statements cached per connection: several times those of the hot paths.
const STATEMENTS: usize = 128;

/// What a database file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Everything that must survive a power failure.
    Main,
    /// The activity. A power failure may take what was written since the last checkpoint; the end of the process, however
    /// sudden, takes nothing.
    Activity,
}

impl Contents {
    /// When a commit waits for the disk.
    const fn synchronous(self) -> &'static str {
        match self {
            Self::Main => "FULL",
            Self::Activity => "NORMAL",
        }
    }

    /// Page cache of a connection in KiB, as a negative number, as SQLite expects it. Memory matters more than
    /// speed here, and the operating system caches the file as well. A batch of activity changes more pages at a time.
    const fn cache_size(self, for_what: Use) -> i64 {
        match (self, for_what) {
            (Self::Activity, Use::Writing) => -4_096,
            (Self::Main, _) | (Self::Activity, Use::Reading) => -512,
        }
    }

    /// The maximum number of readers. They serve the administrators' pages and the first request of a token, never the hot
    /// path.
    pub(super) const fn readers(self) -> usize {
        match self {
            Self::Main => 3,
            Self::Activity => 2,
        }
    }
}

/// The role of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The one connection that writes.
    Writing,
    /// A read-only connection.
    Reading,
}

/// Opens the existing database file.
pub(super) fn open(path: &Path, contents: Contents, for_what: Use) -> Result<Connection, rusqlite::Error> {
    let access = match for_what {
        Use::Writing => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Use::Reading => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    // Each connection belongs to one thread, so SQLite does not need its own mutex.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_AFTER)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", contents.cache_size(for_what))?;
    if for_what == Use::Writing {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", contents.synchronous())?;
        connection.pragma_update(None, "journal_size_limit", WAL_SIZE_LIMIT)?;
    }
    Ok(connection)
}

/// Runs a statement; returns how many rows it changed.
pub(crate) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(if statement.readonly() {
        0
    } else {
        connection.changes()
    })
}

/// Runs a statement that returns rows. All of them are read, so that a guarded update always completes.
pub(crate) fn fetch_all(
    connection: &Connection,
    sql: &str,
    values: &[Value],
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.raw_query();
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let values: Result<Box<[Stored]>, _> = (0..columns.len())
            .map(|column| row.get_ref(column).map(stored))
            .collect();
        read.push(SqliteRow {
            columns: Arc::clone(&columns),
            values: values?,
        });
    }
    Ok(read)
}

/// A value of a row. A text that is not UTF-8, which only something else than this program writes, becomes bytes, so that
/// who reads it as a text gets an error.
fn stored(value: ValueRef<'_>) -> Stored {
    match value {
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Stored::Text(text.to_owned()),
            Err(_) => Stored::Blob(bytes.to_owned()),
        },
        ValueRef::Blob(bytes) => Stored::Blob(bytes.to_owned()),
        ValueRef::Null => Stored::Null,
        ValueRef::Integer(number) => Stored::Integer(number),
        ValueRef::Real(number) => Stored::Real(number),
    }
}

/// Binds values to `$1`, `$2`, …, which are names to SQLite: it numbers them by appearance, not by name.
fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), StoreError> {
    for place in 1..=statement.parameter_count() {
        let value = statement
            .parameter_name(place)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok())
            .and_then(|number| values.get(number.checked_sub(1)?))
            .ok_or(rusqlite::Error::InvalidParameterCount(place, values.len()))?;
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Int(number) => number.to_sql(),
            Self::Project(id) => Ok(ToSqlOutput::from(id.to_string())),
        }
    }
}

/// Runs several statements without values.
pub(crate) fn execute_script(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute_batch(sql)?;
    Ok(())
}
