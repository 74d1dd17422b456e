//! Traces, metrics and logs for a collector, with the OpenTelemetry protocol (OTLP 1.9, protobuf over HTTP). Requests leave what becomes
//! spans in a queue, and jobs send it: no request waits for the collector, and one that is down costs nothing but what is dropped
//! and counted.

mod logs;
mod metrics;
mod resource;
mod sampling;
mod sender;
mod spans;
mod wire;

use std::{fmt, sync::OnceLock, time::Duration};

use bytes::Bytes;
use gatewright_domain::{
    Clock as _, Entropy, Timestamp,
    clock::SystemClock,
    entropy,
    sign_in_attempt::{AttemptHead, StepRecord},
    trace_context::SpanId,
};
use http::Uri;
use tokio::sync::Mutex;

pub use sampling::{Traced, Tracer};
pub use sender::{ExportError, try_out};
pub use spans::RequestSpans;

use self::{
    resource::Resource,
    sender::Sender,
    spans::{Finished, StepSpan},
};
use crate::{
    config::{OtlpConfig, Signal},
    fetch::Fetch,
    request_id::RequestId,
    telemetry::{LogEvents, Telemetry},
    waiting::Waiting,
};

/// Requests and steps that wait to be sent: some 600 bytes each.
const WAITING_MAX: usize = 8_192;
/// The part of it that requests without a known caller can take: anyone can make them.
const STRANGERS: usize = WAITING_MAX / 4;
/// Requests, steps or log events that are sent in one request.
const BATCH: usize = 512;
/// Requests that are sent in one round, so that what comes in meanwhile does not keep it going.
const BATCHES: usize = WAITING_MAX / BATCH;
/// Attempts to send one batch before it is given up: nearly ten minutes.
const ATTEMPTS: u32 = 15;

/// What goes to a collector.
#[derive(Debug)]
pub struct Otlp {
    config: OtlpConfig,
    tracer: Option<Tracer>,
    finished: Waiting<Finished>,
    logs: OnceLock<LogEvents>,
    sender: Sender,
    resource: Resource,
    /// When the process began to count, in nanoseconds since the Unix epoch.
    began: u64,
    channels: [Mutex<Channel>; Signal::ALL.len()],
}

/// One signal on its way.
#[derive(Default)]
struct Channel {
    /// What is being sent, until the collector has accepted it.
    batch: Option<Batch>,
    failures: u32,
}

/// What is sent in one request.
struct Batch {
    body: Bytes,
    items: usize,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.batch.as_ref().map_or(0, |batch| batch.items);
        f.debug_struct("Channel")
            .field("items", &items)
            .finish_non_exhaustive()
    }
}

/// A round that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RoundError {
    #[source]
    error: ExportError,
    /// How long to wait before the next one.
    pub pause: Duration,
}

impl Otlp {
    /// What a configuration asks for; reads headers that are in files.
    pub(crate) fn new(config: &OtlpConfig, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let instance = format!("{:032x}", u128::from_be_bytes(entropy::bytes(entropy)));
        Ok(Self {
            tracer: config
                .sends(Signal::Traces)
                .then(|| Tracer::new(config.sample_ratio, entropy)),
            finished: Waiting::at_most(WAITING_MAX),
            logs: OnceLock::new(),
            sender: Sender::new(config)?,
            resource: Resource::new(config, &instance),
            began: nanos_now(),
            channels: Default::default(),
            config: config.clone(),
        })
    }

    /// Whether this is sent.
    pub fn sends(&self, signal: Signal) -> bool {
        self.config.sends(signal)
    }

    /// How often it is sent.
    pub fn interval(&self, signal: Signal) -> Duration {
        self.config.interval(signal)
    }

    /// What decides which requests are traced; nothing where traces are not sent.
    pub const fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// Sends these log events. The first call counts.
    pub fn take_logs_from(&self, events: LogEvents) {
        let _ = self.logs.set(events);
    }

    /// Adds the spans of a request that has been answered. Never waits.
    pub fn request(&self, spans: RequestSpans) {
        let most = match spans.activity.caller {
            Some(_) => self.finished.most(),
            None => STRANGERS,
        };
        self.finished.push_below(most, Finished::Request(Box::new(spans)));
    }

    /// Adds the span of a step of a sign-in.
    pub fn step(&self, head: &AttemptHead, record: &StepRecord) {
        if self.samples(head) {
            let span = SpanId::of_number(RequestId::next().number());
            let step = StepSpan::of(head, span, Some(record.clone()));
            self.finished.push(Finished::Step(Box::new(step)));
        }
    }

    /// Adds the span of a whole sign-in that has ended, with the reason if it failed.
    pub fn sign_in(&self, head: &AttemptHead, now: Timestamp, failure: Option<&str>) {
        if self.samples(head) {
            let whole = StepSpan {
                took: now.since(head.started_at),
                failure: failure.map(str::to_owned),
                ..StepSpan::of(head, spans::whole_of(head.id), None)
            };
            self.finished.push(Finished::Step(Box::new(whole)));
        }
    }

    fn samples(&self, head: &AttemptHead) -> bool {
        let trace = spans::trace_of(head.id);
        self.tracer.is_some_and(|tracer| tracer.samples(trace))
    }

    /// Sends what waits of a signal. What fails in passing is kept and sent first the next time; what the collector refuses is
    /// dropped and counted.
    pub async fn round(
        &self,
        signal: Signal,
        fetch: &Fetch,
        telemetry: &Telemetry,
    ) -> Result<(), RoundError> {
        let Some(url) = self.config.url(signal).filter(|_| self.sends(signal)) else {
            return Ok(());
        };
        let mut channel = self.channels[signal as usize].lock().await;
        self.count_dropped(signal, telemetry);
        for _ in 0..BATCHES {
            if channel.batch.is_none() {
                channel.batch = self.next(signal, telemetry);
            }
            let Some(batch) = &channel.batch else { break };
            let sent = self.attempt(signal, &url, batch, fetch, telemetry).await;
            match sent {
                Ok(()) => *channel = Channel::default(),
                Err(error) => return Err(channel.fail(error, signal, telemetry)),
            }
            if signal == Signal::Metrics {
                break;
            }
        }
        Ok(())
    }

    async fn attempt(
        &self,
        signal: Signal,
        url: &Uri,
        batch: &Batch,
        fetch: &Fetch,
        telemetry: &Telemetry,
    ) -> Result<(), ExportError> {
        let rejected = self.sender.send(fetch, url, batch.body.clone()).await?;
        let items = u64::try_from(batch.items).unwrap_or(u64::MAX);
        let rejected = rejected.min(items);
        telemetry.count_otlp_sent(signal, items - rejected);
        telemetry.count_otlp_dropped(signal, "rejected", rejected);
        Ok(())
    }

    /// The next batch of a signal; nothing where nothing waits.
    fn next(&self, signal: Signal, telemetry: &Telemetry) -> Option<Batch> {
        let mut items = 0;
        let message = match signal {
            Signal::Traces => {
                let finished = self.finished.take(BATCH);
                self.resource.request(|scope, field| {
                    items = finished.iter().map(|one| one.write(scope, field)).sum();
                })
            }
            Signal::Logs => {
                let events = self.logs.get()?.waiting().take(BATCH);
                items = events.len();
                self.resource
                    .request(|scope, field| logs::write(&events, scope, field))
            }
            Signal::Metrics => {
                let text = telemetry.encode().ok()?;
                let times = (self.began, nanos_now());
                self.resource.request(|scope, field| {
                    items = metrics::write(&text, times, scope, field);
                })
            }
        };
        (items > 0).then(|| Batch {
            body: self.sender.body(message),
            items,
        })
    }

    fn count_dropped(&self, signal: Signal, telemetry: &Telemetry) {
        let dropped = match signal {
            Signal::Traces => self.finished.take_dropped(),
            Signal::Logs => self.logs.get().map_or(0, |logs| logs.waiting().take_dropped()),
            Signal::Metrics => 0,
        };
        telemetry.count_otlp_dropped(signal, "full", dropped);
    }
}

impl Channel {
    fn fail(&mut self, error: ExportError, signal: Signal, telemetry: &Telemetry) -> RoundError {
        self.failures = self.failures.saturating_add(1);
        let pause = error.pause(self.failures);
        let is_over = !error.is_passing() || self.failures.is_multiple_of(ATTEMPTS);
        // Metrics that could not be sent are replaced by those of the next round.
        if is_over || signal == Signal::Metrics {
            let items = self.batch.take().map_or(0, |batch| batch.items);
            let reason = if error.is_passing() { "failed" } else { "refused" };
            telemetry.count_otlp_dropped(signal, reason, u64::try_from(items).unwrap_or(u64::MAX));
        }
        RoundError { error, pause }
    }
}

fn nanos_now() -> u64 {
    u64::try_from(SystemClock.now().as_millis()).unwrap_or_default() * 1_000_000
}

#[cfg(test)]
mod tests;
