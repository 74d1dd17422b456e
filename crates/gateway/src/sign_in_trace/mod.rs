//! The sign-in trace: what happened to each attempt to sign in, step by step, for the administrator.
//!
//! From *Allow* on, steps are noted in memory without waiting and written in batches ([`SignInTrace::flush`]), so that
//! the sign-in itself commits nothing for its trace. An attempt's head travels with the sign-in (sealed, then as the
//! number of its grant), so that any process can continue the trace. Before *Allow*, where strangers can make entries
//! at will, they stay in a bounded ring in memory ([`before_allow`]).

pub mod before_allow;
mod reading;
mod recorder;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gatewright_core::Core;
use gatewright_domain::{
    Clock, Entropy,
    client::short_id,
    grant::{AuthorizationCode, Grant, Person},
    id::{AttemptId, UserId},
    reference::Reference,
    sign_in_attempt::{AttemptHead, AttemptPart, Progress, Step, StepRecord},
};
use gatewright_store::Store;

pub use before_allow::BeforeAllow;

/// A grant that is older has had its first call, or it is no longer of interest.
const FIRST_CALL_WITHIN: Duration = Duration::from_hours(1);

/// State: steps that wait to be written, and what happened before *Allow*.
#[derive(Debug)]
pub struct SignInTrace {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    recorder: recorder::Recorder,
    ring: before_allow::Ring,
    core: Arc<Core>,
}

/// The trace of one attempt. Clones write to the same. One that is silent writes nothing.
#[derive(Debug, Clone)]
pub struct Trace(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    trace: Arc<SignInTrace>,
    head: AttemptHead,
    running: Mutex<Option<Running>>,
}

/// A step in progress.
#[derive(Debug)]
struct Running {
    record: StepRecord,
    since: Duration,
}

impl SignInTrace {
    /// Nothing has happened.
    pub(crate) fn new(core: &Arc<Core>) -> Arc<Self> {
        Arc::new(Self {
            store: core.store.clone(),
            clock: Arc::clone(&core.clock),
            entropy: Arc::clone(&core.entropy),
            core: Arc::clone(core),
            recorder: recorder::Recorder::default(),
            ring: before_allow::Ring::default(),
        })
    }

    /// Begins an attempt, after *Allow*, with what happened before.
    pub fn begin(self: &Arc<Self>, head: AttemptHead, before: Vec<StepRecord>) -> Trace {
        self.ring.forget(head.gateway_id, head.reference);
        let trace = self.resume(Some(head));
        for record in before {
            trace.note(record);
        }
        trace
    }

    /// Continues an attempt; does nothing if there is none.
    pub(crate) fn resume(self: &Arc<Self>, head: Option<AttemptHead>) -> Trace {
        Trace(head.map(|head| {
            Arc::new(Inner {
                trace: Arc::clone(self),
                head,
                running: Mutex::default(),
            })
        }))
    }

    /// Goes on with the attempt that a code came of.
    pub(crate) fn of_code(self: &Arc<Self>, code: &AuthorizationCode) -> Trace {
        let id = AttemptId::of_grant(code.grant_id);
        let trace = self.resume(Some(AttemptHead {
            id,
            project_id: code.project_id,
            gateway_id: code.gateway_id,
            user_source_id: code.person.user_source_id(),
            reference: None,
            client_id: short_id(&code.client_id),
            client_name: code.client_name.clone(),
            started_at: id.made_at(),
        }));
        trace.is_of_person(&code.person);
        trace
    }

    /// Goes on with the attempt that a grant came of.
    pub(crate) fn of_grant(self: &Arc<Self>, grant: &Grant) -> Trace {
        let id = AttemptId::of_grant(grant.id);
        let trace = self.resume(Some(AttemptHead {
            id,
            project_id: grant.project_id,
            gateway_id: grant.gateway_id,
            user_source_id: grant.person.user_source_id(),
            reference: None,
            client_id: grant.client_id.clone(),
            client_name: grant.client_name.clone(),
            started_at: id.made_at(),
        }));
        trace.is_of_person(&grant.person);
        trace
    }

    /// Notes a token that this process sees for the first time. Whether it is the first of its grant is not asked here:
    /// each process notes its own first sight of a young grant, and the reader takes the earliest.
    pub(crate) fn first_sight(self: &Arc<Self>, grant: &Grant) {
        let now = self.clock.now();
        if now.since(grant.created_at) < FIRST_CALL_WITHIN {
            self.of_grant(grant).note(StepRecord::done(Step::FirstCall, now));
        }
    }
}

impl Trace {
    /// Whether it writes nothing.
    pub(crate) const fn is_silent(&self) -> bool {
        self.0.is_none()
    }

    /// Which attempt it is of.
    pub(crate) fn attempt(&self) -> Option<AttemptId> {
        self.0.as_ref().map(|inner| inner.head.id)
    }

    /// What pages show.
    pub(crate) fn reference(&self) -> Option<Reference> {
        self.0.as_ref()?.head.reference
    }

    /// The running step is done, if there is one, and this one begins.
    pub fn enter(&self, step: Step) {
        self.leave();
        if let Some(inner) = &self.0 {
            *inner.running() = Some(Running {
                record: StepRecord::done(step, inner.trace.clock.now()),
                since: inner.trace.clock.monotonic(),
            });
        }
    }

    /// Something worth knowing about the running step. Never a secret, code, token or claim value.
    pub(crate) fn detail(&self, text: &str) {
        if let Some(inner) = &self.0
            && let Some(running) = inner.running().as_mut()
        {
            running.record.detail = Some(StepRecord::detail_of(text));
        }
    }

    /// The running step is done.
    pub(crate) fn leave(&self) {
        if let Some(inner) = &self.0
            && let Some(record) = inner.stop()
        {
            inner.note(record);
        }
    }

    /// A step failed: the running one, or one that follows it.
    pub fn fail(&self, step: Step, reason: &str, advice: &str) {
        let Some(inner) = &self.0 else { return };
        let record = match inner.stop() {
            Some(record) if record.step == step => record,
            other => {
                if let Some(done) = other {
                    inner.note(done);
                }
                StepRecord::done(step, inner.trace.clock.now())
            }
        };
        inner.note(record.failed(reason, advice));
        inner.end(Some(reason));
    }

    /// Who it is.
    pub fn is_of(&self, user: UserId) {
        self.change(|part| part.user_id = Some(user));
    }

    /// Who it is, when it is a user: a member is named by the step that recognised them.
    fn is_of_person(&self, person: &Person) {
        if let Some(user) = person.user_id() {
            self.is_of(user);
        }
    }

    /// The app asked for tokens that it had received before, from another network than the first time. What the sign-in came
    /// to stays as it is.
    pub(crate) fn refreshed_elsewhere(&self, before: &str, now: &str) {
        let Some(inner) = &self.0 else { return };
        let record = StepRecord::done(Step::RefreshedElsewhere, inner.trace.clock.now());
        let detail = format!("first from {before}, then from {now}");
        self.note(record.with_detail(&detail));
        self.change(|part| part.progress = Progress::Succeeded);
    }

    /// The app has its tokens.
    pub fn succeed(&self) {
        self.leave();
        self.change(|part| part.progress = Progress::Succeeded);
        if let Some(inner) = &self.0 {
            inner.end(None);
        }
    }

    fn note(&self, record: StepRecord) {
        if let Some(inner) = &self.0 {
            inner.note(record);
        }
    }

    fn change(&self, change: impl FnOnce(&mut AttemptPart)) {
        if let Some(inner) = &self.0 {
            inner.trace.recorder.change(&inner.head, change);
        }
    }
}

impl Inner {
    fn note(&self, record: StepRecord) {
        self.trace.core.otlp.step(&self.head, &record);
        self.trace.recorder.change(&self.head, |part| part.add(record));
    }

    /// The sign-in as a whole has ended.
    fn end(&self, failure: Option<&str>) {
        let now = self.trace.clock.now();
        self.trace.core.otlp.sign_in(&self.head, now, failure);
    }

    fn stop(&self) -> Option<StepRecord> {
        let running = self.running().take()?;
        let duration = self.trace.clock.monotonic().saturating_sub(running.since);
        Some(running.record.lasting(duration))
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
