//! The queue, and how it is written.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use gatewright_domain::{
    Entropy, Timestamp,
    activity::{Activity, RecordedArguments},
    entropy,
    gateway::Redaction,
    id::GatewayId,
};
use gatewright_store::{Store, StoreError, activity as rows};
use tokio::sync::{Mutex, Notify, mpsc};

use crate::{
    recorded_body::{Budget, HeldArguments, HeldBody},
    telemetry::Telemetry,
};

/// Rows that may wait: some 300 bytes each, a second of what one process can serve. Beyond it they are dropped, because no
/// request may wait for its row.
const QUEUE: usize = 16_384;
/// Rows written in one transaction: few enough that replicas, which write one after the other, take turns quickly.
const BATCH: usize = 2_000;
/// Bytes of bodies whose arguments are read for one batch, and one more body: some milliseconds of work.
const BODIES: usize = 1024 * 1024;
/// Rows of requests that were refused before anyone was known, for each gateway and minute: anyone can make them.
const STRANGERS_MAX: u32 = 30;
/// Attempts to write one batch, once a second, before it is given up: the queue behind it is full by then in any case.
pub(super) const ATTEMPTS: u32 = 300;

/// Rows that wait to be written.
#[derive(Debug)]
pub struct Recorder {
    is_on: bool,
    sender: mpsc::Sender<Queued>,
    /// Bodies whose arguments are to be recorded.
    bodies: Budget,
    /// One writes at a time.
    writing: Mutex<Writing>,
    /// Told once when the queue is half full.
    filling: Notify,
    strangers: std::sync::Mutex<Strangers>,
}

/// A row on its way, with its arguments if they are recorded.
#[derive(Debug)]
struct Queued {
    row: Activity,
    arguments: Option<HeldArguments>,
}

/// Rows that are written together, and the arguments of some of them by their place.
#[derive(Debug, Default)]
struct Batch {
    rows: Vec<Activity>,
    arguments: Vec<(usize, RecordedArguments)>,
}

#[derive(Debug)]
struct Writing {
    receiver: mpsc::Receiver<Queued>,
    /// Names this process to the store.
    writer: Arc<str>,
    /// The batch that is being written. It is kept until it is known to be committed, and its number tells the store if it
    /// was, where the answer to that got lost.
    batch: Arc<Batch>,
    number: i64,
    failures: u32,
}

/// Rows of requests without a known caller, in one minute.
#[derive(Debug, Default)]
struct Strangers {
    minute: i64,
    rows: HashMap<GatewayId, u32>,
}

impl Recorder {
    /// An empty queue; one that is off takes nothing.
    pub(crate) fn new(is_on: bool, entropy: &dyn Entropy) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = format!("{:016x}", u64::from_be_bytes(entropy::bytes(entropy)));
        Self {
            is_on,
            sender,
            bodies: Budget::default(),
            writing: Mutex::new(Writing {
                receiver,
                writer: writer.into(),
                batch: Arc::default(),
                number: 0,
                failures: 0,
            }),
            filling: Notify::new(),
            strangers: std::sync::Mutex::default(),
        }
    }

    /// Whether activity is recorded at all.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Keeps a body until its arguments are recorded. Nothing if that is too much; then the row is written without them, which is
    /// counted.
    pub fn hold(&self, body: &Bytes, redaction: &Arc<Redaction>, telemetry: &Telemetry) -> Option<HeldBody> {
        let held = self.is_on.then(|| self.bodies.hold(body, redaction))?;
        if held.is_none() {
            telemetry.count_activity_dropped("arguments", 1);
        }
        held
    }

    /// Adds a row to the queue. Never waits; a full queue drops it and counts that.
    pub fn record(&self, activity: Activity, telemetry: &Telemetry) {
        self.record_with(activity, None, telemetry);
    }

    /// The same with the arguments of the request.
    pub fn record_with(&self, activity: Activity, arguments: Option<HeldArguments>, telemetry: &Telemetry) {
        if !self.is_on {
            return;
        }
        // Without a lock for callers who are known.
        if activity.caller.is_none() && !self.admits_stranger(activity.gateway_id, activity.at) {
            telemetry.count_activity_dropped("strangers", 1);
            return;
        }
        let row = activity;
        if self.sender.try_send(Queued { row, arguments }).is_err() {
            telemetry.count_activity_dropped("full", 1);
        } else if self.sender.capacity() == QUEUE / 2 {
            self.filling.notify_one();
        }
    }

    fn admits_stranger(&self, gateway: GatewayId, at: Timestamp) -> bool {
        let minute = at.as_seconds().div_euclid(60);
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.minute != minute {
            strangers.minute = minute;
            strangers.rows.clear();
        }
        let rows = strangers.rows.entry(gateway).or_default();
        *rows += 1;
        *rows <= STRANGERS_MAX
    }

    /// Waits until the queue is half full.
    pub async fn filling(&self) {
        self.filling.notified().await;
    }

    /// Writes what was recorded since the last time; returns how many rows. The job and an orderly shutdown call this. A batch
    /// that fails is tried again the next time, and is never written twice.
    pub async fn flush(&self, store: &Store, telemetry: &Telemetry) -> Result<usize, StoreError> {
        let mut writing = self.writing.lock().await;
        let mut written = 0;
        while writing.take() {
            let batch = Arc::clone(&writing.batch);
            match write(store, &writing).await {
                Ok(()) => written += batch.rows.len(),
                Err(error) if writing.failures < ATTEMPTS => {
                    writing.failures += 1;
                    return Err(error);
                }
                Err(error) => {
                    telemetry.count_activity_dropped("failed", batch.rows.len());
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        rows = batch.rows.len(),
                        "a batch of activity could not be written and is dropped"
                    );
                }
            }
            writing.batch = Arc::default();
            writing.failures = 0;
        }
        Ok(written)
    }
}

impl Writing {
    /// Takes the next batch, unless there is one that must be tried again; whether there is one.
    fn take(&mut self) -> bool {
        if !self.batch.rows.is_empty() {
            return true;
        }
        let mut batch = Batch {
            rows: Vec::with_capacity(self.receiver.len().min(BATCH)),
            arguments: Vec::new(),
        };
        let mut bodies = 0;
        while batch.rows.len() < BATCH
            && bodies <= BODIES
            && let Ok(Queued { row, arguments }) = self.receiver.try_recv()
        {
            if let Some(held) = arguments {
                bodies += held.bytes();
                let recorded = held.recorded(row.kind);
                batch
                    .arguments
                    .extend(recorded.map(|recorded| (batch.rows.len(), recorded)));
            }
            batch.rows.push(row);
        }
        self.number += i64::from(!batch.rows.is_empty());
        self.batch = Arc::new(batch);
        !self.batch.rows.is_empty()
    }
}

async fn write(store: &Store, writing: &Writing) -> Result<(), StoreError> {
    let (writer, number, batch) = (
        Arc::clone(&writing.writer),
        writing.number,
        Arc::clone(&writing.batch),
    );
    let activity = store.activity();
    let work = activity.transact(move |tx| {
        Box::pin(async move {
            let at = batch.rows.last().map(|row| row.at).unwrap_or_default();
            if rows::claim_batch(tx, &writer, number, at).await? {
                let first = rows::write_batch(tx, &batch.rows).await?;
                rows::write_arguments(tx, &batch.rows, first, &batch.arguments).await?;
            }
            Ok(())
        })
    });
    work.await
}
