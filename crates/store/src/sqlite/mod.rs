//! SQLite: one writer, a few readers, little memory. Each connection runs on its own thread.

mod connection;
mod queue;
mod whole;
mod worker;

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc as steps,
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use sqlx::SqlStr;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use self::{
    connection::Use,
    queue::Waiting,
    worker::{Job, SESSION_IDLE_MAX, Session, Sql, Step, Worker},
};
use crate::{
    Connections, StoreError, Urgency, error::EngineError, file::DatabaseFile, row::Row, turn::BUSY_AFTER,
    value::Value,
};

pub(crate) use self::{
    connection::{Contents, execute, execute_script, fetch_all},
    whole::Returned,
};

/// The connections of a database file.
#[derive(Debug, Clone)]
pub(crate) struct Sqlite {
    writer: Queue,
    readers: Queue,
    contents: Contents,
    file: DatabaseFile,
}

impl Sqlite {
    /// Opens a file, which is created (mode 0600) if it is missing.
    pub(crate) async fn open(path: &Path, contents: Contents) -> Result<Self, StoreError> {
        create(path).map_err(EngineError::Io)?;
        let file = DatabaseFile::at(path.to_owned()).map_err(EngineError::Io)?;
        let sqlite = Self {
            writer: Queue::new(path, &file, contents, Use::Writing)?,
            readers: Queue::new(path, &file, contents, Use::Reading)?,
            contents,
            file,
        };
        // Readers need the mode that the writer sets.
        drop(sqlite.write(Urgency::Person).await?);
        Ok(sqlite)
    }

    /// Where the data must stay.
    pub(crate) fn file(&self) -> &DatabaseFile {
        &self.file
    }

    /// A transaction that may write, statement by statement.
    pub(crate) async fn write(&self, urgency: Urgency) -> Result<SessionHandle, StoreError> {
        self.writer.session(urgency, false).await
    }

    /// The same, whose owner may be idle for long. Nothing else is written in the meantime.
    pub(crate) async fn write_patiently(&self) -> Result<SessionHandle, StoreError> {
        self.writer.session(Urgency::Person, true).await
    }

    /// A transaction that only reads, statement by statement.
    pub(crate) async fn read(&self) -> Result<SessionHandle, StoreError> {
        self.readers.session(Urgency::Person, false).await
    }

    /// The same, whose owner may be idle for long.
    pub(crate) async fn read_patiently(&self) -> Result<SessionHandle, StoreError> {
        self.readers.session(Urgency::Person, true).await
    }

    /// How the connections are used.
    pub(crate) fn connections(&self) -> Connections {
        let queues = [&self.writer, &self.readers];
        let in_use = queues
            .iter()
            .map(|queue| queue.busy.load(Ordering::Relaxed))
            .sum();
        let all = u32::try_from(1 + self.contents.readers()).unwrap_or(u32::MAX);
        Connections {
            in_use,
            idle: all.saturating_sub(in_use),
            waiting: queues.iter().map(|queue| queue.waiting.len()).sum(),
        }
    }

    /// Stops the threads, once pending work is done.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The way to the threads of one kind of connection.
#[derive(Clone)]
struct Queue {
    waiting: Waiting,
    /// Threads that are in a transaction.
    busy: Arc<AtomicU32>,
    /// Stops the threads when the last owner of the store is dropped.
    _closes: Arc<Closes>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Queue {
    fn new(path: &Path, file: &DatabaseFile, contents: Contents, for_what: Use) -> Result<Self, StoreError> {
        let threads = match for_what {
            Use::Writing => 1,
            Use::Reading => contents.readers(),
        };
        let waiting = Waiting::default();
        let busy = Arc::new(AtomicU32::new(0));
        let path: Arc<PathBuf> = Arc::new(path.to_owned());
        let threads: Result<Vec<_>, _> = (0..threads)
            .map(|_| {
                let worker = Worker {
                    path: Arc::clone(&path),
                    file: file.clone(),
                    contents,
                    for_what,
                    waiting: waiting.clone(),
                    busy: Arc::clone(&busy),
                    runtime: Handle::current(),
                    connection: None,
                    idle_max: SESSION_IDLE_MAX,
                };
                thread::Builder::new()
                    .name("sqlite".to_owned())
                    .spawn(move || worker.run())
            })
            .collect();
        Ok(Self {
            _closes: Arc::new(Closes(waiting.clone())),
            waiting,
            busy,
            threads: Arc::new(Mutex::new(threads.map_err(EngineError::Io)?)),
        })
    }

    /// Begins a session; waiting for the connection and for another process together takes at most [`BUSY_AFTER`].
    async fn session(&self, urgency: Urgency, is_patient: bool) -> Result<SessionHandle, StoreError> {
        let (begun, told) = oneshot::channel();
        let (sender, receiver) = steps::channel();
        let session = Session {
            begun,
            steps: receiver,
            is_patient,
        };
        self.waiting
            .push(Job::Session(session), urgency, Instant::now())?;
        match timeout(BUSY_AFTER, told).await {
            Ok(Ok(Ok(()))) => Ok(SessionHandle { steps: sender }),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(EngineError::Closed.into()),
            Err(_) => Err(StoreError::Busy),
        }
    }

    async fn close(&self) {
        self.waiting.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A panic of a thread was reported where it happened.
                let _ = thread.join();
            }
        });
        let _ = ended.await;
    }
}

struct Closes(Waiting);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

/// The owner's side of a session. If it is dropped without a commit, the transaction is rolled back.
#[derive(Debug)]
pub(crate) struct SessionHandle {
    steps: steps::Sender<Step>,
}

impl SessionHandle {
    pub(crate) async fn execute(&self, text: SqlStr, values: &[Value]) -> Result<u64, StoreError> {
        self.ask(|reply| Step::Execute(sql(text, values), reply)).await
    }

    pub(crate) async fn fetch_all(&self, text: SqlStr, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let rows = self.ask(|reply| Step::Fetch(sql(text, values), reply)).await?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    /// Runs several statements on the connection's thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(|reply| {
            Step::Run(Box::new(move |connection| {
                // The owner may have left; then its transaction is rolled back.
                let _ = reply.send(work(connection));
            }))
        })
        .await
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.ask(Step::Commit).await
    }

    async fn ask<T>(
        &self,
        step: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Step,
    ) -> Result<T, StoreError> {
        let (reply, told) = oneshot::channel();
        // It never waits: the queue holds one step, because the owner waits for each response.
        let sent = self.steps.send(step(reply));
        sent.map_err(|_| EngineError::TookTooLong)?;
        told.await.map_err(|_| EngineError::Closed)?
    }
}

fn sql(text: SqlStr, values: &[Value]) -> Sql {
    let values = values.into();
    Sql { text, values }
}

/// Creates the file, readable only by its owner. SQLite gives its log and index files the mode of the database file.
fn create(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
