//! Delivery: each active stream has a place, from which one process at a time reads the next batch, sends it, and notes that it has
//! arrived. A batch whose arrival is not known is sent again, so a record may arrive twice, and none is left out.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gatewright_core::streams::SinkError;
use gatewright_domain::{
    Entropy, entropy,
    id::StreamId,
    stream::{Stream, StreamState},
};
use gatewright_store::{
    StoreError,
    activity::{self, Place},
    stream as rows, stream_state,
};
use tokio::task::JoinSet;

use super::{
    super::watch,
    Standing, add_activity,
    batch::{Batch, RECORDS_MAX},
    is_active, sink, standing,
};
use crate::Admin;

/// How long a process has a stream for one batch. Sending takes less.
const TERM: Duration = Duration::from_secs(30);
/// Batches sent in one round.
const BATCHES: usize = 100;
/// The longest pause after a failed attempt, if the receiver does not ask for a longer one.
const PAUSE_MAX: Duration = Duration::from_mins(5);
/// Characters of a failure that are kept.
const WORDS_MAX: usize = 500;

/// Who this process is to the store, and which streams it sends.
#[derive(Debug)]
pub struct Streams {
    holder: String,
    /// Those that failed when they were last tried, so that the log tells of the first failure and of the end.
    failing: Mutex<HashSet<StreamId>>,
}

impl Streams {
    /// A name that no other process has.
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        Self {
            holder: format!("{:032x}", u128::from_be_bytes(entropy::bytes(entropy))),
            failing: Mutex::default(),
        }
    }

    /// Notes whether a stream fails; `true` if that is new.
    fn note(&self, id: StreamId, fails: bool) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if fails {
            failing.insert(id)
        } else {
            failing.remove(&id)
        }
    }
}

/// Sends all streams, each in a task of its own: a receiver that hangs keeps no other waiting. Dropped, it stops.
#[derive(Debug)]
pub struct Runner {
    app: Arc<Admin>,
    tasks: JoinSet<(StreamId, Result<(), StoreError>)>,
    running: HashSet<StreamId>,
}

impl Runner {
    /// One that has not begun.
    pub fn new(app: Arc<Admin>) -> Self {
        Self {
            app,
            tasks: JoinSet::new(),
            running: HashSet::new(),
        }
    }

    /// Begins a round of each stream that has something to send and is not in one; returns the failure of one that has ended.
    ///
    /// # Errors
    ///
    /// If the store failed, here or in a round.
    pub async fn look(&mut self) -> Result<(), StoreError> {
        let mut ended = Ok(());
        while let Some(task) = self.tasks.try_join_next() {
            if let Ok((id, result)) = task {
                self.running.remove(&id);
                ended = ended.and(result);
            }
        }
        if self.tasks.is_empty() {
            // One that panicked has no name.
            self.running.clear();
        }
        for id in due(&self.app).await? {
            if self.running.insert(id) {
                let app = Arc::clone(&self.app);
                self.tasks.spawn(async move { (id, round(&app, id).await) });
            }
        }
        ended
    }
}

/// The streams that have something to send now, as far as this process may send them. Shows in the metrics how far each is behind.
async fn due(app: &Admin) -> Result<Vec<StreamId>, StoreError> {
    let authority = watch::ourselves();
    let Some((reading, _)) = watch::permits(&authority) else {
        return Ok(Vec::new());
    };
    let now = app.now();
    let mut tx = app.store.read(reading).await?;
    let streams = rows::list(&mut tx).await?;
    let mut places = Vec::new();
    for stream in streams.iter().filter(|stream| stream.activity) {
        places.push(stream_state::activity_place(&mut tx, stream.id).await?);
    }
    let mut standings = Vec::new();
    for stream in streams.into_iter().filter(is_active) {
        let is_elsewhere =
            stream_state::is_held_elsewhere(&mut tx, stream.id, &app.streams.holder, now).await?;
        standings.push((standing(&mut tx, stream).await.map_err(of_store)?, is_elsewhere));
    }
    drop(tx);
    renew(app, &places).await?;
    let metrics = &app.telemetry.streams;
    metrics.keep(&standings.iter().map(|(standing, _)| standing.stream.id).collect());
    let mut due = Vec::new();
    for (mut standing, is_elsewhere) in standings {
        add_activity(app, &authority, &mut standing)
            .await
            .map_err(of_store)?;
        let Standing { stream, state, lag } = standing;
        let age = lag.oldest_at.map(|at| now.since(at)).unwrap_or_default();
        metrics.show(stream.id, lag.events, age);
        if lag.events > 0 && state.next_attempt_at <= now && !is_elsewhere {
            due.push(stream.id);
        }
    }
    Ok(due)
}

/// Begins another numbering of requests if a place is beyond the last number: then the numbers began again, and every stream must notice,
/// also one that is inactive or fails until numbers have passed its place.
async fn renew(app: &Admin, places: &[Place]) -> Result<(), StoreError> {
    let authority = watch::ourselves();
    let Some((reading, writing)) = watch::permits(&authority) else {
        return Ok(());
    };
    if places.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.read_activity(reading).await?;
    let end = activity::end(&mut tx).await?;
    drop(tx);
    let is_beyond = |place: &Place| place.row > end.row && [0, end.generation].contains(&place.generation);
    if places.iter().any(is_beyond) {
        let number = i64::from_be_bytes(entropy::bytes(app.entropy.as_ref()));
        app.store
            .renew_activity(writing, end.generation, (number & i64::MAX).max(1))
            .await?;
        tracing::error!(
            "the numbers of requests began again: the activity was restored from a backup or lost"
        );
    }
    Ok(())
}

/// The program itself is refused nothing, so only the store can fail.
fn of_store(error: super::ServiceError) -> StoreError {
    match error {
        super::ServiceError::Store(error) => error,
        _ => StoreError::Busy,
    }
}

/// Sends what a stream has to send, batch by batch, until there is nothing left or one fails.
async fn round(app: &Admin, id: StreamId) -> Result<(), StoreError> {
    for _ in 0..BATCHES {
        if !send_batch(app, id).await? {
            break;
        }
    }
    Ok(())
}

/// Sends the next batch of a stream; whether there may be another one to send now.
async fn send_batch(app: &Admin, id: StreamId) -> Result<bool, StoreError> {
    let authority = watch::ourselves();
    let Some((_, writing)) = watch::permits(&authority) else {
        return Ok(false);
    };
    let now = app.now();
    let holder = &app.streams.holder;
    let mut tx = app.store.write(writing).await?;
    let is_ours = stream_state::hold(&mut tx, id, holder, now, now.plus(TERM)).await?;
    let stream = rows::find(&mut tx, id).await?;
    let state = stream_state::find(&mut tx, id).await?;
    tx.commit().await?;
    let (Some(stream), Some(state)) = (stream, state) else {
        return Ok(false);
    };
    if !is_ours || !is_active(&stream) || state.next_attempt_at > now {
        return Ok(false);
    }
    // Read after the stream is ours: what another process has sent is not read again.
    let batch = Batch::gather(app, &stream, records_of(&state)).await?;
    if batch.is_empty() {
        return Ok(false);
    }
    let sent = match sink(app, &stream) {
        Ok(sink) if !batch.records.is_empty() => sink.deliver(&app.fetch, &batch.records, now).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => arrived(app, &stream, &batch)
            .await
            .map(|noted| noted && batch.is_full),
        Err(error) => failed(app, &stream, &state, &error).await.map(|()| false),
    }
}

/// Records of the next batch: the same as in the last attempt after one failure, and fewer after each further one. A receiver that
/// cannot handle a large batch gets a smaller one, and one that is away costs little.
fn records_of(state: &StreamState) -> usize {
    (RECORDS_MAX >> state.failed.saturating_sub(1).min(9)).max(1)
}

async fn arrived(app: &Admin, stream: &Stream, batch: &Batch) -> Result<bool, StoreError> {
    let authority = watch::ourselves();
    let Some((_, writing)) = watch::permits(&authority) else {
        return Ok(false);
    };
    let progress = &batch.progress;
    let mut tx = app.store.write(writing).await?;
    let holder = &app.streams.holder;
    if !stream_state::advance(&mut tx, stream, holder, app.now(), progress).await? {
        return Ok(false);
    }
    tx.commit().await?;
    app.telemetry
        .streams
        .count(stream.id, progress.delivered, progress.lost);
    if progress.lost > 0 {
        tracing::error!(
            stream = %stream.id,
            lost = progress.lost,
            "records were deleted before a stream could send them"
        );
    }
    if app.streams.note(stream.id, false) {
        tracing::info!(stream = %stream.id, "a stream delivers again");
    }
    Ok(true)
}

async fn failed(
    app: &Admin,
    stream: &Stream,
    state: &StreamState,
    error: &SinkError,
) -> Result<(), StoreError> {
    let authority = watch::ourselves();
    let Some((_, writing)) = watch::permits(&authority) else {
        return Ok(());
    };
    let now = app.now();
    let mut spread = [0; 4];
    app.entropy.fill(&mut spread);
    let pause = pause_after(state.failed + 1, u32::from_be_bytes(spread));
    let pause = error.pause().map_or(pause, |asked| pause.max(asked));
    let why: String = error.to_string().chars().take(WORDS_MAX).collect();
    app.telemetry.streams.count_failure(stream.id);
    if app.streams.note(stream.id, true) {
        tracing::warn!(stream = %stream.id, why, again_in = ?pause, "a stream could not deliver; it is tried again");
    }
    let mut tx = app.store.write(writing).await?;
    let (holder, next) = (&app.streams.holder, now.plus(pause));
    stream_state::fail(&mut tx, stream.id, holder, now, &why, next).await?;
    tx.commit().await
}

/// The pause after this many failed attempts: two seconds, doubled each time up to five minutes. `spread`, any number, makes it up to a
/// fifth longer.
fn pause_after(failed: u32, spread: u32) -> Duration {
    let pause = Duration::from_secs(1 << failed.min(9)).min(PAUSE_MAX);
    pause + pause / 5 * (spread % 1_000) / 1_000
}

/// Returns the streams of this process, because it stops: another one can go on immediately.
///
/// # Errors
///
/// If the store failed.
pub async fn release(app: &Admin) -> Result<(), StoreError> {
    let authority = watch::ourselves();
    let Some((_, writing)) = watch::permits(&authority) else {
        return Ok(());
    };
    let mut tx = app.store.write(writing).await?;
    stream_state::release(&mut tx, &app.streams.holder).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests;
