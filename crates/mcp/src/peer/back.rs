//! Answering a server's own requests while its answer to our request is read: some ask whether the gateway is still
//! there before they continue.

use std::time::Duration;

use http::{HeaderMap, Method};

use super::{
    caller::Caller,
    net::Net,
    session::{UpstreamSession, session_headers},
    transport::Transport,
    upstream::Upstream,
};
use crate::wire::{bridge, envelope, headers};

/// How long a reply can take; the answer that is being read waits for it.
const REPLY_DEADLINE: Duration = Duration::from_secs(2);
/// Requests of a server that are answered while one answer is read; what comes beyond is ignored.
pub(super) const REPLIES_MAX: u32 = 16;

/// The way back to a server with sessions.
#[derive(Debug)]
pub(super) struct Back<'a, T> {
    pub(super) net: &'a Net<T>,
    pub(crate) upstream: &'a Upstream,
    pub(crate) caller: Caller<'a>,
    /// The session; none while it begins.
    pub(super) session: Option<&'a UpstreamSession>,
}

impl<T: Transport> Back<'_, T> {
    /// Answers a request that came in an answer with the head `head`.
    pub(super) async fn reply(&self, head: &HeaderMap, request: &envelope::Request<'_>) {
        let body = bridge::reply_to(request);
        let Ok(mut reply) = self.upstream.request(Method::POST, self.caller, body).await else {
            return;
        };
        match self.session {
            Some(session) => session_headers(&mut reply, session),
            // While it begins, the answer to `initialize` names the session.
            None => {
                if let Some(id) = head.get(headers::SESSION_ID) {
                    reply.headers_mut().insert(headers::SESSION_ID, id.clone());
                }
            }
        }
        let sent = self.net.transport.send(reply, REPLY_DEADLINE);
        if !matches!(tokio::time::timeout(REPLY_DEADLINE, sent).await, Ok(Ok(_))) {
            tracing::debug!(
                server = self.upstream.slug(),
                "a reply to a request of a server was lost"
            );
        }
    }
}
