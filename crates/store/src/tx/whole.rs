//! Transactions that run completely on the thread of a SQLite connection.

use std::{
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
};

use rusqlite::Connection;
use tokio::runtime::Handle;

use super::{Inner, Tx};
use crate::{StoreError, error::EngineError, sqlite::Returned};

/// The steps of a transaction that runs completely on the thread.
pub type Steps<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

impl Tx {
    /// Runs `body` on a connection that is inside a transaction, and then the last statements of the transaction. Neither commits
    /// nor rolls back. A panic of `body` is part of the outcome.
    pub(crate) fn run_whole<T, E, F>(connection: Connection, runtime: &Handle, body: F) -> Returned<T, E>
    where
        E: From<StoreError>,
        F: for<'t> FnOnce(&'t mut Self) -> Steps<'t, T, E>,
    {
        let mut tx = Self::new(Inner::Whole(connection));
        let run = AssertUnwindSafe(|| {
            runtime.block_on(async {
                let value = body(&mut tx).await?;
                tx.finish().await?;
                Ok(value)
            })
        });
        let outcome = panic::catch_unwind(run);
        (tx.into_connection(), outcome)
    }

    /// The connection of a transaction that runs as a whole on SQLite.
    pub(crate) fn connection(&self) -> Result<&Connection, StoreError> {
        match &self.inner {
            Inner::Whole(connection) => Ok(connection),
            Inner::Session(_) | Inner::Postgres(..) => Err(EngineError::Closed.into()),
        }
    }

    /// The same, returned at the end.
    fn into_connection(self) -> Option<Connection> {
        match self.inner {
            Inner::Whole(connection) => Some(connection),
            Inner::Session(_) | Inner::Postgres(..) => None,
        }
    }
}
