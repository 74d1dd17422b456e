//! How long requests of gateways take, by gateway and outcome, with an exemplar for each bucket: the trace of a request that was in it.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use gatewright_domain::{
    Clock as _, activity::Outcome, clock::SystemClock, id::GatewayId, trace_context::TraceId,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, exemplar::HistogramWithExemplars},
    registry::Unit,
};

/// Upper bounds of the histogram, in seconds: coarser than those by route, because there is one for each gateway.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.01, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];
/// Pairs of a gateway and an outcome that are counted by themselves: those of a thousand gateways. Requests of further ones are counted
/// without the gateway.
const SERIES_MAX: usize = 8_000;

/// The label that an exemplar has.
type TraceLabel = [(&'static str, String); 1];
type Histograms = HashMap<(Option<GatewayId>, Outcome), Arc<HistogramWithExemplars<TraceLabel>>>;

/// Histograms by gateway and outcome. The map is copied when a pair is first seen.
#[derive(Debug, Default)]
pub(super) struct ByOutcome(ArcSwap<Histograms>);

impl ByOutcome {
    /// Counts a request, with its trace where that is recorded.
    pub(super) fn observe(
        &self,
        gateway: GatewayId,
        outcome: Outcome,
        duration: Duration,
        trace: Option<TraceId>,
    ) {
        let known = self.0.load();
        let histogram = match known.get(&(Some(gateway), outcome)) {
            Some(histogram) => Arc::clone(histogram),
            None => self.first_seen(gateway, outcome),
        };
        let now = || {
            // The library takes the type of the standard library.
            let millis = u64::try_from(SystemClock.now().as_millis()).unwrap_or_default();
            trace.map(|_| UNIX_EPOCH + Duration::from_millis(millis))
        };
        let label = trace.map(|trace| [("trace_id", trace.to_string())]);
        histogram.observe(duration.as_secs_f64(), label, now());
    }

    fn first_seen(&self, gateway: GatewayId, outcome: Outcome) -> Arc<HistogramWithExemplars<TraceLabel>> {
        let fresh = Arc::new(HistogramWithExemplars::new(BOUNDS.into_iter()));
        let mut found = Arc::clone(&fresh);
        self.0.rcu(|known| {
            let mut known = Histograms::clone(known);
            let is_full = known.len() >= SERIES_MAX;
            let key = (Some(gateway).filter(|_| !is_full), outcome);
            found = Arc::clone(known.entry(key).or_insert_with(|| Arc::clone(&fresh)));
            known
        });
        found
    }

    /// Forgets all gateways but these.
    pub(super) fn keep(&self, gateways: &HashSet<GatewayId>) {
        let stays = |gateway: &Option<GatewayId>| gateway.is_none_or(|gateway| gateways.contains(&gateway));
        if self.0.load().keys().any(|(gateway, _)| !stays(gateway)) {
            self.0.rcu(|known| {
                let mut known = Histograms::clone(known);
                known.retain(|(gateway, _), _| stays(gateway));
                known
            });
        }
    }
}

impl Collector for ByOutcome {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let known = self.0.load();
        let mut sorted: Vec<_> = known.iter().collect();
        sorted.sort_by_key(|((gateway, outcome), _)| (*gateway, outcome.as_str()));
        let mut family = encoder.encode_descriptor(
            "gateway_request_duration",
            "Time until the end of the answer, by gateway and outcome",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for ((gateway, outcome), histogram) in sorted {
            let gateway = gateway.map_or_else(String::new, |gateway| gateway.to_string());
            let labels = [("gateway", gateway.as_str()), ("outcome", outcome.as_str())];
            histogram.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    #[test]
    fn requests_are_counted_by_gateway_and_outcome_with_an_exemplar() {
        let telemetry = Telemetry::default();
        let gateway = GatewayId::of_number(7);
        let trace = TraceId::of_number(9);
        let count = |outcome, millis, trace| {
            telemetry.count_gateway_request(gateway, outcome, Duration::from_millis(millis), trace);
        };
        count(Outcome::Ok, 2, Some(trace));
        count(Outcome::Ok, 2, None);
        count(Outcome::Unavailable, 70_000, None);
        let text = telemetry.encode().unwrap();
        let series = |suffix: &str, le: &str, outcome: &str| {
            format!(
                "gatewright_gateway_request_duration_seconds{suffix}{{{le}gateway=\"{gateway}\",outcome=\"{outcome}\"}}"
            )
        };
        let found = |series: String| {
            text.lines()
                .find(|line| line.starts_with(&series))
                .unwrap()
                .to_owned()
        };
        let bucket = found(series("_bucket", "le=\"0.0025\",", "ok"));
        assert!(
            bucket.contains(&format!("}} 2 # {{trace_id=\"{trace}\"}} 0.002 ")),
            "{bucket}"
        );
        assert!(found(series("_count", "", "unavailable")).ends_with(" 1"));
        telemetry.keep_gateways(&HashSet::from([gateway]));
        assert!(telemetry.encode().unwrap().contains(&gateway.to_string()));
        telemetry.keep_gateways(&HashSet::new());
        assert!(!telemetry.encode().unwrap().contains(&gateway.to_string()));
    }

    #[test]
    fn gateways_beyond_the_limit_are_counted_together() {
        let counted = ByOutcome::default();
        for number in 0..u128::try_from(SERIES_MAX).unwrap() + 3 {
            counted.observe(GatewayId::of_number(number), Outcome::Ok, Duration::ZERO, None);
        }
        let known = counted.0.load();
        assert_eq!(known.len(), SERIES_MAX + 1);
        assert!(known.contains_key(&(None, Outcome::Ok)));
    }
}
