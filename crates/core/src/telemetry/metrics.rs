//! Metrics in the Prometheus text format.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use gatewright_domain::{
    activity::Outcome,
    id::{GatewayId, ServerId},
    trace_context::TraceId,
};
use http::StatusCode;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{
    by_outcome::ByOutcome, by_server::ByServer, condition::Condition, streams::StreamMetrics, tls::TlsMetrics,
};
use crate::config::Signal;

/// Upper bounds of the duration histogram, in microseconds.
const BOUNDS_MICROS: [u64; 12] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000, 10_000_000,
];
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The metrics of the process.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    routes: Arc<Routes>,
    /// Connections open now.
    pub connections: Gauge,
    /// The condition of the process.
    pub condition: Condition,
    /// The streams of audit events and requests.
    pub streams: StreamMetrics,
    /// TLS of the listener.
    pub tls: TlsMetrics,
    upstream_errors: ByServer,
    sign_ins: Family<OutcomeLabels, Counter>,
    tokens: Family<OutcomeLabels, Counter>,
    activity_dropped: Family<ReasonLabels, Counter>,
    by_outcome: Arc<ByOutcome>,
    otlp_sent: Family<SignalLabels, Counter>,
    otlp_dropped: Family<DroppedLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    signal: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    signal: &'static str,
    reason: &'static str,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gatewright");
        let routes = Arc::new(Routes::default());
        registry.register_collector(Box::new(Arc::clone(&routes)));
        let by_outcome = Arc::new(ByOutcome::default());
        registry.register_collector(Box::new(Arc::clone(&by_outcome)));
        let telemetry = Self {
            routes,
            connections: Gauge::default(),
            condition: Condition::register(&mut registry),
            streams: StreamMetrics::register(&mut registry),
            tls: TlsMetrics::register(&mut registry),
            upstream_errors: ByServer::default(),
            sign_ins: Family::default(),
            tokens: Family::default(),
            activity_dropped: Family::default(),
            by_outcome,
            otlp_sent: Family::default(),
            otlp_dropped: Family::default(),
            registry: Registry::default(),
        };
        registry.register(
            "connections",
            "Connections open now",
            telemetry.connections.clone(),
        );
        registry.register(
            "upstream_errors",
            "Requests to MCP servers that failed, by server and reason",
            telemetry.upstream_errors.counters(),
        );
        registry.register(
            "sign_ins",
            "Sign-ins at identity providers: begun, and how they ended",
            telemetry.sign_ins.clone(),
        );
        registry.register(
            "tokens",
            "Answers of token endpoints, by outcome",
            telemetry.tokens.clone(),
        );
        registry.register(
            "activity_dropped",
            "Requests that are missing in the activity, by reason",
            telemetry.activity_dropped.clone(),
        );
        registry.register(
            "otlp_sent",
            "Spans, metrics and log records that the collector has accepted, by signal",
            telemetry.otlp_sent.clone(),
        );
        registry.register(
            "otlp_dropped",
            "Spans, metrics and log records that are missing at the collector, by signal and reason",
            telemetry.otlp_dropped.clone(),
        );
        Self {
            registry,
            ..telemetry
        }
    }
}

impl Telemetry {
    /// Counts a finished request and how long its answer's head took.
    pub fn count_request(&self, route: &str, status: Option<u16>, duration: Duration) {
        self.routes.observe(route, status, duration);
        if status == Some(StatusCode::TOO_MANY_REQUESTS.as_u16()) {
            self.condition.count_refused(route);
        }
    }

    /// Counts a failed request to an MCP server: `connect`, `timeout`, `protocol` and the like.
    pub fn count_upstream_error(&self, server: Option<ServerId>, reason: &'static str) {
        self.upstream_errors.count(server, reason);
    }

    /// Forgets what was counted of servers that are not among these.
    pub(crate) fn keep_servers(&self, servers: &HashSet<ServerId>) {
        self.upstream_errors.keep(servers);
        self.condition.broken.keep(servers);
    }

    /// Counts a step of sign-ins: `begun`, `completed`, `refused`, `failed`.
    pub fn count_sign_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts an answer of a token endpoint: `code`, `refresh`, or the error of OAuth.
    pub fn count_token(&self, outcome: &'static str) {
        self.tokens.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts rows of activity that were not written: `full` where they came faster than they could be written, `strangers`
    /// where many requests of no known caller were refused, `failed` where the database refused them for long.
    pub fn count_activity_dropped(&self, reason: &'static str, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.activity_dropped
            .get_or_create(&ReasonLabels { reason })
            .inc_by(rows);
    }

    /// Counts a request of a gateway when its answer has ended, with its trace where that is recorded.
    pub fn count_gateway_request(
        &self,
        gateway: GatewayId,
        outcome: Outcome,
        duration: Duration,
        trace: Option<TraceId>,
    ) {
        self.by_outcome.observe(gateway, outcome, duration, trace);
    }

    /// Forgets what was counted of gateways that are not among these.
    pub(crate) fn keep_gateways(&self, gateways: &HashSet<GatewayId>) {
        self.by_outcome.keep(gateways);
    }

    /// Counts what the collector has accepted of a signal.
    pub(crate) fn count_otlp_sent(&self, signal: Signal, items: u64) {
        let signal = signal.as_str();
        self.otlp_sent
            .get_or_create(&SignalLabels { signal })
            .inc_by(items);
    }

    /// Counts what is missing at the collector: `full` where it came faster than it could be sent, `failed` where it could not
    /// be sent for long, `refused` where the collector did not accept a request, `rejected` what it did not accept of one.
    pub(crate) fn count_otlp_dropped(&self, signal: Signal, reason: &'static str, items: u64) {
        if items > 0 {
            let signal = signal.as_str();
            self.otlp_dropped
                .get_or_create(&DroppedLabels { signal, reason })
                .inc_by(items);
        }
    }

    /// Everything, in the text format.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Requests by route template. Templates are few and known, so the map is copied when one is first seen, and requests
/// take no lock.
#[derive(Debug, Default)]
struct Routes(ArcSwap<HashMap<String, Arc<RouteMetrics>>>);

#[derive(Debug, Default)]
struct RouteMetrics {
    classes: [AtomicU64; CLASSES.len()],
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    micros: AtomicU64,
}

impl Routes {
    fn observe(&self, route: &str, status: Option<u16>, duration: Duration) {
        if let Some(metrics) = self.0.load().get(route) {
            metrics.observe(status, duration);
            return;
        }
        let fresh = Arc::new(RouteMetrics::default());
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known
                .entry(route.to_owned())
                .or_insert_with(|| Arc::clone(&fresh));
            known
        });
        if let Some(metrics) = self.0.load().get(route) {
            metrics.observe(status, duration);
        }
    }
}

impl RouteMetrics {
    fn observe(&self, status: Option<u16>, duration: Duration) {
        let class = status.map_or(0, |status| usize::from(status / 100).min(CLASSES.len() - 1));
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS
            .iter()
            .position(|bound| micros <= *bound)
            .unwrap_or(BOUNDS_MICROS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Collector for Routes {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let known = self.0.load();
        let mut sorted: Vec<_> = known.iter().collect();
        sorted.sort_by_key(|(route, _)| *route);
        let mut counters = encoder.encode_descriptor(
            "http_requests",
            "Requests by route and class of status",
            None,
            MetricType::Counter,
        )?;
        for (route, metrics) in &sorted {
            for (class, count) in CLASSES.iter().zip(&metrics.classes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("route", route.as_str()), ("status", class)];
                    counters
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
            }
        }
        let mut durations = encoder.encode_descriptor(
            "http_request_duration",
            "Time until the head of the answer, by route",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (route, metrics) in &sorted {
            let counts: Vec<u64> = metrics
                .buckets
                .iter()
                .map(|bucket| bucket.load(Ordering::Relaxed))
                .collect();
            let bounds = BOUNDS_MICROS
                .iter()
                .map(|micros| seconds(*micros))
                .chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
            let sum = seconds(metrics.micros.load(Ordering::Relaxed));
            let labels = [("route", route.as_str())];
            durations.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                sum,
                counts.iter().sum(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_class_and_their_time_adds_up() {
        let telemetry = Telemetry::default();
        telemetry.count_request("/mcp/{slug}", Some(200), Duration::from_micros(300));
        telemetry.count_request("/mcp/{slug}", Some(204), Duration::from_mins(1));
        telemetry.count_request("/mcp/{slug}", Some(401), Duration::from_millis(1));
        telemetry.count_request("/mcp/{slug}", None, Duration::from_millis(1));
        telemetry.count_upstream_error(None, "timeout");
        telemetry.count_sign_in("begun");
        let text = telemetry.encode().unwrap();
        for line in [
            "gatewright_http_requests_total{route=\"/mcp/{slug}\",status=\"2xx\"} 2",
            "gatewright_http_requests_total{route=\"/mcp/{slug}\",status=\"4xx\"} 1",
            "gatewright_http_requests_total{route=\"/mcp/{slug}\",status=\"none\"} 1",
            "gatewright_http_request_duration_seconds_count{route=\"/mcp/{slug}\"} 4",
            "gatewright_http_request_duration_seconds_bucket{le=\"0.0005\",route=\"/mcp/{slug}\"} 1",
            "gatewright_http_request_duration_seconds_bucket{le=\"0.001\",route=\"/mcp/{slug}\"} 3",
            "gatewright_http_request_duration_seconds_bucket{le=\"+Inf\",route=\"/mcp/{slug}\"} 4",
            "gatewright_upstream_errors_total{server=\"\",reason=\"timeout\"} 1",
            "gatewright_sign_ins_total{outcome=\"begun\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is missing in:\n{text}"
            );
        }
    }
}
