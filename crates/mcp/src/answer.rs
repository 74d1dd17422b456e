//! The body of an answer to a client: what is in memory, a server's JSON as it arrives, a server's events one by one,
//! or a stream that only listens.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    bridge::{Bridge, Step},
    bridge_splice::Splicer,
    call_guard::CallGuard,
    listen::Listening,
    sse::{self, Decoder},
    upstream::Upstream,
};

/// One event of a server, at most: it must be whole before it can be passed on.
pub(crate) const EVENT_MAX: usize = 32 * 1024 * 1024;
/// However much progress a server reports, a call ends after this long.
const CALL_MAX: Duration = Duration::from_hours(1);

/// Why an answer broke off; the client sees a body that ends early, never one that looks whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The server's answer broke off.
    #[error("the answer of the server broke off")]
    Broken,
    /// The server paused for too long.
    #[error("the server paused for too long in its answer")]
    Timeout,
    /// The answer is not the one to this request.
    #[error("{0}")]
    NotOurs(#[from] crate::bridge_splice::SpliceError),
}

/// The body of an answer. Dropping it gives the upstream request up.
pub struct Answer<B>(Kind<B>);

enum Kind<B> {
    /// Up to three pieces in memory, so that a shared list needs no copy per request.
    Memory {
        pieces: [Bytes; 3],
        next: usize,
    },
    Json(JsonAnswer<B>),
    // Boxed: its state is several times that of the others, and every answer would carry the room for it.
    Events(Box<EventsAnswer<B>>),
    Listening(Listening),
}

impl<B> fmt::Debug for Answer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Memory { .. } => "Answer::Memory",
            Kind::Json(_) => "Answer::Json",
            Kind::Events(_) => "Answer::Events",
            Kind::Listening(_) => "Answer::Listening",
        })
    }
}

impl<B> Answer<B> {
    /// No content.
    pub const fn empty() -> Self {
        Self::pieces([Bytes::new(), Bytes::new(), Bytes::new()])
    }

    /// What is in memory.
    pub const fn full(body: Bytes) -> Self {
        Self::pieces([body, Bytes::new(), Bytes::new()])
    }

    pub(crate) const fn pieces(pieces: [Bytes; 3]) -> Self {
        Self(Kind::Memory { pieces, next: 0 })
    }

    pub(crate) fn json(body: B, splicer: Option<Splicer>, pause: Duration, guard: CallGuard) -> Self {
        Self(Kind::Json(JsonAnswer {
            body,
            splicer,
            pause: Pause::new(pause),
            guard,
            ended: false,
        }))
    }

    pub(crate) fn events(
        body: B,
        bridge: Bridge,
        upstream: Arc<Upstream>,
        pause: Duration,
        cancelled: Option<CancellationToken>,
        guard: CallGuard,
    ) -> Self {
        Self(Kind::Events(Box::new(EventsAnswer {
            body,
            decoder: Decoder::new(EVENT_MAX),
            bridge,
            upstream,
            pause: Pause::new(pause),
            cancelled: cancelled.map(|token| Box::pin(token.cancelled_owned())),
            guard,
            ready: VecDeque::new(),
            ended: false,
        })))
    }

    pub(crate) const fn listening(listening: Listening) -> Self {
        Self(Kind::Listening(listening))
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match &mut self.0 {
            Kind::Memory { pieces, next } => {
                while let Some(piece) = pieces.get_mut(*next) {
                    *next += 1;
                    if !piece.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(std::mem::take(piece)))));
                    }
                }
                Poll::Ready(None)
            }
            Kind::Json(json) => json.poll(cx),
            Kind::Events(events) => events.poll(cx),
            Kind::Listening(listening) => listening
                .poll(cx)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Memory { pieces, next } => pieces.iter().skip(*next).all(Bytes::is_empty),
            Kind::Json(json) => json.ended,
            Kind::Events(_) | Kind::Listening(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Memory { pieces, next } => {
                let left: usize = pieces.iter().skip(*next).map(Bytes::len).sum();
                SizeHint::with_exact(left as u64)
            }
            Kind::Json(json) if json.splicer.is_none() => json.body.size_hint(),
            Kind::Json(_) | Kind::Events(_) | Kind::Listening(_) => SizeHint::default(),
        }
    }
}

/// How long a server may pause. The timer is made at the first pause only: most answers come in one piece.
struct Pause {
    allowed: Duration,
    // Boxed because a timer must not move once it runs, and this state moves until it does.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether something came since the timer was set.
    moved: bool,
    ends: Option<Instant>,
}

impl Pause {
    const fn new(allowed: Duration) -> Self {
        Self {
            allowed,
            timer: None,
            moved: true,
            ends: None,
        }
    }

    const fn moved(&mut self) {
        self.moved = true;
    }

    /// Ready when the pause has lasted too long, or the whole call has.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.moved {
            self.moved = false;
            let now = Instant::now();
            let ends = *self.ends.get_or_insert(now + CALL_MAX);
            let until = ends.min(now + self.allowed);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(until),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

struct JsonAnswer<B> {
    body: B,
    splicer: Option<Splicer>,
    pause: Pause,
    guard: CallGuard,
    ended: bool,
}

impl<B> JsonAnswer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    return self.pause.poll(cx).map(|()| {
                        self.ended = true;
                        Some(Err(AnswerError::Timeout))
                    });
                }
                Poll::Ready(frame) => frame,
            };
            self.pause.moved();
            let piece = match frame {
                None => {
                    self.ended = true;
                    self.guard.complete();
                    let whole = self.splicer.as_ref().map_or(Ok(()), Splicer::finish);
                    return Poll::Ready(whole.err().map(|error| Err(error.into())));
                }
                Some(Err(error)) => {
                    tracing::info!(%error, "the answer of a server broke off");
                    self.ended = true;
                    return Poll::Ready(Some(Err(AnswerError::Broken)));
                }
                // Trailers are the server's own affair.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => piece,
                    Err(_) => continue,
                },
            };
            let piece = match &mut self.splicer {
                None => piece,
                Some(splicer) => match splicer.push(piece) {
                    Ok(piece) => piece,
                    Err(error) => {
                        tracing::warn!(%error, "an answer of a server is not passed on");
                        self.ended = true;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                },
            };
            if self.body.is_end_stream() && self.splicer.is_none() {
                self.ended = true;
                self.guard.complete();
            }
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }
}

struct EventsAnswer<B> {
    body: B,
    decoder: Decoder,
    bridge: Bridge,
    upstream: Arc<Upstream>,
    pause: Pause,
    // Boxed because it must not move once it is polled.
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    guard: CallGuard,
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl<B> EventsAnswer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            // The client has cancelled: nothing more is sent for the request, and dropping the guard tells the server.
            if let Some(cancelled) = &mut self.cancelled
                && cancelled.as_mut().poll(cx).is_ready()
            {
                self.ended = true;
                continue;
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    if self.pause.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.give_up(self.upstream.timed_out().to_string());
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.pause.moved();
                    if let Ok(data) = frame.into_data() {
                        self.decoder.push(data);
                        self.take_events();
                    }
                }
                Poll::Ready(None) => {
                    self.guard.complete();
                    self.give_up(format!(
                        "The server `{}` ended its answer before it was complete. Try again; if it lasts, tell the administrator of this gateway.",
                        self.upstream.slug()
                    ));
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::info!(%error, server = self.upstream.slug(), "the stream of a server broke off");
                    self.give_up(self.upstream.unreachable().to_string());
                }
            }
        }
    }

    fn take_events(&mut self) {
        loop {
            let event = match self.decoder.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, server = self.upstream.slug(), "an event of a server is too large");
                    self.give_up(format!(
                        "The answer of the server `{}` is too large to be passed on. Ask for less at once.",
                        self.upstream.slug()
                    ));
                    return;
                }
            };
            // Servers prime streams with events that have no data.
            if event.data.is_empty() {
                continue;
            }
            match self.bridge.translate(&event.data) {
                Step::Forward(message) => self.ready.push_back(sse::encode_message(&message)),
                Step::Last(message) => {
                    self.guard.complete();
                    self.ready.push_back(sse::encode_message(&message));
                    self.ended = true;
                    return;
                }
                Step::Drop => {}
                Step::ToolsChanged => self.guard.tools_changed(&self.upstream),
                Step::Reply(message) => self.guard.reply(message),
            }
        }
    }

    /// Ends the stream with an error in the place of the answer.
    fn give_up(&mut self, message: String) {
        let error = self.bridge.refuse(message);
        self.ready.push_back(sse::encode_message(&error));
        self.ended = true;
    }
}
