//! Spans: what is kept of a request or a step of a sign-in until it is sent, and its form in OTLP. Names and attributes are those of
//! the semantic conventions for MCP and generative AI; those that begin with `gatewright.` are ours.

use std::{borrow::Cow, sync::Arc, time::Duration};

use gatewright_domain::{
    Timestamp,
    activity::{Activity, Outcome, RequestKind},
    id::{AttemptId, GatewayId, ProjectId, UserSourceId},
    sign_in_attempt::{AttemptHead, StepRecord},
    trace_context::{SpanId, TraceContext, TraceId},
};

use super::{sampling::Traced, wire::Message};
use crate::{directory::ServerEntry, telemetry::Sending};

const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// The status of a span that failed.
const ERROR: u64 = 2;
/// Says that the next flag is known, and that the parent is in another process.
const IS_REMOTE: u32 = 0x300;
const IS_REMOTE_KNOWN: u32 = 0x100;
/// The field of `Span` with attributes.
const ATTRIBUTES: u32 = 9;

/// What becomes one span or two.
#[derive(Debug)]
pub(super) enum Finished {
    Request(Box<RequestSpans>),
    Step(Box<StepSpan>),
}

/// A request that has been answered: its own span, and that of its attempt at a server.
#[derive(Debug)]
pub struct RequestSpans {
    /// Its row in the activity.
    pub activity: Activity,
    /// Its trace.
    pub traced: Traced,
    /// The `tracestate` of its caller.
    pub state: Option<Arc<str>>,
    /// The status of its answer.
    pub status: Option<u16>,
    /// The template of its route.
    pub route: &'static str,
    /// What its message is, and how it was sent to a server.
    pub sending: Sending,
    /// The JSON text of the ID of its message, where that is known.
    pub message_id: Option<Box<str>>,
    /// That server.
    pub server: Option<Arc<ServerEntry>>,
}

/// A step of a sign-in, or the whole.
#[derive(Debug)]
pub(super) struct StepSpan {
    pub(super) attempt: AttemptId,
    pub(super) project_id: ProjectId,
    pub(super) gateway_id: GatewayId,
    pub(super) user_source_id: Option<UserSourceId>,
    pub(super) client_id: String,
    pub(super) span: SpanId,
    /// The step; nothing for the whole sign-in.
    pub(super) record: Option<StepRecord>,
    pub(super) began: Timestamp,
    pub(super) took: Duration,
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
}

/// The trace of a sign-in: its ID is that of the attempt.
pub(super) fn trace_of(attempt: AttemptId) -> TraceId {
    TraceId::of_number(attempt.number())
}

/// The span of a whole sign-in, in which its steps are.
pub(super) fn whole_of(attempt: AttemptId) -> SpanId {
    SpanId::of_number(trace_of(attempt).lower_half())
}

impl StepSpan {
    /// A step, or the whole, of an attempt.
    pub(super) fn of(head: &AttemptHead, span: SpanId, record: Option<StepRecord>) -> Self {
        let took = record.as_ref().map_or(0, |record| record.duration_ms);
        Self {
            attempt: head.id,
            project_id: head.project_id,
            gateway_id: head.gateway_id,
            user_source_id: head.user_source_id,
            client_id: head.client_id.clone(),
            span,
            began: record.as_ref().map_or(head.started_at, |record| record.at),
            took: Duration::from_millis(took),
            failure: record
                .as_ref()
                .and_then(|record| record.failure.as_ref())
                .map(|failure| failure.reason.clone()),
            record,
        }
    }
}

/// What all spans have.
struct Frame<'a> {
    context: TraceContext,
    parent: Option<SpanId>,
    parent_is_remote: bool,
    state: Option<&'a str>,
    name: Cow<'a, str>,
    kind: u64,
    /// In nanoseconds since the Unix epoch.
    began: u64,
    ended: u64,
}

impl Finished {
    /// Adds the spans to `ScopeSpans`, whose field this is; returns how many.
    pub(super) fn write(&self, scope: &mut Message, field: u32) -> usize {
        match self {
            Self::Request(request) => request.write(scope, field),
            Self::Step(step) => {
                step.write(scope, field);
                1
            }
        }
    }
}

impl RequestSpans {
    fn write(&self, scope: &mut Message, field: u32) -> usize {
        let row = &self.activity;
        let own = Frame {
            context: self.traced.own,
            parent: self.traced.parent,
            parent_is_remote: true,
            state: self.state.as_deref(),
            name: self.name(),
            kind: SERVER,
            began: nanos_before(row.at, row.duration_us),
            ended: nanos(row.at),
        };
        scope.message(field, |span| {
            own.write(span, error_of(row.outcome, self.sending.failure));
            self.describe(span);
            if let Some(status) = self.status {
                span.integer(ATTRIBUTES, "http.response.status_code", status.into());
            }
            span.text(ATTRIBUTES, "http.route", self.route);
            self.describe_caller(span);
        });
        let (Some(id), Some(upstream_us)) = (self.sending.span, row.upstream_us) else {
            return 1;
        };
        let attempt = Frame {
            context: self.traced.own.within(id),
            parent: Some(self.traced.own.span),
            parent_is_remote: false,
            kind: CLIENT,
            began: nanos_before(row.at, upstream_us),
            ..own
        };
        scope.message(field, |span| {
            attempt.write(span, error_of(row.outcome, self.sending.failure));
            self.describe(span);
            if let Some(entry) = &self.server {
                span.text(ATTRIBUTES, "gatewright.server.id", &entry.server.id.to_string());
                span.text(ATTRIBUTES, "gatewright.server.slug", &entry.server.slug);
                let url = url::Url::parse(&entry.server.url).ok();
                if let Some(host) = url.as_ref().and_then(url::Url::host_str) {
                    span.text(ATTRIBUTES, "server.address", host);
                }
                if let Some(port) = url.as_ref().and_then(url::Url::port_or_known_default) {
                    span.integer(ATTRIBUTES, "server.port", port.into());
                }
            }
        });
        2
    }

    /// `{mcp.method.name} {target}`, where the target has few values.
    fn name(&self) -> Cow<'_, str> {
        let method = self.sending.method.unwrap_or(self.route);
        match (&self.activity.item, self.activity.kind) {
            (Some(item), RequestKind::Call | RequestKind::Prompt) => format!("{method} {item}").into(),
            _ => method.into(),
        }
    }

    /// What the span of the request and the one of its attempt have in common.
    fn describe(&self, span: &mut Message) {
        let row = &self.activity;
        if let Some(method) = self.sending.method {
            span.text(ATTRIBUTES, "mcp.method.name", method);
        }
        match (&row.item, row.kind) {
            (Some(tool), RequestKind::Call) => {
                span.text(ATTRIBUTES, "gen_ai.operation.name", "execute_tool");
                span.text(ATTRIBUTES, "gen_ai.tool.name", tool);
            }
            (Some(prompt), RequestKind::Prompt) => span.text(ATTRIBUTES, "gen_ai.prompt.name", prompt),
            // A query may contain what is not for everyone who reads traces.
            (Some(uri), RequestKind::Resource) => {
                let uri = uri.split_once('?').map_or(&**uri, |(before, _)| before);
                span.text(ATTRIBUTES, "mcp.resource.uri", uri);
            }
            _ => {}
        }
        if let Some(version) = self.sending.version {
            span.text(ATTRIBUTES, "mcp.protocol.version", version);
        }
        if let Some(id) = &self.message_id {
            span.text(ATTRIBUTES, "jsonrpc.request.id", id.trim_matches('"'));
        }
        span.text(ATTRIBUTES, "network.transport", "tcp");
        span.text(ATTRIBUTES, "network.protocol.name", "http");
        span.text(ATTRIBUTES, "gatewright.outcome", row.outcome.as_str());
        if let Some(error) = error_of(row.outcome, self.sending.failure) {
            span.text(ATTRIBUTES, "error.type", error);
        }
    }

    fn describe_caller(&self, span: &mut Message) {
        let row = &self.activity;
        if let Some(session) = row.session {
            // The mark tells sessions apart; their IDs are for their clients only.
            span.text(ATTRIBUTES, "mcp.session.id", &session.to_string());
        }
        if let Some(rule) = row.rule {
            span.text(ATTRIBUTES, "gatewright.rule", rule.as_str());
        }
        span.text(ATTRIBUTES, "gatewright.project.id", &row.project_id.to_string());
        span.text(ATTRIBUTES, "gatewright.gateway.id", &row.gateway_id.to_string());
        span.text(ATTRIBUTES, "gatewright.request.id", &row.request.to_string());
        if let Some(caller) = &row.caller {
            if let Some(person) = &caller.person {
                // The mark of those whom the holder of an API key named.
                let person = person.strip_prefix('|').unwrap_or(person);
                span.text(ATTRIBUTES, "user.id", person);
            }
            if let Some(client) = &caller.client {
                span.text(ATTRIBUTES, "gatewright.client.id", &client.id);
                span.text(ATTRIBUTES, "gatewright.client.name", &client.name);
            }
        }
        span.integer(ATTRIBUTES, "http.request.body.size", row.bytes_in);
        span.integer(ATTRIBUTES, "http.response.body.size", row.bytes_out);
    }
}

impl StepSpan {
    fn write(&self, scope: &mut Message, field: u32) {
        let whole = whole_of(self.attempt);
        let frame = Frame {
            context: TraceContext::new(trace_of(self.attempt), self.span, true),
            parent: (self.span != whole).then_some(whole),
            parent_is_remote: false,
            state: None,
            name: match &self.record {
                Some(record) => format!("sign-in {}", record.step.as_str()).into(),
                None => "sign-in".into(),
            },
            kind: INTERNAL,
            began: nanos(self.began),
            ended: nanos(self.began.plus(self.took)),
        };
        scope.message(field, |span| {
            frame.write(span, self.failure.as_deref());
            if let Some(record) = &self.record {
                span.text(ATTRIBUTES, "gatewright.sign_in.step", record.step.as_str());
                if let Some(detail) = &record.detail {
                    span.text(ATTRIBUTES, "gatewright.sign_in.detail", detail);
                }
            }
            if self.failure.is_some() {
                span.text(ATTRIBUTES, "error.type", "sign_in_failed");
            }
            span.text(ATTRIBUTES, "gatewright.project.id", &self.project_id.to_string());
            span.text(ATTRIBUTES, "gatewright.gateway.id", &self.gateway_id.to_string());
            if let Some(source) = self.user_source_id {
                span.text(ATTRIBUTES, "gatewright.user_source.id", &source.to_string());
            }
            span.text(ATTRIBUTES, "gatewright.client.id", &self.client_id);
        });
    }
}

impl Frame<'_> {
    fn write(&self, span: &mut Message, error: Option<&str>) {
        span.bytes(1, self.context.trace.as_bytes());
        span.bytes(2, &self.context.span.to_bytes());
        span.bytes(3, self.state.unwrap_or_default().as_bytes());
        if let Some(parent) = self.parent {
            span.bytes(4, &parent.to_bytes());
        }
        span.bytes(5, self.name.as_bytes());
        span.number(6, self.kind);
        span.fixed64(7, self.began);
        span.fixed64(8, self.ended);
        if let Some(message) = error {
            span.message(15, |status| {
                status.bytes(2, message.as_bytes());
                status.number(3, ERROR);
            });
        }
        let remote = match self.parent {
            Some(_) if self.parent_is_remote => IS_REMOTE,
            _ => IS_REMOTE_KNOWN,
        };
        span.fixed32(16, remote | u32::from(self.context.flags()));
    }
}

/// Why a request failed, in a word; nothing if it did not, or if its client did something wrong.
const fn error_of(outcome: Outcome, failure: Option<&'static str>) -> Option<&'static str> {
    match (outcome.is_failure(), failure) {
        (true, Some(failure)) => Some(failure),
        (true, None) => Some(outcome.as_str()),
        (false, _) => None,
    }
}

/// In nanoseconds since the Unix epoch.
pub(super) fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis())
        .unwrap_or(0)
        .saturating_mul(1_000_000)
}

fn nanos_before(at: Timestamp, micros: i64) -> u64 {
    nanos(at).saturating_sub(u64::try_from(micros).unwrap_or(0).saturating_mul(1_000))
}
