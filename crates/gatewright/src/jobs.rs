//! Work beside requests: keeping the directory fresh, forgetting what has expired, writing last uses.

use std::{future::Future, sync::Arc, time::Duration};

use gatewright_domain::Timestamp;
use gatewright_store::StoreError;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;

use crate::{app::App, service::last_used, sign_in_trace};

/// How often the revision is read: a change elsewhere acts within two seconds.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// A reading that takes longer counts as failed, so that the next can try.
const POLL_DEADLINE: Duration = Duration::from_secs(3);
/// After a lost connection, listening begins again this much later.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often expired rows are looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// Rows deleted in one transaction: small, so that no request waits long for the one writer of SQLite.
const PRUNE_BATCH: u32 = 200;
/// Transactions per table and round.
const PRUNE_ROUNDS: u32 = 25;
/// Ended grants are kept this long, so that an admin sees what was.
const KEEP_ENDED_GRANTS: Duration = Duration::from_hours(30 * 24);
/// Codes are kept this long past their expiry, so that a replay is recognised.
const KEEP_CODES: Duration = Duration::from_hours(24);
/// Invitations are kept this long past their time, so that an owner sees what became of them.
const KEEP_INVITATIONS: Duration = Duration::from_hours(30 * 24);
/// How often last uses are written.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// How often the sign-in trace is written: what another replica saw is there within two seconds.
const TRACE_EVERY: Duration = Duration::from_secs(2);
/// The sign-in trace is kept this long after something was last heard of an attempt.
const KEEP_ATTEMPTS: Duration = Duration::from_hours(30 * 24);

/// Starts all jobs; they end when the app shuts down.
pub fn spawn(app: &Arc<App>, tracker: &TaskTracker) {
    let app = || Arc::clone(app);
    tracker.spawn(until_shutdown(app(), poll(app())));
    tracker.spawn(until_shutdown(app(), listen(app())));
    tracker.spawn(until_shutdown(app(), prune(app())));
    let tracing_app = app();
    tracker.spawn(async move {
        until_shutdown(Arc::clone(&tracing_app), trace(Arc::clone(&tracing_app))).await;
        // What was noted since the last round.
        if let Err(error) = sign_in_trace::flush(&tracing_app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last steps of the sign-in trace were not written"
            );
        }
    });
    let app = app();
    tracker.spawn(async move {
        until_shutdown(Arc::clone(&app), flush(Arc::clone(&app))).await;
        // What was noted since the last round.
        if let Err(error) = last_used::flush(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last uses of API keys were not written"
            );
        }
    });
}

async fn until_shutdown(app: Arc<App>, job: impl Future<Output = ()>) {
    app.shutdown.run_until_cancelled(job).await;
}

/// Logs the first failure of a row of failures, and their end.
struct Streak {
    job: &'static str,
    failing: bool,
}

impl Streak {
    fn new(job: &'static str) -> Self {
        Self { job, failing: false }
    }

    fn note<T>(&mut self, result: &Result<T, StoreError>) {
        match result {
            Ok(_) if self.failing => {
                self.failing = false;
                tracing::info!(job = self.job, "works again");
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(
                    job = self.job,
                    error = error as &dyn std::error::Error,
                    "fails; it is tried again"
                );
            }
            _ => {}
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn poll(app: Arc<App>) {
    let mut streak = Streak::new("reading the configuration");
    let mut ticks = every(POLL_EVERY);
    loop {
        ticks.tick().await;
        let result = timeout(POLL_DEADLINE, refresh_when_changed(&app)).await;
        streak.note(&result.unwrap_or(Err(StoreError::Busy)));
    }
}

/// Reads the revision and, when it changed, everything. The time is taken before the reading: what was read is at
/// least as new. A lower revision than the one in memory is a database that lost changes; it is believed all the same.
pub async fn refresh_when_changed(app: &App) -> Result<(), StoreError> {
    let read_at = app.clock.monotonic();
    let mut tx = app.store.read().await?;
    let revision = gatewright_store::revision::read(&mut tx).await?;
    drop(tx);
    let known = app.directory.revision();
    if revision == known {
        app.directory.confirm(read_at);
        return Ok(());
    }
    let superseded = (revision < known).then_some(known);
    app.directory
        .refresh(&app.store, &app.keyring, &app.config, superseded)
        .await
}

async fn listen(app: Arc<App>) {
    let mut streak = Streak::new("listening for changes");
    loop {
        let changed = match app.store.changed().await {
            Ok(()) => refresh_when_changed(&app).await,
            Err(error) => Err(error),
        };
        streak.note(&changed);
        if changed.is_err() {
            tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
        }
    }
}

async fn prune(app: Arc<App>) {
    let mut streak = Streak::new("forgetting what has expired");
    let mut ticks = every(PRUNE_EVERY);
    // The first tick is at once, when start-up has better things to do.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        streak.note(&prune_once(&app, app.now()).await);
    }
}

#[derive(Debug, Clone, Copy)]
enum Expiring {
    PendingSignIns,
    TestSignIns,
    Codes,
    Revocations,
    RefreshTokens,
    Grants,
    IdempotencyKeys,
    AccountSessions,
    AccountLinks,
    Invitations,
    Assertions,
    Attempts,
    SignInPlaces,
    AuditEvents,
}

/// Deletes expired rows, a few at a time.
async fn prune_once(app: &App, now: Timestamp) -> Result<(), StoreError> {
    use Expiring::{
        AccountLinks, AccountSessions, Assertions, Attempts, AuditEvents, Codes, Grants, IdempotencyKeys,
        Invitations, PendingSignIns, RefreshTokens, Revocations, SignInPlaces, TestSignIns,
    };
    let keep_events = match app.config.audit.retention_days {
        0 => None,
        days => Some(Duration::from_hours(24 * u64::from(days))),
    };
    for table in [
        PendingSignIns,
        TestSignIns,
        Codes,
        Revocations,
        RefreshTokens,
        Grants,
        IdempotencyKeys,
        AccountSessions,
        AccountLinks,
        Invitations,
        Assertions,
        Attempts,
        SignInPlaces,
        AuditEvents,
    ] {
        for _ in 0..PRUNE_ROUNDS {
            let mut tx = app.store.write().await?;
            let gone = match table {
                PendingSignIns => gatewright_store::pending_sign_in::prune(&mut tx, now, PRUNE_BATCH).await?,
                TestSignIns => gatewright_store::test_sign_in::prune(&mut tx, now, PRUNE_BATCH).await?,
                Codes => {
                    let before = now.minus(KEEP_CODES);
                    gatewright_store::authorization_code::prune(&mut tx, before, PRUNE_BATCH).await?
                }
                Assertions => gatewright_store::used_assertion::prune(&mut tx, now, PRUNE_BATCH).await?,
                Revocations => gatewright_store::revocation::prune(&mut tx, now, PRUNE_BATCH).await?,
                RefreshTokens => gatewright_store::refresh_token::prune(&mut tx, now, PRUNE_BATCH).await?,
                Grants => {
                    let before = now.minus(KEEP_ENDED_GRANTS);
                    gatewright_store::grant::prune(&mut tx, before, PRUNE_BATCH).await?
                }
                IdempotencyKeys => gatewright_store::idempotency::prune(&mut tx, now, PRUNE_BATCH).await?,
                AccountSessions => {
                    gatewright_store::account_session::prune(&mut tx, now, PRUNE_BATCH).await?
                }
                AccountLinks => gatewright_store::account_link::prune(&mut tx, now, PRUNE_BATCH).await?,
                Invitations => {
                    let before = now.minus(KEEP_INVITATIONS);
                    gatewright_store::invitation::prune(&mut tx, before, PRUNE_BATCH).await?
                }
                Attempts => {
                    let before = now.minus(KEEP_ATTEMPTS);
                    gatewright_store::sign_in_attempt::prune(&mut tx, before, PRUNE_BATCH).await?
                }
                SignInPlaces => gatewright_store::sign_in_place::prune(&mut tx, now, PRUNE_BATCH).await?,
                AuditEvents => match keep_events {
                    Some(kept) => {
                        let before = now.minus(kept);
                        gatewright_store::audit::prune(&mut tx, before, PRUNE_BATCH).await?
                    }
                    None => 0,
                },
            };
            tx.commit().await?;
            if gone < u64::from(PRUNE_BATCH) {
                break;
            }
        }
    }
    Ok(())
}

async fn flush(app: Arc<App>) {
    let mut streak = Streak::new("writing the last uses of API keys");
    let mut ticks = every(FLUSH_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&last_used::flush(&app).await);
    }
}

async fn trace(app: Arc<App>) {
    let mut streak = Streak::new("writing the sign-in trace");
    let mut ticks = every(TRACE_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&sign_in_trace::flush(&app).await);
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::audit::Origin;
    use gatewright_store::{PageRequest, audit::AuditFilter};

    use super::*;
    use crate::{
        app::testing::TestApp,
        config::{AuditConfig, Config},
        service::{
            Authority,
            projects::{self, NewProject},
        },
    };

    const DAY: Duration = Duration::from_hours(24);

    /// How many events the trail of the instance has.
    async fn events(app: &App) -> usize {
        let mut tx = app.store.read().await.unwrap();
        let page = PageRequest {
            after: None,
            limit: 200,
        };
        let filter = AuditFilter::default();
        let read = gatewright_store::audit::list(&mut tx, None, &filter, &page).await;
        read.unwrap().items.len()
    }

    async fn create(app: &App, name: String) {
        let operator = Authority::operator(Origin::Cli);
        projects::create(app, &operator, NewProject { name })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn the_audit_trail_is_kept_for_its_time_and_for_ever_where_that_is_asked_for() {
        for (retention_days, left) in [(30, 1), (0, 4)] {
            let test =
                TestApp::with(|config: &mut Config| config.audit = AuditConfig { retention_days }).await;
            let app = &test.app;
            for number in 0..3 {
                create(app, format!("Project {number}")).await;
            }
            test.clock.advance(DAY * 29);
            create(app, "The last one".to_owned()).await;
            prune_once(app, app.now()).await.unwrap();
            assert_eq!(events(app).await, 4, "nothing is old enough");
            test.clock.advance(DAY * 2);
            prune_once(app, app.now()).await.unwrap();
            assert_eq!(events(app).await, left);
        }
    }
}
