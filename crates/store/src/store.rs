//! The store: connections to either engine, and the transactions on them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sqlx::{PgPool, SqlitePool, postgres::PgListener};
use tokio::sync::Mutex;

use crate::{StoreError, Tx, postgres, revision, sqlite};

/// How long a writer waits for its turn: past it, an answer that says "busy" serves the caller better.
pub(crate) const BUSY_AFTER: Duration = Duration::from_secs(5);

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
}

#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Sqlite {
        /// One connection: SQLite has one writer, and a queue before it is fairer than its own polling.
        writer: SqlitePool,
        /// Read-only connections.
        readers: SqlitePool,
    },
    Postgres {
        pool: PgPool,
        /// The connection that listens for changes, once somebody waits for them.
        listener: Arc<Mutex<Option<PgListener>>>,
    },
}

impl Store {
    /// Opens the store; creates the SQLite file (mode 0600) when missing; runs no migration.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let engine = match config {
            StoreConfig::Sqlite { path } => {
                let (writer, readers) = sqlite::open(path).await?;
                Engine::Sqlite { writer, readers }
            }
            StoreConfig::Postgres { url, max_connections } => Engine::Postgres {
                pool: postgres::open(url, *max_connections).await?,
                listener: Arc::default(),
            },
        };
        Ok(Self { engine })
    }

    /// A transaction that may write (`BEGIN IMMEDIATE` on the one writer connection; `Busy` after five seconds).
    pub async fn write(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { writer, .. } => sqlite::begin(writer, "BEGIN IMMEDIATE").await,
            Engine::Postgres { pool, .. } => Ok(pool
                .begin_with("BEGIN ISOLATION LEVEL READ COMMITTED")
                .await?
                .into()),
        }
    }

    /// A transaction that only reads, all of it from one moment.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { readers, .. } => sqlite::begin(readers, "BEGIN DEFERRED").await,
            Engine::Postgres { pool, .. } => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Ok(pool.begin_with(begin).await?.into())
            }
        }
    }

    /// Waits for a change made elsewhere: PostgreSQL `LISTEN`; on SQLite, never returns (the poll finds changes).
    /// It may also return when the connection was lost, because a change may have been missed meanwhile.
    pub async fn changed(&self) -> Result<(), StoreError> {
        let Engine::Postgres { pool, listener } = &self.engine else {
            return std::future::pending().await;
        };
        let mut slot = listener.lock().await;
        if slot.is_none() {
            let mut fresh = PgListener::connect_with(pool).await?;
            fresh.listen(revision::CHANNEL).await?;
            *slot = Some(fresh);
        }
        let listening = slot.as_mut().expect("it was filled a line above");
        let received = listening.try_recv().await;
        if received.is_err() {
            *slot = None;
        }
        received?;
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres { pool, listener } => {
                // A waiter that holds the listener gives it back when the pool closes under it.
                if let Ok(mut slot) = listener.try_lock() {
                    *slot = None;
                }
                pool.close().await;
            }
        }
    }
}
