//! The store: connections to either engine, and the transactions on them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, SqlitePool, postgres::PgListener};
use tokio::{sync::Mutex, time::timeout};

use crate::{StoreError, Tx, file::DatabaseFile, link::Link, postgres, revision, sqlite};

/// How long a writer waits for its turn: past it, an answer that says "busy" serves the caller better.
pub(crate) const BUSY_AFTER: Duration = Duration::from_secs(5);

/// A connection that listens is replaced after hearing nothing for so long.
const LISTENED_FOR: Duration = Duration::from_mins(1);

/// Where the data lies.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A SQLite file, created when missing; WAL, `synchronous=FULL`.
    Sqlite {
        /// The database file.
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: gatewright_domain::secret::Secret,
        /// Connections at most; at least two are used, because one listens for changes.
        max_connections: u32,
    },
}

/// The store: cheap to clone, one per process.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) engine: Engine,
    /// Transactions that wait for a connection.
    waiting: Arc<AtomicU32>,
}

#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Sqlite {
        /// One connection: SQLite has one writer, and a queue before it is fairer than its own polling.
        writer: SqlitePool,
        /// Read-only connections.
        readers: SqlitePool,
        /// Where the data must stay.
        file: DatabaseFile,
    },
    Postgres {
        pool: PgPool,
        link: Link,
        /// The connection that listens for changes, once somebody waits for them.
        listener: Arc<Mutex<Option<PgListener>>>,
    },
}

/// How the connections of a store are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Connections that are in a transaction.
    pub in_use: u32,
    /// Connections that wait for one.
    pub idle: u32,
    /// Transactions that wait for a connection, or for their turn to write.
    pub waiting: u32,
}

/// Counts a transaction that waits.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Store {
    /// Opens the store; creates the SQLite file (mode 0600) when missing; runs no migration.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let engine = match config {
            StoreConfig::Sqlite { path } => {
                let (writer, readers) = sqlite::open(path).await?;
                let file = DatabaseFile::at(path.clone()).map_err(sqlx::Error::Io)?;
                Engine::Sqlite {
                    writer,
                    readers,
                    file,
                }
            }
            StoreConfig::Postgres { url, max_connections } => {
                let link = Link::new();
                Engine::Postgres {
                    pool: postgres::open(url, *max_connections, &link).await?,
                    link,
                    listener: Arc::default(),
                }
            }
        };
        Ok(Self {
            engine,
            waiting: Arc::default(),
        })
    }

    /// A transaction that may write (`BEGIN IMMEDIATE` on the one writer connection; `Busy` after five seconds).
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let _waiting = Waiting::begin(&self.waiting);
        match &self.engine {
            Engine::Sqlite { writer, file, .. } => {
                file.check()?;
                sqlite::begin(writer, "BEGIN IMMEDIATE").await
            }
            Engine::Postgres { pool, link, .. } => {
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
                let tx = link.bounded(pool.begin_with(begin)).await?;
                Ok(Tx::on_postgres(tx, link.clone()))
            }
        }
    }

    /// A transaction that only reads, all of it from one moment.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let _waiting = Waiting::begin(&self.waiting);
        match &self.engine {
            Engine::Sqlite { readers, file, .. } => {
                // What is read of a file that is gone is never again what anyone else sees.
                file.check()?;
                sqlite::begin(readers, "BEGIN DEFERRED").await
            }
            Engine::Postgres { pool, link, .. } => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let tx = link.bounded(pool.begin_with(begin)).await?;
                Ok(Tx::on_postgres(tx, link.clone()))
            }
        }
    }

    /// Waits for a change made elsewhere: PostgreSQL `LISTEN`; on SQLite, never returns (the poll finds changes).
    /// It may also return when the connection was lost, because a change may have been missed meanwhile.
    pub async fn changed(&self) -> Result<(), StoreError> {
        let Engine::Postgres { pool, listener, .. } = &self.engine else {
            return std::future::pending().await;
        };
        let mut slot = listener.lock().await;
        if slot.is_none() {
            let mut fresh = PgListener::connect_with(pool).await?;
            fresh.listen(revision::CHANNEL).await?;
            *slot = Some(fresh);
        }
        let listening = slot.as_mut().expect("it was filled a line above");
        match timeout(LISTENED_FOR, listening.try_recv()).await {
            Ok(received) => {
                if received.is_err() {
                    *slot = None;
                }
                received?;
            }
            // Nothing tells a quiet server from one that has gone silent, so the connection is made anew.
            Err(_) => *slot = None,
        }
        Ok(())
    }

    /// How the connections are used.
    pub fn connections(&self) -> Connections {
        let (size, idle) = match &self.engine {
            Engine::Sqlite { writer, readers, .. } => (
                writer.size() + readers.size(),
                writer.num_idle() + readers.num_idle(),
            ),
            Engine::Postgres { pool, .. } => (pool.size(), pool.num_idle()),
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        Connections {
            in_use: size.saturating_sub(idle),
            idle,
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres { pool, listener, .. } => {
                // A waiter that holds the listener gives it back when the pool closes under it.
                if let Ok(mut slot) = listener.try_lock() {
                    *slot = None;
                }
                pool.close().await;
            }
        }
    }
}
