//! The store: connections to either engine, and the transactions on them.

use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::Mutex, time::timeout};

use crate::{StoreError, Tx, file::DatabaseFile, link::Link, postgres, revision, sqlite::Sqlite};

/// How long a writer waits for its turn: past it, an answer that says "busy" serves the caller better.
pub(crate) const BUSY_AFTER: Duration = Duration::from_secs(5);

/// A connection that listens is replaced after hearing nothing for so long.
const LISTENED_FOR: Duration = Duration::from_mins(1);

/// The steps of a transaction that runs as a whole.
pub type Steps<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// Who waits for a transaction. When there is more to do than the database can, people go first, and programs are told
/// early to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person, in front of a browser.
    Person,
    /// A program that tries again by itself, such as a client that refreshes its token.
    Program,
}

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
    /// Transactions that wait for a connection of PostgreSQL.
    waiting: Arc<AtomicU32>,
}

#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Sqlite {
        sqlite: Sqlite,
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
                let sqlite = Sqlite::open(path).await?;
                let file = sqlite.file().clone();
                Engine::Sqlite { sqlite, file }
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

    /// A transaction that may write (`BEGIN IMMEDIATE` on the one writer connection of SQLite, which it keeps until it ends; `Busy` after five seconds).
    pub async fn write(&self) -> Result<Tx, StoreError> {
        self.write_for(Urgency::Person).await
    }

    /// The same for whoever waits: work beside requests, which comes back by itself, stands in the line of programs.
    pub async fn write_for(&self, urgency: Urgency) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { sqlite, file } => {
                file.check()?;
                sqlite.write(urgency).await
            }
            Engine::Postgres { pool, link, .. } => {
                let _waiting = Waiting::begin(&self.waiting);
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
                // Boxed because every caller would carry the room for it, on SQLite too.
                let tx = Box::pin(link.bounded(pool.begin_with(begin))).await?;
                Ok(Tx::on_postgres(tx, link.clone()))
            }
        }
    }

    /// A transaction that only reads, all of it from one moment.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { sqlite, file } => {
                // What is read of a file that is gone is never again what anyone else sees.
                file.check()?;
                sqlite.read().await
            }
            Engine::Postgres { pool, link, .. } => {
                let _waiting = Waiting::begin(&self.waiting);
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                // Boxed because every caller would carry the room for it, on SQLite too.
                let tx = Box::pin(link.bounded(pool.begin_with(begin))).await?;
                Ok(Tx::on_postgres(tx, link.clone()))
            }
        }
    }

    /// Runs a transaction that may write, as a whole: committed when `body` returns `Ok`, undone when it returns `Err`.
    ///
    /// On SQLite it crosses to the thread of the writer once, not with every statement, and shares its commit with others
    /// that wait at the same time; nobody hears of it before that commit is durable. So `body` must wait for nothing but
    /// the statements of its transaction: everyone who writes waits for it. It runs to its end even when the caller
    /// stops waiting. `Busy` when it could not begin within five seconds, or at once where the line is too long for its
    /// urgency.
    pub async fn transact<T, E, F>(&self, urgency: Urgency, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        if let Engine::Sqlite { sqlite, file } = &self.engine {
            file.check()?;
            return sqlite.transact(urgency, body).await;
        }
        let mut tx = self.write().await?;
        let value = body(&mut tx).await?;
        tx.commit().await?;
        Ok(value)
    }

    /// Runs a transaction that only reads, all of it from one moment, as a whole: like [`Store::transact`].
    pub async fn look<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        if let Engine::Sqlite { sqlite, file } = &self.engine {
            file.check()?;
            return sqlite.look(body).await;
        }
        let mut tx = self.read().await?;
        body(&mut tx).await
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
        match &self.engine {
            Engine::Sqlite { sqlite, .. } => sqlite.connections(),
            Engine::Postgres { pool, .. } => {
                let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
                Connections {
                    in_use: pool.size().saturating_sub(idle),
                    idle,
                    waiting: self.waiting.load(Ordering::Relaxed),
                }
            }
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { sqlite, .. } => sqlite.close().await,
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
