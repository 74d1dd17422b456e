//! What the layers above ask of servers, however these are reached.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    ask::AskError,
    call::{Attempt, Line},
    call_guard::CallGuard,
    caller::{Caller, CallerKey},
    held::Retry,
    incoming::Answered,
    listening::{Ear, Listened},
    metered::Meter,
    outgoing::{Call, CallError, To},
    seals::Nonce,
    session::SlotKey,
    told_tasks::WantedTasks,
    unavailable::Unavailable,
    upstream::Upstream,
    witness::Said,
};
use crate::wire::{capabilities::Capabilities, version::Era};

/// Communicates with servers. What is known about a server is in its [`Upstream`], which every method receives.
pub(crate) trait Peers: Send + Sync + Sized + 'static {
    /// What the answer to a call is read from.
    type Body;
    /// The same, with a witness.
    type Witnessed: Peers;

    /// The time by its clock.
    fn now(&self) -> Timestamp;

    /// Asks for a result, in the era the server supports. Such requests change nothing at the server. `members` are
    /// further members of `params` as JSON text without braces, like `"cursor":"x"`.
    fn ask(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        method: &str,
        members: &str,
        meter: &Arc<dyn Meter>,
    ) -> impl Future<Output = Result<Bytes, AskError>> + Send;

    /// The era of a server, detected if it is not known.
    fn era(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> impl Future<Output = Result<Era, Unavailable>> + Send;

    /// What a server declares to a user that it can do.
    fn capabilities(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> impl Future<Output = Result<Capabilities, Unavailable>> + Send;

    /// Finds out what a call to a server needs, and begins it.
    fn line(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> impl Future<Output = Result<Line, Unavailable>> + Send;

    /// Sends a call once and begins to read its answer.
    fn call(
        self: &Arc<Self>,
        line: Line,
        call: &Call<'_>,
        to: To<'_>,
        guard: CallGuard,
        cancelled: Option<&CancellationToken>,
    ) -> impl Future<Output = Result<Attempt<Self::Body>, CallError>> + Send;

    /// Notifies a server within a session, if there is one, that the roots of its client have changed, without waiting for
    /// that. Changes in the meantime are sent together.
    fn tell_changed_roots(self: &Arc<Self>, upstream: &Arc<Upstream>, caller: Caller<'_>, whose: SlotKey);

    /// Continues a call that is held, whose client has come back. `None` if it is no longer held.
    fn resume(&self, retry: Retry<'_>, held: Nonce) -> Option<(Arc<Upstream>, Answered<Self::Body>)>;

    /// Listens to a server for a user until its stream ends. The receiver learns which lists and resources have changed: all
    /// of them once it is open, if some may have been missed.
    fn listen(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        ear: Ear<'_>,
    ) -> impl Future<Output = Result<Listened, Unavailable>> + Send;

    /// Passes on to a client the states of tasks of a stateless server, until the user is no longer allowed, the client stops
    /// reading, or the server turns out to report none.
    fn tell_of_tasks(
        self: &Arc<Self>,
        upstream: Arc<Upstream>,
        caller: Caller<'_>,
        wanted: WantedTasks,
    ) -> impl Future<Output = ()> + Send + use<Self>;

    /// Asks for the changes of a resource, if that is a separate request.
    fn subscribe(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        uri: &Arc<str>,
    ) -> impl Future<Output = Result<(), AskError>> + Send;

    /// Ends the session of a user if there is one, and waits a moment for that.
    fn leave(&self, upstream: &Upstream, caller: CallerKey) -> impl Future<Output = ()> + Send;

    /// The same, and what connections say is kept.
    fn witnessed(self: &Arc<Self>) -> (Arc<Self::Witnessed>, Said);
}
