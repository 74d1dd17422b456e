//! Servers that are reached over HTTP.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::Timestamp;
use http::Method;
use tokio_util::sync::CancellationToken;

use super::{
    ask::AskError,
    call::{Attempt, Line},
    call_guard::CallGuard,
    caller::{Caller, CallerKey},
    held::Retry,
    incoming::{Answered, resume},
    listening::{Ear, Listened},
    metered::{Meter, Metered},
    net::Net,
    outgoing::{Call, CallError, To},
    peers::Peers,
    replies::{InSession, KeptUser, Replies},
    seals::Nonce,
    session::{SlotKey, session_headers},
    told_tasks::WantedTasks,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    witness::{Said, Witness},
};
use crate::wire::{capabilities::Capabilities, jsonrpc, version::Era};

/// How long ending a session that was begun for a check can take.
const GOODBYE: Duration = Duration::from_secs(1);

impl<T: Transport> Peers for Net<T> {
    type Body = T::Body;
    type Witnessed = Net<Witness<T>>;

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn ask(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        method: &str,
        members: &str,
        meter: &Arc<dyn Meter>,
    ) -> Result<Bytes, AskError> {
        let metered = Arc::new(self.through(Metered {
            net: Arc::clone(self),
            meter: Arc::clone(meter),
        }));
        metered.ask_for(upstream, caller, method, members).await
    }

    async fn era(self: &Arc<Self>, upstream: &Upstream, caller: Caller<'_>) -> Result<Era, Unavailable> {
        self.era_of(upstream, caller).await
    }

    async fn capabilities(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Capabilities, Unavailable> {
        self.capabilities_of(upstream, caller).await
    }

    async fn line(self: &Arc<Self>, upstream: &Upstream, caller: Caller<'_>) -> Result<Line, Unavailable> {
        self.begin_line(upstream, caller).await
    }

    fn tell_changed_roots(self: &Arc<Self>, upstream: &Arc<Upstream>, caller: Caller<'_>, whose: SlotKey) {
        let Some(session) = upstream.sessions.find(whose) else {
            return;
        };
        if !session.note_changed_roots() {
            return;
        }
        let way = Arc::new(InSession {
            net: Arc::clone(self),
            upstream: Arc::clone(upstream),
            session: Arc::clone(&session),
            user: KeptUser::of(caller),
        });
        // A separate task, because the client does not wait for it. At most one for each session.
        tokio::spawn(async move {
            loop {
                let message = jsonrpc::write_notification("notifications/roots/list_changed", None);
                Arc::clone(&way).send(message).await;
                if !session.has_told_roots() {
                    return;
                }
            }
        });
    }

    fn resume(&self, retry: Retry<'_>, held: Nonce) -> Option<(Arc<Upstream>, Answered<T::Body>)> {
        resume(retry, held)
    }

    async fn call(
        self: &Arc<Self>,
        line: Line,
        call: &Call<'_>,
        to: To<'_>,
        guard: CallGuard,
        cancelled: Option<&CancellationToken>,
    ) -> Result<Attempt<T::Body>, CallError> {
        self.send_call(line, call, to, guard, cancelled).await
    }

    async fn listen(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        ear: Ear<'_>,
    ) -> Result<Listened, Unavailable> {
        self.hear(upstream, caller, ear).await
    }

    fn tell_of_tasks(
        self: &Arc<Self>,
        upstream: Arc<Upstream>,
        caller: Caller<'_>,
        wanted: WantedTasks,
    ) -> impl Future<Output = ()> + Send + use<T> {
        let (net, user) = (Arc::clone(self), KeptUser::of(caller));
        async move { net.hear_of_tasks(&upstream, &user, wanted).await }
    }

    async fn subscribe(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        uri: &Arc<str>,
    ) -> Result<(), AskError> {
        self.subscribe_to(upstream, caller, uri).await
    }

    /// Ends the session that was begun, if one was (2025-11-25 basic/transports, "Session Management"). Servers may refuse.
    async fn leave(&self, upstream: &Upstream, caller: CallerKey) {
        let Some(session) = upstream.sessions.slot(caller).get() else {
            return;
        };
        session.is_over();
        if session.id.is_none() {
            return;
        }
        let mut request = upstream.bare_request(Method::DELETE, Bytes::new());
        session_headers(&mut request, &session);
        if let Err(error) = self.transport.send(request, GOODBYE).await {
            tracing::debug!(server = upstream.slug(), %error, "a session begun for looking was not ended");
        }
    }

    fn witnessed(self: &Arc<Self>) -> (Arc<Net<Witness<T>>>, Said) {
        self.with_witness()
    }
}
