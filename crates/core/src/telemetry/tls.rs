//! TLS of the listener: the certificate, and handshakes.

use gatewright_domain::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::tls::Standing;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The measures of TLS. Without TLS there are none.
#[derive(Debug, Default)]
pub struct TlsMetrics {
    expiry: Family<SourceLabels, Gauge>,
    failing: Family<SourceLabels, Gauge>,
    handshakes: Family<OutcomeLabels, Counter>,
}

impl TlsMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register_with_unit(
            "tls_certificate_expiry_timestamp",
            "When the certificate of the listener expires, since 1970; 0 while there is none",
            Unit::Seconds,
            metrics.expiry.clone(),
        );
        registry.register(
            "tls_certificate_failing",
            "1 while clients refuse the certificate of the listener, or a newer one cannot be used or ordered",
            metrics.failing.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes with clients, by outcome",
            metrics.handshakes.clone(),
        );
        metrics
    }

    /// Counts a handshake: `ok`, `failed`, `timeout`, `displaced` by newer ones, or `plain` if the client did not use TLS.
    pub fn count_handshake(&self, outcome: &'static str) {
        self.handshakes.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Sets the gauges to what is so now.
    pub(crate) fn show(&self, standing: &Standing, now: Timestamp) {
        let labels = SourceLabels {
            source: standing.source,
        };
        let expiry = standing
            .validity
            .map_or(0, |validity| validity.not_after.as_seconds());
        self.expiry.get_or_create(&labels).set(expiry);
        self.failing
            .get_or_create(&labels)
            .set((!standing.is_good(now)).into());
    }
}
