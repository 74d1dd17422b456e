//! Which requests are traced, and the IDs of their spans.

use std::time::Duration;

use gatewright_domain::{
    Entropy,
    entropy::bytes,
    trace_context::{SpanId, TraceContext, TraceId},
};

/// The bits of a trace ID that decide, where no caller has: they are random (W3C Trace Context level 2, section 3.2.2.3).
const DECIDING_BITS: u32 = 56;

/// Decides which requests are traced. It keeps nothing: one request always has the same trace.
#[derive(Debug, Clone, Copy)]
pub struct Tracer {
    /// Traces whose deciding bits are below this are recorded.
    below: u64,
    /// What makes the trace IDs of this process different from those of others.
    seeds: [u64; 2],
}

/// The trace of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// The trace, and the request's own span.
    pub own: TraceContext,
    /// The span of its caller.
    pub parent: Option<SpanId>,
}

impl Tracer {
    /// Records this share of the traces that begin here, from 0 to 1.
    pub(super) fn new(ratio: f64, entropy: &dyn Entropy) -> Self {
        // As a part of a billion, which is exact enough.
        let parts = Duration::from_secs_f64(ratio.clamp(0.0, 1.0)).as_nanos();
        let below = (parts << DECIDING_BITS) / Duration::from_secs(1).as_nanos();
        Self {
            below: u64::try_from(below).unwrap_or(u64::MAX),
            seeds: [0; 2].map(|_: i32| u64::from_be_bytes(bytes(entropy))),
        }
    }

    /// The trace of a request by its number, and by what its caller says of it.
    pub fn request(&self, number: u64, caller: Option<TraceContext>) -> Traced {
        let span = SpanId::of_number(number);
        if let Some(caller) = caller {
            return Traced {
                own: caller.within(span),
                parent: Some(caller.span),
            };
        }
        let [upper, lower] = self.seeds.map(|seed| scramble(number ^ seed));
        let number = u128::from(upper) << 64 | u128::from(lower);
        let trace = TraceId::of_number(number);
        Traced {
            own: TraceContext::new(trace, span, self.samples(trace)),
            parent: None,
        }
    }

    /// Whether a trace that begins here is recorded.
    pub fn samples(&self, trace: TraceId) -> bool {
        trace.lower_half() & ((1 << DECIDING_BITS) - 1) < self.below
    }
}

/// The finisher of `SplitMix64`: every bit of the number touches every bit of the result.
const fn scramble(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use gatewright_domain::entropy::SeededEntropy;

    use super::*;
    use crate::request::RequestId;

    fn share(ratio: f64) -> usize {
        let tracer = Tracer::new(ratio, &SeededEntropy::new(1));
        let numbers = (0..10_000).map(|_| RequestId::next().number());
        numbers
            .filter(|number| tracer.request(*number, None).own.is_sampled())
            .count()
    }

    #[test]
    fn the_configured_share_of_traces_is_recorded() {
        assert_eq!(share(0.0), 0);
        assert_eq!(share(1.0), 10_000);
        let tenth = share(0.1);
        assert!((800..1_200).contains(&tenth), "{tenth}");
    }

    #[test]
    fn a_caller_decides_and_its_trace_goes_on() {
        let tracer = Tracer::new(0.0, &SeededEntropy::new(1));
        let caller = TraceContext::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let request = tracer.request(0xabc, caller);
        assert_eq!(
            request.own.to_string(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01"
        );
        assert_eq!(request.parent, caller.map(|caller| caller.span));
        let silent = TraceContext::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
        let tracer = Tracer::new(1.0, &SeededEntropy::new(1));
        assert!(!tracer.request(0xabc, silent).own.is_sampled());
    }

    #[test]
    fn a_request_has_one_trace_and_another_process_another() {
        let [one, other] = [1, 2].map(|seed| Tracer::new(1.0, &SeededEntropy::new(seed)));
        assert_eq!(one.request(7, None), one.request(7, None));
        assert_ne!(one.request(7, None).own.trace, one.request(8, None).own.trace);
        assert_ne!(one.request(7, None).own.trace, other.request(7, None).own.trace);
        assert_eq!(one.request(7, None).own.span.to_string(), "0000000000000007");
    }
}
