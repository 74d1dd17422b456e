//! The store: connections to either engine, and the transactions on them.

mod activity_store;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    Connections, Steps, StoreError, Tx, Urgency,
    file::DatabaseFile,
    link::Link,
    postgres, revision,
    sqlite::{Contents, Sqlite},
};

pub use activity_store::ActivityStore;

/// A listening connection is replaced after this long without a message.
const LISTENED_FOR: Duration = Duration::from_mins(1);

/// The place of the data.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A SQLite file, created if missing; WAL, `synchronous=FULL`.
    Sqlite {
        /// The database file. The activity is in a file beside it, [`StoreConfig::activity_file`].
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: gatewright_domain::secret::Secret,
        /// The maximum number of connections; at least two are used, because one listens for changes.
        max_connections: u32,
    },
}

impl StoreConfig {
    /// The file of the activity on SQLite: `gatewright.activity.db` beside `gatewright.db`.
    pub fn activity_file(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite { path } => Some(path.with_extension("activity.db")),
            Self::Postgres { .. } => None,
        }
    }
}

/// The store: cheap to clone, one per process.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) engine: Engine,
    /// The file of the activity on SQLite; nothing on PostgreSQL.
    activity: Option<Engine>,
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
        /// The connection that listens for changes, once there is a waiter.
        listener: Arc<Mutex<Option<PgListener>>>,
    },
}

impl Engine {
    async fn of_file(path: &Path, contents: Contents) -> Result<Self, StoreError> {
        let sqlite = Sqlite::open(path, contents).await?;
        let file = sqlite.file().clone();
        Ok(Self::Sqlite { sqlite, file })
    }
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It only reads.
    Read,
    /// It may write.
    Write,
}

/// Lifts the limits of a session for one transaction. Locks keep theirs.
const PATIENT_TRANSACTION: [&str; 2] = [
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
];

/// Counts a waiting transaction.
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
    /// Opens the store; creates the SQLite file (mode 0600) if missing; runs no migrations.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let engine = match config {
            StoreConfig::Sqlite { path } => Engine::of_file(path, Contents::Main).await?,
            StoreConfig::Postgres { url, max_connections } => {
                let link = Link::new();
                Engine::Postgres {
                    pool: postgres::open(url, *max_connections, &link).await?,
                    link,
                    listener: Arc::default(),
                }
            }
        };
        let activity = match config.activity_file() {
            Some(path) => Some(Engine::of_file(&path, Contents::Activity).await?),
            None => None,
        };
        Ok(Self {
            engine,
            activity,
            waiting: Arc::default(),
        })
    }

    /// Where the activity is kept. On SQLite its transactions do not wait for those of this store, nor the other way round.
    pub fn activity(&self) -> ActivityStore {
        ActivityStore(Self {
            engine: self.activity.as_ref().unwrap_or(&self.engine).clone(),
            activity: None,
            waiting: Arc::clone(&self.waiting),
        })
    }

    /// A transaction that may write (`BEGIN IMMEDIATE` on the one writer connection of SQLite, which it keeps until it
    /// ends; `Busy` after five seconds).
    #[must_use = "nothing happens before the future is awaited"]
    pub fn write(&self) -> Steps<'_, Tx, StoreError> {
        self.write_for(Urgency::Person)
    }

    /// The same with an urgency: background work, which retries automatically, waits in the queue of programs.
    #[must_use = "nothing happens before the future is awaited"]
    pub fn write_for(&self, urgency: Urgency) -> Steps<'_, Tx, StoreError> {
        Box::pin(async move {
            match &self.engine {
                Engine::Sqlite { sqlite, file } => {
                    file.check()?;
                    sqlite.write(urgency).await.map(Tx::of_session)
                }
                Engine::Postgres { pool, link, .. } => {
                    let _waiting = Waiting::begin(&self.waiting);
                    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
                    let tx = link.bounded(pool.begin_with(begin)).await?;
                    Ok(Tx::on_postgres(tx, link.clone()))
                }
            }
        })
    }

    /// A read-only transaction, a snapshot of one moment.
    #[must_use = "nothing happens before the future is awaited"]
    pub fn read(&self) -> Steps<'_, Tx, StoreError> {
        Box::pin(async move {
            match &self.engine {
                Engine::Sqlite { sqlite, file } => {
                    // Others will never see what is read from a deleted file.
                    file.check()?;
                    sqlite.read().await.map(Tx::of_session)
                }
                Engine::Postgres { pool, link, .. } => {
                    let _waiting = Waiting::begin(&self.waiting);
                    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                    let tx = link.bounded(pool.begin_with(begin)).await?;
                    Ok(Tx::on_postgres(tx, link.clone()))
                }
            }
        })
    }

    /// A transaction that copies a whole database: a snapshot of one moment if it only reads, and one whose owner may be idle
    /// for long and whose statements may take long.
    pub(crate) async fn patient(&self, access: Access) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { sqlite, file } => {
                file.check()?;
                let session = match access {
                    Access::Read => sqlite.read_patiently().await,
                    Access::Write => sqlite.write_patiently().await,
                };
                session.map(Tx::of_session)
            }
            Engine::Postgres { pool, link, .. } => {
                let begin = match access {
                    Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                    Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
                };
                let tx = link.bounded(pool.begin_with(begin)).await?;
                let mut tx = Tx::on_postgres(tx, link.patient());
                for setting in PATIENT_TRANSACTION {
                    tx.execute(setting, &[]).await?;
                }
                Ok(tx)
            }
        }
    }

    /// The engine of the activity, if it is in a separate file.
    pub(crate) fn separate_activity(&self) -> Option<Self> {
        self.activity.is_some().then(|| self.activity().0)
    }

    /// Runs a whole transaction that may write: committed if `body` returns `Ok`, undone if it returns `Err`.
    ///
    /// On SQLite it crosses to the writer's thread once, not with every statement, and shares its commit with others
    /// that wait at the same time; no caller gets a result before that commit is durable. So `body` must wait only for
    /// the statements of its transaction: every other writer waits for it. It runs to completion even if the caller
    /// stops waiting. `Busy` if it could not begin within five seconds, or immediately if the queue is too long for its
    /// urgency.
    pub async fn transact<T, E, F>(&self, urgency: Urgency, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        if let Engine::Sqlite { sqlite, file } = &self.engine {
            file.check()?;
            return sqlite
                .transact(urgency, move |connection, runtime| {
                    Tx::run_whole(connection, runtime, body)
                })
                .await;
        }
        let mut tx = self.write().await?;
        let value = body(&mut tx).await?;
        tx.commit().await?;
        Ok(value)
    }

    /// Runs a whole read-only transaction, a snapshot of one moment: like [`Store::transact`].
    pub async fn look<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        if let Engine::Sqlite { sqlite, file } = &self.engine {
            file.check()?;
            return sqlite
                .look(move |connection, runtime| Tx::run_whole(connection, runtime, body))
                .await;
        }
        let mut tx = self.read().await?;
        body(&mut tx).await
    }

    /// Waits for a change made by another process: PostgreSQL `LISTEN`; on SQLite, never returns (the poll finds changes).
    /// It may also return when the connection was lost, because it may have missed a change.
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
            // A quiet server looks the same as a silent one, so the connection is replaced.
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
        if let Some(Engine::Sqlite { sqlite, .. }) = &self.activity {
            sqlite.close().await;
        }
        match &self.engine {
            Engine::Sqlite { sqlite, .. } => sqlite.close().await,
            Engine::Postgres { pool, listener, .. } => {
                // A waiter that holds the listener returns it when the pool closes.
                if let Ok(mut slot) = listener.try_lock() {
                    *slot = None;
                }
                pool.close().await;
            }
        }
    }
}
