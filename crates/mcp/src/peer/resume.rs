//! Continuing the answer to a call whose server closed the stream before it: the server has sent event IDs and waits to be
//! asked again (2025-11-25 basic/transports, "Resumability and Redelivery"). The call itself is never sent a
//! second time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};

use super::{
    caller::{Caller, CallerKey, Identify, RuleClass},
    late::{Opened, Opening},
    net::Net,
    session::{SlotKey, UpstreamSession, session_headers},
    transport::Transport,
    upstream::Upstream,
    whole::refuse_encoded,
};
use crate::wire::{
    media_type::{MediaType, media_type},
    sse::Decoder,
};

/// Names the event after which a stream continues.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The wait before a stream is requested again, if the server does not say how long.
const PAUSE: Duration = Duration::from_secs(1);
/// However short a pause the server asks for. It doubles with each stream that brought nothing.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest doubled pause, unless the server asks for more.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A longer pause than a server may ask for: the call has ended by then.
const RETRY_MAX: Duration = Duration::from_hours(1);
/// Streams in a row that bring no message.
const IN_VAIN_MAX: u32 = 100;
/// Attempts in a row that bring no stream.
const FAILURES_MAX: u32 = 5;

/// How the stream of one answer continues.
pub(super) struct Resume<B> {
    line: Box<dyn Line<B>>,
    /// Streams since the last message.
    in_vain: u32,
}

/// Asks a server for streams, whatever carries the bytes.
trait Line<B>: Send {
    fn open(&self, last_event: HeaderValue, pause: Duration) -> Opening<B>;
}

impl<B> Resume<B> {
    /// For a call within a session.
    pub(super) fn new<T: Transport<Body = B>>(
        net: &Arc<Net<T>>,
        upstream: &Arc<Upstream>,
        session: &Arc<UpstreamSession>,
        caller: Caller<'_>,
        slot: SlotKey,
    ) -> Self {
        Self {
            line: Box::new(InSession {
                net: Arc::clone(net),
                upstream: Arc::clone(upstream),
                session: Arc::clone(session),
                slot,
                key: caller.key,
                class: caller.class,
                // Requested again for each stream: what a server first received about the user can expire within the call.
                identity: caller.identity.kept(),
            }),
            in_vain: 0,
        }
    }

    /// A message has come.
    pub(super) const fn has_brought(&mut self) {
        self.in_vain = 0;
    }

    /// Asks for the rest of a stream that was closed; `None` if it cannot continue.
    pub(super) fn begin(&mut self, closed: &Decoder) -> Option<Opening<B>> {
        let last_event = closed
            .last_event_id()
            .and_then(|id| HeaderValue::from_bytes(id).ok());
        let last_event = last_event.filter(|_| self.in_vain < IN_VAIN_MAX)?;
        let doubled = (PAUSE_MIN * 2_u32.saturating_pow(self.in_vain.min(16))).min(PAUSE_MAX);
        let asked_for = closed.reconnection_time().unwrap_or(PAUSE).min(RETRY_MAX);
        self.in_vain += 1;
        Some(self.line.open(last_event, asked_for.max(doubled)))
    }
}

/// A call within a session.
struct InSession<T> {
    net: Arc<Net<T>>,
    upstream: Arc<Upstream>,
    session: Arc<UpstreamSession>,
    slot: SlotKey,
    key: CallerKey,
    class: RuleClass,
    identity: Arc<dyn Identify>,
}

impl<T> Clone for InSession<T> {
    fn clone(&self) -> Self {
        Self {
            net: Arc::clone(&self.net),
            upstream: Arc::clone(&self.upstream),
            session: Arc::clone(&self.session),
            slot: self.slot,
            key: self.key,
            class: self.class,
            identity: Arc::clone(&self.identity),
        }
    }
}

/// What one attempt brought.
enum Attempt<B> {
    Stream(B),
    /// The server may answer another time.
    NotNow,
    Never,
}

impl<T: Transport> InSession<T> {
    async fn ask(&self, last_event: &HeaderValue) -> Attempt<T::Body> {
        let upstream = &*self.upstream;
        let caller = Caller {
            key: self.key,
            class: self.class,
            identity: &*self.identity,
            conversation: None,
        };
        let Ok(mut request) = upstream.request(Method::GET, caller, Bytes::new()).await else {
            return Attempt::NotNow;
        };
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.remove(CONTENT_TYPE);
        headers.insert(LAST_EVENT_ID, last_event.clone());
        session_headers(&mut request, &self.session);
        let Ok(answer) = self.net.transport.send(request, upstream.config.timeout).await else {
            return Attempt::NotNow;
        };
        let status = answer.status();
        if status.is_success() {
            let is_stream = media_type(answer.headers()) == MediaType::EventStream;
            return if is_stream && refuse_encoded(upstream, answer.headers()).is_ok() {
                Attempt::Stream(answer.into_body())
            } else {
                Attempt::Never
            };
        }
        match status {
            StatusCode::NOT_FOUND if self.session.id.is_some() => {
                upstream.sessions.slot(self.slot).forget(&self.session);
                self.session.is_over();
                Attempt::Never
            }
            StatusCode::NOT_IMPLEMENTED => Attempt::Never,
            // A server may not have noticed yet that the earlier stream broke.
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => Attempt::NotNow,
            status if status.is_server_error() => Attempt::NotNow,
            _ => Attempt::Never,
        }
    }
}

impl<T: Transport> Line<T::Body> for InSession<T> {
    fn open(&self, last_event: HeaderValue, mut pause: Duration) -> Opening<T::Body> {
        let line = self.clone();
        Box::pin(async move {
            for _ in 0..FAILURES_MAX {
                tokio::time::sleep(pause).await;
                match line.ask(&last_event).await {
                    Attempt::Stream(body) => return Opened::Stream(body),
                    Attempt::NotNow => pause = pause.max((pause * 2).min(PAUSE_MAX)),
                    Attempt::Never => break,
                }
            }
            tracing::info!(
                server = line.upstream.slug(),
                "a stream that its server closed did not go on"
            );
            Opened::Failed("broken", line.upstream.lost().of_call())
        })
    }
}
