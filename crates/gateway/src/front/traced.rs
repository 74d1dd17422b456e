//! The trace of a request to a gateway, and the spans that it leaves for a collector.

use std::sync::Arc;

use gatewright_core::{
    Core,
    directory::ServerEntry,
    otlp::{RequestSpans, Traced},
    telemetry::{AskedFor, RequestRecord, Sending},
};
use gatewright_domain::{
    activity::Activity,
    id::ServerId,
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
        core: &Core,
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
        let directory = core.directory.current().ok();
        let known = directory
            .as_ref()
            .map_or(&[][..], |directory| directory.servers());
        Some(RequestSpans {
            activity: row.clone(),
            traced,
            state: self.named.and_then(|named| named.state.clone()),
            status,
            route: GATEWAY_ROUTE,
            sending: asked.map_or(Sending::NOT_SENT, |asked| asked.sending),
            message_id: asked.and_then(|asked| asked.id.clone()),
            server: server_of(row.server_id, record.server_entry(), known),
        })
    }
}

/// The server with this ID, from those that are known. That of the record is the first one that a message of a batch went to.
fn server_of(
    id: Option<ServerId>,
    of_record: Option<&Arc<ServerEntry>>,
    known: &[Arc<ServerEntry>],
) -> Option<Arc<ServerEntry>> {
    let id = id?;
    let mut all = of_record.into_iter().chain(known);
    all.find(|entry| entry.server.id == id).cloned()
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{Timestamp, id::ProjectId, testing};

    use super::*;

    #[test]
    fn each_message_of_a_batch_has_the_server_that_it_went_to() {
        let entry = |slug: &str| {
            let url = format!("https://{slug}.example.com");
            Arc::new(ServerEntry {
                server: testing::server(ProjectId::of_number(1), Timestamp::default(), slug, &url),
                headers: Vec::new(),
                problem: None,
            })
        };
        let (first, second, deleted) = (entry("first"), entry("second"), entry("deleted"));
        let known = [Arc::clone(&first), Arc::clone(&second)];
        let of = |entry: &ServerEntry, of_record| server_of(Some(entry.server.id), of_record, &known);
        assert_eq!(of(&first, Some(&first)), Some(Arc::clone(&first)));
        assert_eq!(of(&second, Some(&first)), Some(Arc::clone(&second)));
        assert_eq!(of(&deleted, Some(&deleted)), Some(Arc::clone(&deleted)));
        assert_eq!(of(&deleted, Some(&first)), None);
        assert_eq!(server_of(None, Some(&first), &known), None);
    }
}
