//! Background work: keeping the directory fresh, forgetting what has expired, writing last uses.

#[cfg(test)]
mod condition_tests;
mod export;
mod pruning;
mod trail;

use std::{future::Future, sync::Arc, time::Duration};

use gatewright_store::{StoreError, Urgency};
use tokio::{
    runtime::Handle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::task::TaskTracker;

use gatewright_admin::Admin;
use gatewright_core::{acme, activity::Retention, config::Signal, tls};

pub(crate) use export::send_last;

use crate::{
    operator::{streams, watch as watching},
    resource_server::{replica_mail, seen_tokens, session_notes, sessions},
};

/// How often the revision is read: a change elsewhere acts within two seconds.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// A reading that takes longer counts as failed, so that the next can try.
const POLL_DEADLINE: Duration = Duration::from_secs(3);
/// After a lost connection, listening begins again this much later.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is tried whether the database takes writes.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// A write that takes longer counts as one that got no turn.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// How often expired rows are looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// How often counted events are added to the audit trail's chains.
const SEAL_EVERY: Duration = Duration::from_secs(30);
/// How often the job looks for chains of the audit trail that were not checked for a day.
const CHECK_EVERY: Duration = Duration::from_mins(10);
/// How often first uses of access tokens are written: another replica knows of them within two seconds.
const SEEN_EVERY: Duration = Duration::from_secs(1);
/// How often activity is written: what another replica saw is there within two seconds, and no more is lost if a process is
/// killed.
const ACTIVITY_EVERY: Duration = Duration::from_secs(1);
/// How often last uses are written.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// How often the sign-in trace is written: what another replica saw is there within two seconds.
const TRACE_EVERY: Duration = Duration::from_secs(2);

/// How often it is looked for what streams have to send.
const STREAM_EVERY: Duration = Duration::from_secs(1);
/// How often the job looks for what needs attention, and for notifications to send.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Starts all jobs; they end when the app shuts down. Those that calls depend on run on the threads of calls. The others, which
/// prepare thousands of rows at a time when there is much to write, run `aside`.
pub(crate) fn spawn(app: &Arc<Admin>, tracker: &TaskTracker, aside: &Handle) {
    let app = || Arc::clone(app);
    tracker.spawn(until_shutdown(app(), poll(app())));
    tracker.spawn(until_shutdown(app(), listen(app())));
    tracker.spawn(until_shutdown(app(), hear(app())));
    tracker.spawn(until_shutdown(app(), read_mail(app())));
    tracker.spawn(until_shutdown(app(), probe(app())));
    tracker.spawn_on(until_shutdown(app(), prune(app())), aside);
    tracker.spawn_on(until_shutdown(app(), seal(app())), aside);
    tracker.spawn_on(until_shutdown(app(), check(app())), aside);
    tracker.spawn_on(until_shutdown(app(), trace(app())), aside);
    tracker.spawn_on(until_shutdown(app(), see(app())), aside);
    tracker.spawn_on(until_shutdown(app(), write_activity(app())), aside);
    tracker.spawn_on(until_shutdown(app(), prune_activity(app())), aside);
    tracker.spawn_on(until_shutdown(app(), flush(app())), aside);
    tracker.spawn_on(until_shutdown(app(), watch(app())), aside);
    tracker.spawn_on(until_shutdown(app(), notify(app())), aside);
    tracker.spawn_on(until_shutdown(app(), watch_certificate(app())), aside);
    if app().config.acme.is_on() {
        tracker.spawn_on(until_shutdown(app(), follow_certificate(app())), aside);
        tracker.spawn_on(until_shutdown(app(), order_certificate(app())), aside);
    }
    for signal in Signal::ALL {
        if app().otlp.sends(signal) {
            tracker.spawn_on(until_shutdown(app(), export::run(app(), signal)), aside);
        }
    }
    tracker.spawn_on(until_shutdown(app(), stream(app())), aside);
}

/// Writes what was noted since the last round, and what requests noted while the process was stopping. Called once the last
/// connection has ended: the first use of an access token that is not written here would not end the overlap of its
/// refresh token.
pub(crate) async fn write_last(app: &Admin) {
    let tell = |result: Result<usize, StoreError>, what: &'static str| {
        if let Err(error) = result {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "{what} were not written"
            );
        }
    };
    tell(
        app.gateways().sign_in_trace.flush().await,
        "the last steps of the sign-in trace",
    );
    tell(
        seen_tokens::flush(&app.gateways().resource_server).await,
        "the last first uses of access tokens",
    );
    tell(
        app.activity.flush(&app.core().store, &app.telemetry).await,
        "the last requests of the activity",
    );
    tell(streams::release(app).await.map(|()| 0), "the ends of streams");
    tell(
        app.last_used.flush(&app.core().store).await,
        "the last uses of API keys",
    );
}

async fn until_shutdown(app: Arc<Admin>, job: impl Future<Output = ()>) {
    app.shutdown.run_until_cancelled(job).await;
}

/// Logs the first failure of a row of failures, and their end.
struct Streak {
    app: Arc<Admin>,
    job: &'static str,
    failing: bool,
}

impl Streak {
    fn new(app: &Arc<Admin>, job: &'static str) -> Self {
        app.telemetry.condition.note_job(job, false);
        Self {
            app: Arc::clone(app),
            job,
            failing: false,
        }
    }

    fn note<T, E: std::error::Error + 'static>(&mut self, result: &Result<T, E>) {
        self.app.telemetry.condition.note_job(self.job, result.is_err());
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

async fn poll(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "reading the configuration");
    let mut ticks = every(POLL_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&app.refresh_directory().await);
    }
}

async fn listen(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "listening for changes");
    loop {
        let changed = match app.core().store.changed().await {
            // Letters of other replicas are announced in the same way.
            Ok(()) => app
                .refresh_directory()
                .await
                .and(replica_mail::hear(&app.gateways().resource_server).await)
                .and(session_notes::hear(&app.gateways().resource_server).await),
            Err(error) => Err(error),
        };
        streak.note(&changed);
        if changed.is_err() {
            tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
        }
    }
}

async fn hear(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "hearing of ended sessions");
    let mut ticks = every(POLL_EVERY);
    loop {
        ticks.tick().await;
        let server = &app.gateways().resource_server;
        let hearing = async {
            sessions::hear(server).await?;
            session_notes::hear(server).await
        };
        let result = timeout(POLL_DEADLINE, hearing).await;
        streak.note(&result.unwrap_or(Err(StoreError::Busy)));
    }
}

async fn read_mail(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "reading letters of other replicas");
    let mut ticks = every(POLL_EVERY);
    loop {
        ticks.tick().await;
        let result = timeout(POLL_DEADLINE, replica_mail::hear(&app.gateways().resource_server)).await;
        streak.note(&result.unwrap_or(Err(StoreError::Busy)));
    }
}

async fn probe(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "writing to the database");
    let mut ticks = every(PROBE_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&probe_once(&app).await);
    }
}

/// Tries whether the database takes writes, for readiness. One that is busy has not refused, unless it stays so.
pub(crate) async fn probe_once(app: &Admin) -> Result<(), StoreError> {
    let result = timeout(PROBE_DEADLINE, app.core().store.probe())
        .await
        .unwrap_or(Err(StoreError::Busy));
    match &result {
        Ok(()) => app.telemetry.condition.note_writes(true),
        Err(StoreError::Busy) => app.telemetry.condition.note_busy(),
        Err(_) => app.telemetry.condition.note_writes(false),
    }
    result
}

async fn prune(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "forgetting what has expired");
    let mut ticks = every(PRUNE_EVERY);
    // The first tick is immediate, when start-up has better things to do.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        streak.note(&pruning::prune_once(&app, app.now()).await);
    }
}

async fn seal(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "adding events to the chains of the audit trail");
    let mut ticks = every(SEAL_EVERY);
    loop {
        ticks.tick().await;
        let adopted = trail::adopt_once(&app).await;
        streak.note(&adopted);
        if adopted.is_ok() {
            break;
        }
    }
    loop {
        ticks.tick().await;
        streak.note(&trail::seal_once(&app).await);
    }
}

async fn check(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "checking the audit trail");
    let mut ticks = every(CHECK_EVERY);
    // Not at the start, when others have more urgent work.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        streak.note(&trail::check_once(&app).await);
    }
}

async fn flush(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "writing the last uses of API keys");
    let mut ticks = every(FLUSH_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&app.last_used.flush(&app.core().store).await);
    }
}

/// A server that hangs or a receiver that does not respond delays nothing else: each has its own job.
async fn watch(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "watching what needs attention");
    let mut ticks = every(watch_every(&app));
    loop {
        ticks.tick().await;
        let looked = watching::look(&app).await;
        streak.note(&looked.and(watching::round(&app).await));
    }
}

async fn notify(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "sending notifications");
    let mut ticks = every(watch_every(&app));
    loop {
        ticks.tick().await;
        streak.note(&watching::send(&app).await);
    }
}

async fn stream(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "sending streams");
    let mut runner = streams::Runner::new(Arc::clone(&app));
    let mut ticks = every(STREAM_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&runner.look().await);
    }
}

async fn watch_certificate(app: Arc<Admin>) {
    tls::watch(&app.tls, &app.config.public_host(), &*app.clock).await;
}

async fn follow_certificate(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "reading which certificate was ordered");
    let (core, mut followed) = (app.core(), acme::Followed::default());
    let mut ticks = every(acme::FOLLOW_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&followed.follow(&core).await);
    }
}

async fn order_certificate(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "ordering certificates");
    let core = app.core();
    let mut ticks = every(acme::ORDER_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&acme::order_if_due(&core).await);
    }
}

/// If people are notified sooner than usual, the job looks more often.
fn watch_every(app: &Admin) -> Duration {
    app.config.notifications.wait().clamp(POLL_EVERY, WATCH_EVERY)
}

async fn see(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "writing first uses of access tokens");
    let mut ticks = every(SEEN_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&seen_tokens::flush(&app.gateways().resource_server).await);
    }
}

async fn write_activity(app: Arc<Admin>) {
    if !app.activity.is_on() {
        return;
    }
    let mut streak = Streak::new(&app, "writing the activity");
    let mut ticks = every(ACTIVITY_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.activity.filling() => {}
        }
        streak.note(&app.activity.flush(&app.core().store, &app.telemetry).await);
    }
}

/// Also if activity is no longer recorded, so that existing rows do not stay forever.
async fn prune_activity(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "deleting old activity");
    let mut retention = Retention::default();
    let mut ticks = every(PRUNE_EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let core = app.core();
        let round = retention.round(&core.store, &core.config.activity, &*core.clock);
        streak.note(&round.await);
    }
}

async fn trace(app: Arc<Admin>) {
    let mut streak = Streak::new(&app, "writing the sign-in trace");
    let mut ticks = every(TRACE_EVERY);
    loop {
        ticks.tick().await;
        streak.note(&app.gateways().sign_in_trace.flush_for(Urgency::Program).await);
    }
}
