//! Transactions that run completely on the connection's thread, from their owner's side.

use std::{
    any::Any,
    panic,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use rusqlite::Connection;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use super::{
    Queue, Sqlite,
    worker::{Job, Whole},
};
use crate::{StoreError, Urgency, error::EngineError, turn::BUSY_AFTER};

/// It has not begun.
const WAITING: u8 = 0;
/// It runs, or has run: its owner waits for the result.
const BEGUN: u8 = 1;
/// Its owner got *busy*, so it must not begin.
const ABANDONED: u8 = 2;

impl Sqlite {
    /// Runs a transaction that writes.
    pub(crate) async fn transact<T, E, F>(&self, urgency: Urgency, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Connection, &Handle) -> Returned<T, E> + Send + 'static,
    {
        self.writer.whole(urgency, body).await
    }

    /// Runs a transaction that only reads.
    pub(crate) async fn look<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Connection, &Handle) -> Returned<T, E> + Send + 'static,
    {
        self.readers.whole(Urgency::Person, body).await
    }
}

impl Queue {
    async fn whole<T, E, F>(&self, urgency: Urgency, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Connection, &Handle) -> Returned<T, E> + Send + 'static,
    {
        let stage = Arc::new(AtomicU8::new(WAITING));
        let (reply, mut told) = oneshot::channel();
        let work = Work {
            body: Some(body),
            stage: Arc::clone(&stage),
            outcome: None,
            ended_all: false,
            reply,
        };
        self.waiting
            .push(Job::Whole(Box::new(work)), urgency, Instant::now())?;
        let told = if let Ok(told) = timeout(BUSY_AFTER, &mut told).await {
            told
        } else {
            let abandoned = stage.compare_exchange(WAITING, ABANDONED, Ordering::AcqRel, Ordering::Acquire);
            if abandoned.is_ok() {
                return Err(StoreError::Busy.into());
            }
            told.await
        };
        match told {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => panic::resume_unwind(panicked),
            Err(_) => Err(StoreError::Database(EngineError::Closed).into()),
        }
    }
}

/// How a body ended: with its outcome, or in a panic, which continues in its owner.
type Ended<T, E> = Result<Result<T, E>, Box<dyn Any + Send>>;

/// What a body returns: the connection that it was lent, and how it ended.
pub(crate) type Returned<T, E> = (Option<Connection>, Ended<T, E>);

/// A body on its way to the thread and back.
struct Work<T, E, F> {
    body: Option<F>,
    stage: Arc<AtomicU8>,
    outcome: Option<Ended<T, E>>,
    /// Whether SQLite rolled back everything while it ran.
    ended_all: bool,
    reply: oneshot::Sender<Ended<T, E>>,
}

impl<T, E, F> Whole for Work<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: FnOnce(Connection, &Handle) -> Returned<T, E> + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.stage.load(Ordering::Acquire) == ABANDONED || self.reply.is_closed()
    }

    fn begins(&self) -> bool {
        let begins = self
            .stage
            .compare_exchange(WAITING, BEGUN, Ordering::AcqRel, Ordering::Acquire);
        begins.is_ok() && !self.reply.is_closed()
    }

    fn run(&mut self, connection: Connection, runtime: &Handle) -> (Option<Connection>, bool) {
        let Some(body) = self.body.take() else {
            return (Some(connection), false);
        };
        let (connection, outcome) = body(connection, runtime);
        let keeps = matches!(outcome, Ok(Ok(_)));
        self.outcome = Some(outcome);
        self.ended_all = connection.as_ref().is_some_and(Connection::is_autocommit);
        (connection, keeps)
    }

    fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
        let ended_all = self.ended_all;
        let outcome = match (self.outcome, committed) {
            // Only this transaction knows why nothing was committed.
            (Some(Ok(Err(cause))), Err(_)) if ended_all => Ok(Err(cause)),
            // A refusal may rest on what others of the batch had written, and that is undone.
            (Some(Ok(_)) | None, Err(error)) => Ok(Err(error.into())),
            (Some(outcome), _) => outcome,
            (None, Ok(())) => return,
        };
        // Its owner may have left; what was committed stays.
        let _ = self.reply.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Body = fn(Connection, &Handle) -> Returned<(), StoreError>;

    /// What the owner of a refused transaction gets.
    fn refused(ended_all: bool, committed: Result<(), StoreError>) -> StoreError {
        let (reply, mut told) = oneshot::channel();
        let work: Work<(), StoreError, Body> = Work {
            body: None,
            stage: Arc::default(),
            outcome: Some(Ok(Err(StoreError::ReadOnly))),
            ended_all,
            reply,
        };
        Box::new(work).tell(committed);
        told.try_recv().unwrap().unwrap().unwrap_err()
    }

    #[test]
    fn a_refusal_in_a_batch_that_was_not_committed_is_a_failure_of_the_store() {
        let failed = || StoreError::Database(EngineError::Commit(Arc::new(StoreError::Busy)));
        assert!(matches!(refused(false, Ok(())), StoreError::ReadOnly));
        let told = refused(false, Err(failed()));
        assert!(
            matches!(told, StoreError::Database(EngineError::Commit(_))),
            "{told:?}"
        );
        // The error that made SQLite roll back everything contains the reason.
        assert!(matches!(refused(true, Err(failed())), StoreError::ReadOnly));
    }
}
