//! What a request leaves for its rows in the activity while it is answered. Everything is set at most once, without a lock; what is set later is
//! ignored.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use gatewright_domain::{
    activity::{ActivityCaller, Outcome, RequestKind, Rule, SessionMark},
    id::{ProjectId, ServerId},
    trace_context::{NamedTrace, SpanId, TraceId},
};

use crate::recorded_body::HeldBody;

/// What became of a request, by which rule if it was refused.
pub type Decided = (Outcome, Option<Rule>);

/// Notes of one HTTP request.
#[derive(Debug, Default)]
pub struct Notes {
    /// The project of the gateway. Without it, there is no row.
    pub project: OnceLock<ProjectId>,
    /// Who makes it.
    pub caller: OnceLock<Arc<ActivityCaller>>,
    /// The trace that its headers name.
    pub named: OnceLock<NamedTrace>,
    /// The trace it belongs to, for its log line.
    pub trace: OnceLock<TraceId>,
    /// Bytes of its body.
    pub bytes_in: OnceLock<u64>,
    /// What was decided before its message was read.
    pub decided: OnceLock<Decided>,
    /// Its body, if its arguments are recorded.
    pub body: OnceLock<Arc<HeldBody>>,
    /// What its message asks for.
    pub asked: OnceLock<AskedFor>,
    /// What the requests of a batch ask for: each has its own row.
    pub batch: OnceLock<Vec<AskedFor>>,
}

impl AskedFor {
    /// For a stream that only listens: that its client ends it is no failure.
    pub const fn listening() -> Self {
        Self {
            kind: RequestKind::Listen,
            item: None,
            server: None,
            decided: None,
            sent_at: None,
            session: None,
            named: None,
            id: None,
            sending: Sending::NOT_SENT,
        }
    }
}

/// What one message asks for, and what became of it as far as that is known when its answer begins.
#[derive(Debug)]
pub struct AskedFor {
    /// The kind of request.
    pub kind: RequestKind,
    /// What it names.
    pub item: Option<Arc<str>>,
    /// The server it went to.
    pub server: Option<ServerId>,
    /// The outcome, where the answer need not be read for it.
    pub decided: Option<Decided>,
    /// When it was sent to the server.
    pub sent_at: Option<Instant>,
    /// The session of its client.
    pub session: Option<SessionMark>,
    /// The trace that its message names.
    pub named: Option<NamedTrace>,
    /// The JSON text of its ID, within a batch.
    pub id: Option<Box<str>>,
    /// What its spans say besides.
    pub sending: Sending,
}

/// What spans say of a message, besides its row in the activity.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// Its method, where it is a known one.
    pub method: Option<&'static str>,
    /// The version of the protocol that its client uses.
    pub version: Option<&'static str>,
    /// Why there was no usable answer of a server, in a word.
    pub failure: Option<&'static str>,
    /// The span of the attempt at a server.
    pub span: Option<SpanId>,
}

impl Sending {
    /// Of a message that was not read.
    pub const NOT_SENT: Self = Self {
        method: None,
        version: None,
        failure: None,
        span: None,
    };
}
