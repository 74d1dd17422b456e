//! Streams, by their IDs: how far they are behind, and what arrived. They are few, and deleted ones are forgotten.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use gatewright_domain::id::StreamId;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    stream: String,
}

/// The measures of streams.
#[derive(Debug, Default)]
pub struct StreamMetrics {
    waiting: Family<Labels, Gauge>,
    age: Family<Labels, Gauge<f64, AtomicU64>>,
    delivered: Family<Labels, Counter>,
    lost: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    known: Mutex<HashSet<StreamId>>,
}

impl StreamMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "stream_waiting",
            "Records that wait to be sent by a stream, at most",
            metrics.waiting.clone(),
        );
        registry.register_with_unit(
            "stream_lag",
            "Since the oldest record that waits happened, by stream",
            Unit::Seconds,
            metrics.age.clone(),
        );
        registry.register(
            "stream_delivered",
            "Records that arrived, by stream",
            metrics.delivered.clone(),
        );
        registry.register(
            "stream_lost",
            "Records that were deleted before a stream could send them, by stream",
            metrics.lost.clone(),
        );
        registry.register(
            "stream_failures",
            "Attempts to send that failed, by stream",
            metrics.failures.clone(),
        );
        metrics
    }

    fn labels(&self, id: StreamId) -> Labels {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id);
        Labels {
            stream: id.to_string(),
        }
    }

    /// Shows how far a stream is behind.
    pub fn show(&self, id: StreamId, waiting: i64, age: Duration) {
        let labels = self.labels(id);
        self.waiting.get_or_create(&labels).set(waiting);
        self.age.get_or_create(&labels).set(age.as_secs_f64());
        // So that they are there, as zero, from the beginning.
        for counter in [&self.delivered, &self.lost, &self.failures] {
            drop(counter.get_or_create(&labels));
        }
    }

    /// Counts records that arrived, and those that were found to be lost.
    pub fn count(&self, id: StreamId, delivered: i64, lost: i64) {
        let labels = self.labels(id);
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        self.delivered.get_or_create(&labels).inc_by(number(delivered));
        self.lost.get_or_create(&labels).inc_by(number(lost));
    }

    /// Counts an attempt that failed.
    pub fn count_failure(&self, id: StreamId) {
        self.failures.get_or_create(&self.labels(id)).inc();
    }

    /// Forgets all streams but these.
    pub fn keep(&self, streams: &HashSet<StreamId>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id| {
            let stays = streams.contains(id);
            if !stays {
                let labels = Labels {
                    stream: id.to_string(),
                };
                self.waiting.remove(&labels);
                self.age.remove(&labels);
                for counter in [&self.delivered, &self.lost, &self.failures] {
                    counter.remove(&labels);
                }
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_stream_is_forgotten_and_no_other() {
        let mut registry = Registry::default();
        let metrics = StreamMetrics::register(&mut registry);
        let (stays, goes) = (StreamId::of_number(1), StreamId::of_number(2));
        for id in [stays, goes] {
            metrics.show(id, 3, Duration::from_secs(7));
            metrics.count(id, 2, 1);
            metrics.count_failure(id);
        }
        metrics.keep(&HashSet::from([stays]));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(!text.contains(&goes.to_string()), "{text}");
        for (name, value) in [
            ("stream_waiting", "3"),
            ("stream_lag_seconds", "7.0"),
            ("stream_delivered_total", "2"),
            ("stream_lost_total", "1"),
            ("stream_failures_total", "1"),
        ] {
            let line = format!("{name}{{stream=\"{stays}\"}} {value}");
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
