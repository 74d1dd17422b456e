//! Transactions that run completely on the connection's thread, from their owner's side.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
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
use crate::{
    StoreError, Tx,
    error::EngineError,
    store::{BUSY_AFTER, Steps, Urgency},
};

/// It has not begun.
const WAITING: u8 = 0;
/// It runs, or has run: its owner waits for the result.
const BEGUN: u8 = 1;
/// Its owner was told that the database is busy, so it must not begin.
const ABANDONED: u8 = 2;

impl Sqlite {
    /// Runs a transaction that writes.
    pub(crate) async fn transact<T, E, F>(&self, urgency: Urgency, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        self.writer.whole(urgency, body).await
    }

    /// Runs a transaction that only reads.
    pub(crate) async fn look<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        self.readers.whole(Urgency::Person, body).await
    }
}

impl Queue {
    async fn whole<T, E, F>(&self, urgency: Urgency, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
    {
        let stage = Arc::new(AtomicU8::new(WAITING));
        let (reply, mut told) = oneshot::channel();
        let work = Work {
            body: Some(body),
            stage: Arc::clone(&stage),
            outcome: None,
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

/// A body on its way to the thread and back.
struct Work<T, E, F> {
    body: Option<F>,
    stage: Arc<AtomicU8>,
    outcome: Option<Ended<T, E>>,
    reply: oneshot::Sender<Ended<T, E>>,
}

impl<T, E, F> Whole for Work<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T, E> + Send + 'static,
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
        let mut tx = Tx::of_connection(connection);
        if let Some(body) = self.body.take() {
            let run = AssertUnwindSafe(|| {
                runtime.block_on(async {
                    let value = body(&mut tx).await?;
                    tx.finish().await?;
                    Ok(value)
                })
            });
            self.outcome = Some(panic::catch_unwind(run));
        }
        let keeps = matches!(self.outcome, Some(Ok(Ok(_))));
        (tx.into_connection(), keeps)
    }

    fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            (Some(Ok(Ok(_))) | None, Err(error)) => Ok(Err(error.into())),
            (Some(outcome), _) => outcome,
            (None, Ok(())) => return,
        };
        // Its owner may be gone; what was committed stays.
        let _ = self.reply.send(outcome);
    }
}
