//! The trace that a request takes along to a server (W3C Trace Context).

use std::sync::Arc;

use gatewright_domain::trace_context::{SpanId, TraceContext};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::{scan::Span, splice::Splice};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace that a request takes along.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The trace, and what the server's span is to be in.
    pub context: TraceContext,
    /// The `tracestate`.
    pub state: Option<Arc<str>>,
    /// The span of the attempt, where one is recorded here. Without it the server learns what the client said.
    pub span: Option<SpanId>,
}

/// The same for one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    /// The trace.
    pub(crate) carried: &'a Carried,
    /// Where the client's `traceparent` stands in its message, where it does.
    pub(crate) at: Option<Span>,
}

impl Sent<'_> {
    /// Puts the span of the attempt where the client named its own. Without one, the message stays as it came.
    pub(super) fn edit(&self, splice: &mut Splice<'_>) {
        if let Some(at) = self.at
            && self.carried.span.is_some()
        {
            splice.replace_string(at, &self.carried.context.to_string());
        }
    }

    /// Writes the headers, in place of those that an administrator configured.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.remove(TRACESTATE);
        for (name, value) in self.headers() {
            headers.insert(name, value);
        }
    }

    /// The headers.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let Carried { context, state, .. } = self.carried;
        // The text forms have only characters that headers can have.
        let parent = HeaderValue::try_from(context.to_string()).ok();
        let state = state.as_ref().and_then(|state| HeaderValue::from_str(state).ok());
        let headers = [(TRACEPARENT, parent), (TRACESTATE, state)];
        headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}
