//! Opening PostgreSQL.

use std::{str::FromStr as _, time::Duration};

use gatewright_domain::secret::Secret;
use sqlx::{
    ConnectOptions as _, Executor as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{StoreError, link::Link};

/// If the database is down, requests fail within this time instead of hanging.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// An unused connection is closed after this time.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// Every query of this crate, some of them twice.
const STATEMENT_CACHE: usize = 200;
/// Timeouts, so that a stuck peer cannot block this replica: for a lock, for a statement, and for a
/// transaction whose owner has gone silent. Set per session rather than in the start-up packet, which poolers refuse.
const SESSION: &str = "SET lock_timeout = 5000; SET statement_timeout = 15000; \
     SET idle_in_transaction_session_timeout = 30000";

/// The pool of a database URL.
pub(crate) async fn open(url: &Secret, max_connections: u32, link: &Link) -> Result<PgPool, StoreError> {
    let (before, after) = (link.clone(), link.clone());
    let options = PgConnectOptions::from_str(url.expose())?
        .application_name("gatewright")
        .statement_cache_capacity(STATEMENT_CACHE)
        // Requests have one log line each; statements have none.
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(max_connections.max(2))
        .acquire_timeout(CONNECT_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .before_acquire(move |_, about| {
            let trusted = before.is_trusted(&about);
            Box::pin(async move { Ok(trusted) })
        })
        .after_release(move |connection, about| {
            let link = after.clone();
            Box::pin(async move { link.may_return(connection, about).await })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                Ok(())
            })
        });
    Ok(pool.connect_with(options).await?)
}
