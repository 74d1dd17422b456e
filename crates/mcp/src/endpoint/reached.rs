//! The outcome of a request, for the request log, metrics and the activity.

use std::{sync::Arc, time::Instant};

use gatewright_domain::{
    activity::{Outcome, RequestKind, Rule, SessionMark, cut},
    trace_context::{NamedTrace, SpanId, TraceContext, trace_state},
};

use super::session::Session;
use crate::{
    federation::{
        aim::Aim,
        call::{CallError, TaskError},
    },
    peer::{caller::Busy, outgoing, unavailable::Unavailable, upstream::Upstream},
    wire::{envelope::Request, scan, version::ProtocolVersion},
};

/// The outcome of a request.
#[derive(Debug, Default)]
pub struct Reached {
    /// The server it went to.
    pub server: Option<Arc<Upstream>>,
    /// Why there was no usable answer, in a word.
    pub failure: Option<&'static str>,
    /// The outcomes of the requests of a batch.
    pub batch: Vec<Self>,
    /// The kind of request; `None` if it could not be read.
    pub kind: Option<RequestKind>,
    /// What it names, as its client wrote it.
    pub item: Option<Arc<str>>,
    /// The JSON text of its ID, within a batch.
    pub id: Option<Box<str>>,
    /// Its outcome and the rule, if that was decided here. Otherwise the answer shows it.
    pub decided: Option<(Outcome, Option<Rule>)>,
    /// When it was sent to the server.
    pub sent_at: Option<Instant>,
    /// The session of its client.
    pub session: Option<SessionMark>,
    /// Its method, where it is a known one.
    pub method: Option<&'static str>,
    /// The version of the protocol that its client uses.
    pub version: Option<ProtocolVersion>,
    /// The trace that its `_meta` names (2026-07-28 basic, "_meta").
    pub named: Option<NamedTrace>,
    /// Where that stands in its message.
    pub(super) named_at: Option<scan::Span>,
    /// The span of the attempt at the server, where one is recorded.
    pub span: Option<SpanId>,
}

impl Reached {
    /// Notes what a request asks for.
    pub(super) fn asks(&mut self, request: &Request<'_>) {
        let (method, kind) = kind_of(&request.method.value).unzip();
        let kind = kind.unwrap_or(RequestKind::Other);
        (self.method, self.kind) = (method, Some(kind));
        let names = matches!(
            kind,
            RequestKind::Call | RequestKind::Prompt | RequestKind::Resource | RequestKind::Completion
        );
        if names && let Ok(aim) = Aim::of(request) {
            // The one allocation that a call pays for its row: the name is in a body that is not kept.
            self.item = Some(cut(aim.name()).into());
        }
        (self.named, self.named_at) = named_by(request).unzip();
    }

    /// Notes whose session it belongs to.
    pub(super) fn within(&mut self, session: &Session) {
        self.session = Some(SessionMark::of_key(&session.key()));
        self.version = Some(session.version);
    }

    /// Notes that it is refused.
    pub(super) const fn refuse(&mut self, rule: Rule) {
        self.decided = Some((Outcome::Refused, Some(rule)));
    }

    /// Notes that nothing more may run.
    pub(super) const fn refuse_busy(&mut self, busy: Busy) {
        self.refuse(match busy {
            Busy::Person(_) | Busy::Sending(_) => Rule::PersonBusy,
            Busy::Project => Rule::ProjectBusy,
        });
    }

    /// Notes that no usable answer of a server came.
    pub(super) const fn fail(&mut self, why: &Unavailable) {
        self.failure = Some(why.reason());
        self.decided = Some(match why {
            Unavailable::ConnectFirst { .. } => (Outcome::Refused, Some(Rule::ConnectFirst)),
            _ => (Outcome::Unavailable, None),
        });
    }

    /// Notes why a call got no answer of its server.
    pub(super) const fn fail_call(&mut self, error: &CallError) {
        match error {
            CallError::Unknown(..) => self.refuse(Rule::NotOffered),
            CallError::Headers(_) | CallError::Server(outgoing::CallError::Splice(_)) => {
                self.refuse(Rule::Malformed);
            }
            CallError::Server(
                outgoing::CallError::Unavailable(why) | outgoing::CallError::Unanswered(why),
            ) => {
                self.fail(why);
            }
            CallError::Server(outgoing::CallError::Cancelled) => {
                self.decided = Some((Outcome::Cancelled, None));
            }
            CallError::Server(outgoing::CallError::Busy | outgoing::CallError::NotPassedOn(_))
            | CallError::Task(TaskError::ServerGone) => self.decided = Some((Outcome::Unavailable, None)),
            CallError::NoName(..)
            | CallError::NoReference
            | CallError::State(_)
            | CallError::NoTask
            | CallError::Task(
                TaskError::Foreign | TaskError::OtherEra | TaskError::OnlyTask | TaskError::NotDeclared,
            )
            | CallError::Server(outgoing::CallError::OtherServer | outgoing::CallError::NotHeld) => {
                self.refuse(Rule::BadParams);
            }
        }
    }
}

/// The methods that are known, those of most requests first, and their kinds.
const METHODS: [(&str, RequestKind); 20] = [
    ("tools/call", RequestKind::Call),
    ("tools/list", RequestKind::List),
    ("resources/read", RequestKind::Resource),
    ("prompts/get", RequestKind::Prompt),
    ("completion/complete", RequestKind::Completion),
    ("prompts/list", RequestKind::List),
    ("resources/list", RequestKind::List),
    ("resources/templates/list", RequestKind::List),
    ("tasks/list", RequestKind::List),
    ("initialize", RequestKind::Begin),
    ("server/discover", RequestKind::Begin),
    ("tasks/get", RequestKind::Task),
    ("tasks/cancel", RequestKind::Task),
    ("tasks/update", RequestKind::Task),
    ("tasks/result", RequestKind::Task),
    ("subscriptions/listen", RequestKind::Listen),
    ("resources/subscribe", RequestKind::Listen),
    ("resources/unsubscribe", RequestKind::Listen),
    ("ping", RequestKind::Other),
    ("logging/setLevel", RequestKind::Other),
];

/// A method that is known, and its kind.
fn kind_of(method: &str) -> Option<(&'static str, RequestKind)> {
    METHODS.into_iter().find(|(known, _)| *known == method)
}

/// The trace that the `_meta` of a request names, and where its `traceparent` stands.
fn named_by(request: &Request<'_>) -> Option<(NamedTrace, scan::Span)> {
    let meta = request.meta()?;
    // Most name none.
    memchr::memmem::find(meta.span.of(request.body), b"\"traceparent\"")?;
    let members = scan::pick(request.body, meta.span, ["traceparent", "tracestate"]).ok()?;
    let [parent, state] = members.map(|member| member.map(|member| member.value));
    let text = |span: scan::Span| scan::decode_string(span.of(request.body));
    let context = TraceContext::parse(text(parent?)?.as_bytes())?;
    let state = state.and_then(text);
    let state = state.and_then(|state| trace_state([state.as_bytes()]));
    Some((NamedTrace { context, state }, parent?))
}
