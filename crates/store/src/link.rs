//! Wraps every statement to PostgreSQL with a deadline on our side, because a silent server sends
//! no response at all, and watches for refused writes, because a connection opened while the server was read-only may stay
//! read-only.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{PgConnection, pool::PoolConnectionMetadata};
use tokio::time::{Instant, timeout};

use crate::{StoreError, error::is_read_only};

/// A statement without a response within this time will never get one: the server's own limit is below it.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(18);
/// A connection that takes longer to become ready is closed instead of returned to the pool.
const RETURN_DEADLINE: Duration = Duration::from_secs(2);

/// The same in a transaction that copies a whole database: a sort of a large table takes minutes.
const PATIENT_DEADLINE: Duration = Duration::from_hours(1);

/// The connections to one PostgreSQL server.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    deadline: Duration,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// When a write was last refused because the session is read-only: milliseconds since `began`, plus one.
    refused_at: AtomicU64,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                began: Instant::now(),
                refused_at: AtomicU64::new(0),
            }),
            deadline: STATEMENT_DEADLINE,
        }
    }

    /// The same connections, for statements that may take long.
    pub(crate) fn patient(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            deadline: PATIENT_DEADLINE,
        }
    }

    /// Runs a statement within its deadline. A statement without a response by then is abandoned together with its
    /// connection, which is closed when the transaction is dropped.
    pub(crate) async fn bounded<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        match timeout(self.deadline, statement).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                if is_read_only(&error) {
                    self.shared.refused_at.store(self.millis() + 1, Ordering::Release);
                }
                Err(error.into())
            }
            Err(_) => Err(timed_out().into()),
        }
    }

    /// Whether a connection can be used: every connection that was open when a write was refused is replaced.
    pub(crate) fn is_trusted(&self, connection: &PoolConnectionMetadata) -> bool {
        match self.shared.refused_at.load(Ordering::Acquire) {
            0 => true,
            refused_at => {
                let since = self.millis().saturating_sub(refused_at - 1);
                connection.age < Duration::from_millis(since)
            }
        }
    }

    /// Whether a connection is returned to the pool. A dropped transaction is rolled back first.
    pub(crate) async fn may_return(
        &self,
        connection: &mut PgConnection,
        about: PoolConnectionMetadata,
    ) -> Result<bool, sqlx::Error> {
        if !self.is_trusted(&about) {
            return Ok(false);
        }
        match timeout(RETURN_DEADLINE, sqlx::Connection::ping(connection)).await {
            Ok(ready) => ready.map(|()| true),
            Err(_) => Err(timed_out()),
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn timed_out() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the database did not respond in time").into()
}
