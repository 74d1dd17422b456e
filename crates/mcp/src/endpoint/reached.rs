//! What became of a request, for the request log, metrics and the activity.

use std::{sync::Arc, time::Instant};

use gatewright_domain::{
    activity::{Outcome, RequestKind, Rule, SessionMark, TraceId, cut},
    trace_context::TraceContext,
};

use super::session::Session;
use crate::{
    federation::{
        aim::Aim,
        call::{CallError, TaskError},
    },
    peer::{caller::Busy, outgoing, unavailable::Unavailable, upstream::Upstream},
    wire::{envelope::Request, scan},
};

/// What became of a request.
#[derive(Debug, Default)]
pub struct Reached {
    /// The server it went to.
    pub server: Option<Arc<Upstream>>,
    /// Why there was no usable answer, in a word.
    pub failure: Option<&'static str>,
    /// What became of the requests of a batch.
    pub batch: Vec<Self>,
    /// The kind of request; nothing where it could not be read.
    pub kind: Option<RequestKind>,
    /// What it names, as its client wrote it.
    pub item: Option<Arc<str>>,
    /// The JSON text of its ID, within a batch.
    pub id: Option<Box<str>>,
    /// What became of it and by which rule, where that was decided here. The answer says it otherwise.
    pub decided: Option<(Outcome, Option<Rule>)>,
    /// When it was sent to the server.
    pub sent_at: Option<Instant>,
    /// The session of its client.
    pub session: Option<SessionMark>,
    /// The trace that its `_meta` names (2026-07-28 basic, "_meta").
    pub trace: Option<TraceId>,
}

impl Reached {
    /// Notes what a request asks for.
    pub(super) fn asks(&mut self, request: &Request<'_>) {
        let kind = kind_of(&request.method.value);
        self.kind = Some(kind);
        let names = matches!(
            kind,
            RequestKind::Call | RequestKind::Prompt | RequestKind::Resource | RequestKind::Completion
        );
        if names && let Ok(aim) = Aim::of(request) {
            // The one allocation that a call pays for its row: the name is in a body that is not kept.
            self.item = Some(cut(aim.name()).into());
        }
        self.trace = request.meta().and_then(|meta| {
            // Most name none.
            memchr::memmem::find(meta.span.of(request.body), b"\"traceparent\"")?;
            let [parent] = scan::pick(request.body, meta.span, ["traceparent"]).ok()?;
            let text = scan::decode_string(parent?.value.of(request.body))?;
            TraceContext::parse(text.as_bytes()).map(|context| context.trace)
        });
    }

    /// Notes whose session it belongs to.
    pub(super) fn within(&mut self, session: &Session) {
        self.session = Some(SessionMark::of_key(&session.key()));
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

/// The kind of a method.
fn kind_of(method: &str) -> RequestKind {
    match method {
        "tools/call" => RequestKind::Call,
        "prompts/get" => RequestKind::Prompt,
        "resources/read" => RequestKind::Resource,
        "completion/complete" => RequestKind::Completion,
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" | "tasks/list" => {
            RequestKind::List
        }
        "initialize" | "server/discover" => RequestKind::Begin,
        "tasks/get" | "tasks/cancel" | "tasks/update" | "tasks/result" => RequestKind::Task,
        "subscriptions/listen" | "resources/subscribe" | "resources/unsubscribe" => RequestKind::Listen,
        _ => RequestKind::Other,
    }
}
