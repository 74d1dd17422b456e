//! The trace of a request to a gateway, and the spans that it leaves for a collector.

use gatewright_core::{
    Core,
    otlp::{RequestSpans, Traced},
    telemetry::{AskedFor, RequestRecord, Sending},
};
use gatewright_domain::{
    activity::Activity,
    trace_context::{NamedTrace, SpanId, TraceId},
};

use super::GATEWAY_ROUTE;
use crate::request::RequestId;

/// The trace of a request, or of one message of a batch.
pub(super) struct Trace<'a> {
    named: Option<&'a NamedTrace>,
    /// Its span, where spans are recorded.
    sampled: Option<Traced>,
}

impl<'a> Trace<'a> {
    /// What a message names goes over what the headers do, because servers read it like that.
    pub(super) fn of(core: &Core, record: &'a RequestRecord, asked: Option<&'a AskedFor>) -> Self {
        let in_message = asked.and_then(|asked| asked.named.as_ref());
        let named = in_message.or_else(|| record.notes().named.get());
        let traced = core.otlp.tracer().map(|tracer| {
            let context = named.map(|named| named.context);
            tracer.request(record.id().number(), context)
        });
        Self {
            named,
            sampled: traced.filter(|traced| traced.own.is_sampled()),
        }
    }

    /// Its ID, where its client named it or where it is recorded.
    pub(super) fn id(&self) -> Option<TraceId> {
        let recorded = self.sampled.map(|traced| traced.own.trace);
        recorded.or_else(|| self.named.map(|named| named.context.trace))
    }

    /// Its ID, where it is recorded.
    pub(super) fn recorded(&self) -> Option<TraceId> {
        self.sampled.map(|traced| traced.own.trace)
    }

    /// The spans of its request, where they are recorded.
    pub(super) fn spans(
        &self,
        row: &Activity,
        asked: Option<&AskedFor>,
        record: &RequestRecord,
        status: Option<u16>,
    ) -> Option<RequestSpans> {
        let mut traced = self.sampled?;
        if record.notes().batch.get().is_some() {
            // The ID of the request is the span of one message only.
            traced.own = traced.own.within(SpanId::of_number(RequestId::next().number()));
        }
        Some(RequestSpans {
            activity: row.clone(),
            traced,
            state: self.named.and_then(|named| named.state.clone()),
            status,
            route: GATEWAY_ROUTE,
            sending: asked.map_or(Sending::NOT_SENT, |asked| asked.sending),
            message_id: asked.and_then(|asked| asked.id.clone()),
            server: record.server_entry().cloned(),
        })
    }
}
