//! A call within one server: sent in the server's era, its answer streamed back in the client's.

use std::{sync::Arc, task::Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    call_guard::CallGuard,
    caller::Caller,
    era::{SessionLoss, denies_modern, may_be_other_era},
    exchange::SMALL_ANSWER,
    incoming::{Answered, Sent, as_events, share_of, stream},
    late::{Late, Opening, SIGN_OF_LIFE},
    net::Net,
    outgoing::{Call, CallError, Outgoing, To, modern, within_session},
    session::UpstreamSession,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    watch::Watch,
    whole::whole,
};
use crate::wire::{jsonrpc::ErrorCode, version::Era};

/// A server that is ready for a call.
pub(crate) enum Line {
    /// It is stateless.
    Modern,
    /// The session of the conversation.
    Legacy(Arc<UpstreamSession>),
}

/// What one attempt led to.
pub(crate) enum Attempt<B> {
    /// The server has answered.
    Answered(Answered<B>),
    /// By the standard nothing was done, and the call can be sent again. Why it was refused.
    Again(CallGuard, Unavailable),
    /// The server refuses the headers that its own list asks for.
    HeadersRefused {
        guard: CallGuard,
        /// The mirrored parameters it was sent with.
        mirrored: Vec<(HeaderName, HeaderValue)>,
        /// Whether by the standard nothing was done.
        surely_undone: bool,
    },
}

/// What came first of a call that was sent.
enum Waited<B> {
    Answer(Result<Response<B>, Unavailable>),
    /// No bytes for a while (`None`), or progress on another stream.
    Late(Option<Bytes>),
}

/// Waits for the head of an answer, for as long as the client may wait without a sign of life.
async fn waiting<B>(
    sending: &mut (impl Future<Output = Result<Response<B>, Unavailable>> + Unpin),
    sent: &mut Sent,
) -> Waited<B> {
    let Some(until) = sent.until else {
        return Waited::Answer(sending.await);
    };
    let progress = std::future::poll_fn(|cx| match &mut sent.progress {
        Some(progress) => progress.poll(cx),
        None => Poll::Pending,
    });
    tokio::select! {
        biased;
        answer = sending => Waited::Answer(answer),
        message = progress => Waited::Late(Some(message)),
        () = sleep_until(until) => Waited::Late(None),
    }
}

impl<T: Transport> Net<T> {
    /// Finds out what a call to a server needs: its era, and a session if it uses sessions.
    pub(super) async fn begin_line(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Line, Unavailable> {
        Ok(match self.era_of(upstream, caller).await? {
            Era::Modern => Line::Modern,
            Era::Legacy => Line::Legacy(self.session(upstream, caller).await?),
        })
    }

    /// Sends a call once and begins to read its answer.
    pub(super) async fn send_call(
        self: &Arc<Self>,
        line: Line,
        call: &Call<'_>,
        to: To<'_>,
        mut guard: CallGuard,
        cancelled: Option<&CancellationToken>,
    ) -> Result<Attempt<T::Body>, CallError> {
        let upstream = to.upstream;
        let Outgoing {
            request,
            bridge,
            session,
            progress,
        } = match line {
            Line::Modern => modern(call, &to).await?,
            Line::Legacy(session) => within_session(self, call, &to, session, &mut guard).await?,
        };
        // What a stateless server asks a client with a session for comes with the call sent again. The bytes are shared.
        let again = (bridge.client_era, bridge.server_era) == (Era::Legacy, Era::Modern);
        let body = (again && !call.client.can.is_empty()).then(|| request.body().clone());
        let mut sent = Sent {
            bridge,
            session,
            body,
            progress,
            until: call.takes_stream.then(|| Instant::now() + SIGN_OF_LIFE),
        };
        // Boxed because a long wait continues elsewhere: a call pays an allocation and a timer so that clients and proxies
        // do not give up on a slow one.
        let sending = Arc::clone(self).send_for(Arc::clone(upstream), request);
        let mut sending = Box::pin(sending);
        let answer = match waiting(&mut sending, &mut sent).await {
            Waited::Answer(answer) => answer,
            Waited::Late(progress) => {
                let late = self.late(sending, sent, call, &to, (guard, cancelled), progress);
                return Ok(Attempt::Answered(late));
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                if matches!(why, Unavailable::Unreachable { .. }) {
                    guard.unwatch();
                }
                return Err(CallError::Unanswered(why));
            }
        };
        if answer.status().is_success() {
            let streamed = stream(self, answer, sent, call, &to, guard, cancelled);
            return streamed.await.map(Attempt::Answered);
        }
        // Boxed because it is rare and large.
        Box::pin(self.refused(answer, &sent, call, to, guard)).await
    }

    async fn send_for(
        self: Arc<Self>,
        upstream: Arc<Upstream>,
        request: Request<Bytes>,
    ) -> Result<Response<T::Body>, Unavailable> {
        self.send(&upstream, request, upstream.config.timeout).await
    }

    /// The stream that a client gets whose answer takes long, and the progress that was reported first.
    fn late(
        self: &Arc<Self>,
        sending: impl Future<Output = Result<Response<T::Body>, Unavailable>> + Send + 'static,
        sent: Sent,
        call: &Call<'_>,
        to: &To<'_>,
        (guard, cancelled): (CallGuard, Option<&CancellationToken>),
        progress: Option<Bytes>,
    ) -> Answered<T::Body> {
        let upstream = to.upstream;
        let late = Late {
            upstream: Arc::clone(upstream),
            bridge: sent.bridge.clone(),
            session: sent.session.clone(),
            slot: call.slot(),
            share: share_of(self, call, upstream),
        };
        let of = Err(Box::pin(late.answer::<T>(sending)) as Opening<_>);
        let watch = Watch::new(upstream.config.timeout, call.caller.identity.alive());
        let mut events = as_events(self, of, sent, (call, to), (watch, guard), cancelled);
        if let Some(progress) = progress {
            events.take_message(&progress);
        }
        Answered::Events(events)
    }

    /// A status that is not a success: what it means for the call, which may have been carried out nevertheless. Only two
    /// things are known to have done nothing: an ended session, reported with 404 and not as the answer to the call, and
    /// mirrored headers that differ from what the server's list asks for now.
    async fn refused(
        &self,
        answer: Response<T::Body>,
        sent: &Sent,
        call: &Call<'_>,
        to: To<'_>,
        mut guard: CallGuard,
    ) -> Result<Attempt<T::Body>, CallError> {
        let Sent { bridge, session, .. } = sent;
        let (upstream, session) = (to.upstream, session.as_ref());
        // A refusal is a complete answer: there is nothing left to cancel.
        guard.unwatch();
        let reading = whole::<T>(upstream, answer, SMALL_ANSWER, None);
        let answer = tokio::time::timeout(upstream.config.timeout, reading)
            .await
            .unwrap_or_else(|_| Err(upstream.timed_out()))
            .map_err(CallError::Unanswered)?;
        let id = bridge.server_id.as_ref().unwrap_or(&bridge.client_id);
        let (error, is_ours) = answer.error(id).unzip();
        let loss = session.map_or(SessionLoss::No, |session| answer.session_loss(session, id));
        if let Some(session) = session
            && loss != SessionLoss::No
        {
            upstream.sessions.slot(call.slot()).forget(session);
            if may_be_other_era(answer.status) {
                // A server that has moved to the other era refuses sessions too; the next request finds out.
                upstream.forget_era(Era::Legacy);
            }
            if loss == SessionLoss::Surely {
                session.is_over();
                return Ok(Attempt::Again(guard, upstream.session_ended(answer.status)));
            }
            if is_ours != Some(true) {
                return Err(CallError::Unanswered(upstream.lost_in_session(answer.status)));
            }
        }
        let Some(error) = error else {
            if may_be_other_era(answer.status) {
                upstream.forget_era(bridge.server_era);
            }
            let why = upstream.bad_status(answer.status, &answer.headers);
            return Err(CallError::Unanswered(why));
        };
        match (bridge.server_era, error.code) {
            (Era::Modern, ErrorCode::HEADER_MISMATCH) => {
                // The tool's mirrored parameters may have changed since its list was read.
                Ok(Attempt::HeadersRefused {
                    guard,
                    mirrored: to.mirrored,
                    surely_undone: answer.status == StatusCode::BAD_REQUEST,
                })
            }
            (Era::Modern, ErrorCode::UNSUPPORTED_PROTOCOL_VERSION) => {
                upstream.forget_era(Era::Modern);
                Err(CallError::Unanswered(upstream.other_version()))
            }
            (Era::Legacy, code) if code.proves_modern() => {
                if let Some(session) = session {
                    upstream.sessions.slot(call.slot()).forget(session);
                }
                upstream.forget_era(Era::Legacy);
                Err(CallError::Unanswered(upstream.other_version()))
            }
            (era, code) => {
                if era == Era::Modern && denies_modern(answer.status, code) {
                    upstream.forget_era(Era::Modern);
                }
                let status = code.relayed_status(bridge.client_era);
                let body = bridge.error(answer.error_object());
                Ok(Attempt::Answered(Answered::Whole(status, body, None)))
            }
        }
    }
}
