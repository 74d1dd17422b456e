//! The thread of a connection: it runs transactions one after the other.
//!
//! A *session* is a transaction whose owner sends one statement at a time. A *batch* consists of whole transactions that
//! arrived while others ran: each runs here from its first statement to its last, those after the first in their own
//! savepoint, and one commit makes all of them durable before any of their owners gets a result.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    connection::{self, Contents, Use},
    queue::Waiting,
};
use crate::{StoreError, error::EngineError, file::DatabaseFile, row::SqliteRow, value::Value};

/// The maximum number of whole transactions that share a commit: the first of them waits for the last.
const BATCH: usize = 64;

/// A session whose owner sends nothing for this long is rolled back, because every other writer waits for it.
pub(super) const SESSION_IDLE_MAX: Duration = Duration::from_secs(30);

/// The same for a session that copies a whole database, perhaps to a slow disk or network.
const PATIENT_IDLE_MAX: Duration = Duration::from_hours(1);

/// The work of a thread.
pub(super) enum Job {
    /// A transaction whose owner sends its statements.
    Session(Session),
    /// A transaction that runs here completely.
    Whole(Box<dyn Whole>),
}

impl Job {
    /// Whether its owner left before it began.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Session(session) => session.begun.is_closed(),
            Self::Whole(whole) => whole.is_abandoned(),
        }
    }
}

/// A transaction that runs completely on the connection's thread.
pub(super) trait Whole: Send {
    /// Whether its owner left before it began.
    fn is_abandoned(&self) -> bool;
    /// Whether its owner still waits; checked once, right before it runs.
    fn begins(&self) -> bool;
    /// Runs it; `false` if its changes must be undone. The connection is returned as it was lent.
    fn run(&mut self, connection: Connection, runtime: &Handle) -> (Option<Connection>, bool);
    /// Sends its owner the result, after the commit or instead of it.
    fn tell(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A transaction whose owner sends its statements.
pub(super) struct Session {
    /// Notified once it has begun.
    pub(super) begun: oneshot::Sender<Result<(), StoreError>>,
    /// The steps its owner sends; if the channel closes without a commit, the transaction is rolled back.
    pub(super) steps: mpsc::Receiver<Step>,
    /// Whether its owner may be idle for longer than others.
    pub(super) is_patient: bool,
}

/// Work with the connection of a session, which sends its own result.
pub(super) type Work = Box<dyn FnOnce(&Connection) + Send>;

/// A step of a session.
pub(super) enum Step {
    /// A statement that returns the number of changed rows.
    Execute(Sql, oneshot::Sender<Result<u64, StoreError>>),
    /// A statement that returns rows.
    Fetch(Sql, oneshot::Sender<Result<Vec<SqliteRow>, StoreError>>),
    /// Several statements that cross to this thread together.
    Run(Work),
    /// The end.
    Commit(oneshot::Sender<Result<(), StoreError>>),
}

/// A statement and its values.
pub(super) struct Sql {
    pub(super) text: sqlx::SqlStr,
    pub(super) values: Box<[Value]>,
}

/// A thread with its connection, which is opened for the first transaction.
pub(super) struct Worker {
    pub(super) path: Arc<PathBuf>,
    /// Where the data must stay.
    pub(super) file: DatabaseFile,
    pub(super) contents: Contents,
    pub(super) for_what: Use,
    pub(super) waiting: Waiting,
    /// Counts this thread while it is in a transaction.
    pub(super) busy: Arc<AtomicU32>,
    pub(super) runtime: Handle,
    pub(super) connection: Option<Connection>,
    /// How long a session may be idle.
    pub(super) idle_max: Duration,
}

impl Worker {
    /// Runs transactions until there are no more.
    pub(super) fn run(mut self) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| self.waiting.pop()) {
            self.busy.fetch_add(1, Ordering::Relaxed);
            match job {
                Job::Session(session) => self.session(session),
                Job::Whole(first) => next = self.batch(first),
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The waiting transactions that still have an owner, after `count` transactions of a batch. Readers do not share a
    /// transaction: the second would read from the moment of the first, which may be before what its owner has just written.
    fn more(&self, count: usize) -> Option<Job> {
        if self.for_what == Use::Reading || count == BATCH {
            return None;
        }
        self.waiting.try_pop()
    }

    /// The connection, inside a new transaction. When the disk is full or fails, SQLite may have ended a transaction
    /// itself, and a connection that cannot leave one is replaced.
    fn begin(&mut self) -> Result<Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) if connection.is_autocommit() => connection,
            _ => connection::open(&self.path, self.contents, self.for_what)?,
        };
        let statement = match self.for_what {
            Use::Writing => "BEGIN IMMEDIATE",
            Use::Reading => "BEGIN DEFERRED",
        };
        let begun = connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute([]));
        match begun {
            Ok(_) => Ok(connection),
            Err(error) => {
                self.connection = Some(connection);
                Err(error.into())
            }
        }
    }

    /// Ends a transaction that was not committed.
    fn give_up(&mut self, connection: Connection) {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            // `begin` notices that the connection is still inside, and opens another one.
            drop(error);
        }
        self.connection = Some(connection);
    }

    /// Makes a transaction durable. Its owner may have waited since the file was last checked, and writes to a deleted file
    /// are lost.
    fn commit(&self, connection: &Connection) -> Result<(), StoreError> {
        run_once(connection, "COMMIT")?;
        match self.for_what {
            Use::Writing => self.file.check(),
            Use::Reading => Ok(()),
        }
    }

    fn session(&mut self, session: Session) {
        if session.begun.is_closed() {
            return;
        }
        let connection = match self.begin() {
            Ok(connection) => connection,
            Err(error) => {
                // The owner may have left; then nothing is lost.
                let _ = session.begun.send(Err(error));
                return;
            }
        };
        if session.begun.send(Ok(())).is_err() {
            return self.give_up(connection);
        }
        // An owner that leaves in the middle closes the channel; its last response goes nowhere.
        let idle_max = if session.is_patient {
            PATIENT_IDLE_MAX
        } else {
            self.idle_max
        };
        while let Ok(step) = session.steps.recv_timeout(idle_max) {
            match step {
                Step::Run(work) => work(&connection),
                Step::Execute(sql, reply) => {
                    let _ = reply.send(connection::execute(&connection, sql.text.as_str(), &sql.values));
                }
                Step::Fetch(sql, reply) => {
                    let _ = reply.send(connection::fetch_all(&connection, sql.text.as_str(), &sql.values));
                }
                Step::Commit(reply) => {
                    let committed = self.commit(&connection);
                    self.give_up(connection);
                    let _ = reply.send(committed);
                    return;
                }
            }
        }
        self.give_up(connection);
    }

    /// Runs `first` and the whole transactions that already wait, and commits them together. Returns what came next if it is not
    /// such a transaction.
    fn batch(&mut self, first: Box<dyn Whole>) -> Option<Job> {
        if !first.begins() {
            return None;
        }
        let mut connection = match self.begin() {
            Ok(connection) => connection,
            Err(error) => {
                first.tell(Err(error));
                return None;
            }
        };
        let mut done: Vec<Box<dyn Whole>> = Vec::new();
        let mut next = None;
        let mut whole = first;
        let outcome = loop {
            // The first one is undone together with the whole batch. A savepoint would copy each page that it changes.
            let is_first = done.is_empty();
            let savepoint = if is_first {
                Ok(())
            } else {
                run_once(&connection, "SAVEPOINT one")
            };
            let (returned, keeps) = match savepoint {
                Ok(()) => whole.run(connection, &self.runtime),
                Err(error) => {
                    done.push(whole);
                    break Err(error);
                }
            };
            done.push(whole);
            let Some(returned) = returned else {
                // It was lost in a panic; `begin` opens another one.
                tell(done, Some(EngineError::Closed.into()));
                return None;
            };
            connection = returned;
            if connection.is_autocommit() {
                // SQLite itself rolled back everything: the disk is full, or failed.
                break Err(StoreError::Database(EngineError::RolledBack));
            }
            if is_first && !keeps {
                // Nothing else has been written, and the waiting transactions form their own batch.
                break Ok(());
            }
            if !is_first && let Err(error) = end_savepoint(&connection, keeps) {
                break Err(error);
            }
            match self.more(done.len()) {
                Some(Job::Whole(other)) if other.begins() => whole = other,
                other => {
                    next = other;
                    break self.commit(&connection);
                }
            }
        };
        self.give_up(connection);
        tell(done, outcome.err());
        next
    }
}

/// Sends the owners of a batch their results.
fn tell(done: Vec<Box<dyn Whole>>, failed: Option<StoreError>) {
    let failed = failed.map(Arc::new);
    for whole in done {
        whole.tell(match &failed {
            None => Ok(()),
            Some(error) => Err(match &**error {
                StoreError::FileGone { path, what } => StoreError::FileGone {
                    path: path.clone(),
                    what,
                },
                _ => EngineError::Commit(Arc::clone(error)).into(),
            }),
        });
    }
}

/// Ends the savepoint of a transaction, and undoes its changes unless `keeps` is set.
fn end_savepoint(connection: &Connection, keeps: bool) -> Result<(), StoreError> {
    if !keeps {
        run_once(connection, "ROLLBACK TO one")?;
    }
    run_once(connection, "RELEASE one")
}

fn run_once(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Instant};

    use super::*;
    use crate::Urgency;

    /// Writes a number, and commits it or rolls it back.
    struct Writes {
        number: i64,
        keeps: bool,
        told: Arc<Mutex<Vec<i64>>>,
    }

    impl Whole for Writes {
        fn is_abandoned(&self) -> bool {
            false
        }

        fn begins(&self) -> bool {
            true
        }

        fn run(&mut self, connection: Connection, _: &Handle) -> (Option<Connection>, bool) {
            let sql = "INSERT INTO numbers (number) VALUES (?1)";
            connection.execute(sql, [self.number]).unwrap();
            (Some(connection), self.keeps)
        }

        fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
            committed.unwrap();
            self.told.lock().unwrap().push(self.number);
        }
    }

    #[tokio::test]
    async fn each_transaction_of_a_batch_is_kept_or_undone_separately() {
        for kept in 0..16_i64 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("gatewright.db");
            let setup = Connection::open(&path).unwrap();
            setup
                .execute_batch("CREATE TABLE numbers (number INTEGER)")
                .unwrap();
            let waiting = Waiting::default();
            let told = Arc::new(Mutex::new(Vec::new()));
            for number in 0..4 {
                let writes = Writes {
                    number,
                    keeps: kept & (1 << number) != 0,
                    told: Arc::clone(&told),
                };
                let job = Job::Whole(Box::new(writes));
                waiting.push(job, Urgency::Person, Instant::now()).unwrap();
            }
            waiting.close();
            worker(path, waiting).run();
            let mut statement = setup.prepare("SELECT number FROM numbers").unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            let found: Vec<i64> = rows.map(Result::unwrap).collect();
            let expected: Vec<i64> = (0..4).filter(|number| kept & (1 << *number) != 0).collect();
            assert_eq!(found, expected);
            assert_eq!(*told.lock().unwrap(), [0, 1, 2, 3]);
        }
    }

    fn worker(path: PathBuf, waiting: Waiting) -> Worker {
        Worker {
            file: DatabaseFile::at(path.clone()).unwrap(),
            path: Arc::new(path),
            contents: Contents::Main,
            for_what: Use::Writing,
            waiting,
            busy: Arc::default(),
            runtime: Handle::current(),
            connection: None,
            idle_max: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn an_idle_session_is_dropped_and_the_next_one_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gatewright.db");
        std::fs::write(&path, b"").unwrap();
        let waiting = Waiting::default();
        let mut owners = Vec::new();
        for _ in 0..2 {
            let (begun, told) = oneshot::channel();
            let (sender, steps) = mpsc::channel::<Step>();
            let job = Job::Session(Session {
                begun,
                steps,
                is_patient: false,
            });
            waiting.push(job, Urgency::Person, Instant::now()).unwrap();
            owners.push((told, sender));
        }
        waiting.close();
        // It ends although both owners exist.
        worker(path, waiting).run();
        for (mut told, sender) in owners {
            told.try_recv().unwrap().unwrap();
            let (reply, _) = oneshot::channel();
            assert!(sender.send(Step::Commit(reply)).is_err());
        }
    }
}
