//! What must happen when a call ends before its answer: a server with sessions is notified, a stateless one sees its
//! connection closed.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};

use super::{
    caller::CallerKey,
    credentials::Credentials,
    net::Net,
    session::{SlotKey, UpstreamSession, session_headers},
    transport::Transport,
    upstream::Upstream,
};
use crate::wire::{jsonrpc, listing::ListKind, uri_finder::UriFinder};

/// How long a notice to a server can take; nothing waits for it.
const NOTICE_DEADLINE: Duration = Duration::from_secs(5);
/// Requests of a server answered within one call; what comes beyond is ignored.
const REPLIES_MAX: u32 = 64;

/// What is held for as long as a call runs.
pub(crate) type Held = Box<dyn Send + Sync>;

/// Kept with a call until its answer is complete. Dropped earlier, it cancels the call at a server with sessions.
pub(crate) struct CallGuard {
    /// Whose session with a server the call runs in, if any.
    caller: SlotKey,
    /// What is held for as long as the call runs: the entry that lets the client cancel it by id.
    held: Option<Held>,
    /// The stream on which the server is listened to in the meantime.
    listening: Option<Held>,
    /// Who keeps what the server lists.
    lists: Option<Arc<dyn Lists>>,
    channel: Option<Box<dyn Backchannel>>,
    replies: u32,
    /// Finds what the answer names.
    uris: UriFinder,
}

impl fmt::Debug for CallGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallGuard")
            .field("held", &self.held.is_some())
            .finish_non_exhaustive()
    }
}

impl CallGuard {
    /// For a call towards a stateless server.
    pub(crate) fn new(caller: SlotKey, held: Option<Held>) -> Self {
        Self {
            caller,
            held,
            listening: None,
            lists: None,
            channel: None,
            replies: 0,
            uris: UriFinder::default(),
        }
    }

    /// From here on it is a call to the server whose lists are kept there.
    pub(crate) fn keep_informed(&mut self, lists: Arc<dyn Lists>) {
        self.lists = Some(lists);
    }

    /// Who keeps what the server lists, for what may outlive it.
    pub(super) fn lists(&self) -> Option<Weak<dyn Lists>> {
        self.lists.as_ref().map(Arc::downgrade)
    }

    /// The server is listened to for as long as the call runs.
    pub(crate) fn listen_with(&mut self, stream: Option<Arc<impl Send + Sync + 'static>>) {
        self.listening = stream.map(|stream| Box::new(stream) as Held);
    }

    /// From here on the call runs within a session with a server. Boxed because the guard outlives the code that knows
    /// the transport's type, and only calls to servers with sessions pay for it.
    pub(super) fn watch<T: Transport>(&mut self, call: SessionCall<T>) {
        self.channel = Some(Box::new(call));
    }

    /// There is nothing to cancel at the server, but the call continues.
    pub(super) fn unwatch(&mut self) {
        self.channel = None;
    }

    /// This is held for as long as the call runs.
    pub(super) fn hold(&mut self, held: Option<Held>) {
        self.held = held;
    }

    /// What is held for as long as the call runs, for one that continues after this answer.
    pub(super) const fn take_held(&mut self) -> Option<Held> {
        self.held.take()
    }

    /// The server has answered, or never got the call: there is nothing to cancel.
    pub(super) fn complete(&mut self) {
        self.channel = None;
        self.held = None;
        self.listening = None;
    }

    /// Answers a request of the server.
    pub(super) fn reply(&mut self, message: Bytes) {
        self.replies += 1;
        if self.replies <= REPLIES_MAX
            && let Some(channel) = &self.channel
        {
            channel.reply(message);
        }
    }

    /// Reads on in what the server answers, for the URIs it names.
    pub(super) fn read(&mut self, piece: &[u8]) {
        if let Some(lists) = &self.lists {
            self.uris
                .read(piece, |uri| lists.has_shown(uri, self.caller.caller()));
        }
    }

    /// The server says that a list of it has changed.
    pub(super) fn list_changed(&self, kind: ListKind) {
        if let Some(lists) = &self.lists {
            lists.has_changed(kind, self.caller);
        }
    }

    /// The server says that a resource has changed.
    pub(super) fn updated(&self, uri: &str) {
        if let Some(lists) = &self.lists {
            lists.has_updated(uri, self.caller);
        }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.cancel();
        }
    }
}

/// Who keeps what a server lists.
pub(crate) trait Lists: Send + Sync {
    /// The server says in this session that a list of it has changed.
    fn has_changed(&self, kind: ListKind, whose: SlotKey);

    /// The server says in this session that a resource has changed.
    fn has_updated(&self, uri: &str, whose: SlotKey);

    /// An answer of the server to this user names a URI.
    fn has_shown(&self, uri: &str, caller: CallerKey);
}

/// The way back to a server while a call runs.
trait Backchannel: Send + Sync {
    fn cancel(&self);
    fn reply(&self, message: Bytes);
}

/// A call within a session with a server.
pub(super) struct SessionCall<T> {
    pub(super) net: Arc<Net<T>>,
    pub(crate) upstream: Arc<Upstream>,
    pub(super) session: Arc<UpstreamSession>,
    pub(super) credentials: Credentials,
    /// The id the server knows the call by, JSON text.
    pub(super) id: Bytes,
}

impl<T: Transport> SessionCall<T> {
    fn send(&self, body: Bytes) {
        // A separate task, because this is called where waiting is not possible: in `Drop` and while a body is polled. It is
        // rare, and bounded by its deadline.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut request: Request<Bytes> = self.upstream.bare_request(Method::POST, body);
        session_headers(&mut request, &self.session);
        self.credentials.write(request.headers_mut());
        let net = Arc::clone(&self.net);
        runtime.spawn(async move {
            let sent = net.transport.send(request, NOTICE_DEADLINE).await;
            if let Err(error) = sent {
                tracing::debug!(%error, "a notice to a server was lost");
            }
        });
    }
}

impl<T: Transport> Backchannel for SessionCall<T> {
    fn cancel(&self) {
        let id = String::from_utf8_lossy(&self.id);
        let params = format!(r#"{{"requestId":{id},"reason":"The client cancelled the request."}}"#);
        self.send(jsonrpc::write_notification(
            "notifications/cancelled",
            Some(params.as_bytes()),
        ));
    }

    fn reply(&self, message: Bytes) {
        self.send(message);
    }
}
