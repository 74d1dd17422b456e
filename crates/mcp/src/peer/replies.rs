//! The way back to a server with sessions for as long as a call of a client runs there, which may be longer than the
//! credentials last that the call was sent with.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    caller::{Caller, CallerKey, Identify, RuleClass},
    net::Net,
    session::{UpstreamSession, session_headers},
    transport::Transport,
    upstream::Upstream,
};

/// How long a server may take to accept a reply.
const REPLY_DEADLINE: Duration = Duration::from_secs(10);

/// A user for as long as their call runs.
#[derive(Clone)]
pub(super) struct KeptUser {
    pub(super) key: CallerKey,
    class: RuleClass,
    identity: Arc<dyn Identify>,
}

impl KeptUser {
    pub(super) fn of(caller: Caller<'_>) -> Self {
        Self {
            key: caller.key,
            class: caller.class,
            identity: caller.identity.kept(),
        }
    }

    pub(super) fn caller(&self) -> Caller<'_> {
        Caller {
            key: self.key,
            class: self.class,
            identity: &*self.identity,
            // A reply goes to the session it is of.
            conversation: None,
        }
    }
}

/// Sends replies to one server. What fails is logged: the server waits for its answer as long as it likes.
pub(super) trait Replies: Send + Sync {
    /// Sends one reply.
    fn send(self: Arc<Self>, message: Bytes) -> BoxFuture<'static, ()>;

    /// A place among the replies that are on their way within the session, if there is one.
    fn place(&self) -> Option<OwnedSemaphorePermit>;
}

/// Sends a reply without waiting for it.
pub(super) fn send_soon(way: &Arc<dyn Replies>, message: Bytes) {
    // Without a runtime the process is ending.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        // A separate task, because this is called where waiting is not possible. It is rare, and bounded by its deadline.
        runtime.spawn(Arc::clone(way).send(message));
    }
}

/// The same for what a server can ask for as often as it likes. A server that does not wait for its replies gets some only.
pub(super) fn send_where_room(way: &Arc<dyn Replies>, message: Bytes) {
    let (Some(place), Ok(runtime)) = (way.place(), tokio::runtime::Handle::try_current()) else {
        return;
    };
    let sending = Arc::clone(way).send(message);
    runtime.spawn(async move {
        sending.await;
        drop(place);
    });
}

/// Replies within a session with a server.
pub(super) struct InSession<T> {
    pub(super) net: Arc<Net<T>>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) session: Arc<UpstreamSession>,
    pub(super) user: KeptUser,
}

impl<T> fmt::Debug for InSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InSession")
            .field("server", &self.upstream.slug())
            .finish_non_exhaustive()
    }
}

impl<T: Transport> Replies for InSession<T> {
    fn send(self: Arc<Self>, message: Bytes) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let request = self
                .upstream
                .request(Method::POST, self.user.caller(), message)
                .await;
            let Ok(mut request) = request else {
                return;
            };
            session_headers(&mut request, &self.session);
            let sent = self.net.transport.send(request, REPLY_DEADLINE);
            if !matches!(tokio::time::timeout(REPLY_DEADLINE, sent).await, Ok(Ok(_))) {
                tracing::info!(
                    server = self.upstream.slug(),
                    "a reply to a request of a server was lost"
                );
            }
        })
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.session.place_for_reply()
    }
}
