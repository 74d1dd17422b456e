//! The body of an answer to a client: what is in memory, a server's JSON as it arrives, a server's events one by one,
//! or a stream that only listens.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{batch_answer::BatchAnswer, listen::Listening, resumable::Follow};
use crate::peer::{
    answer_error::AnswerError, answer_events::EventsAnswer, answer_json::JsonAnswer, budget::Share,
    call_guard::Held, rounds::Rounds,
};

/// The body of an answer. Dropping it cancels the upstream request.
pub struct Answer<B>(Kind<B>);

#[expect(
    clippy::large_enum_variant,
    reason = "most answers are JSON, and each would cost an allocation if it were boxed"
)]
enum Kind<B> {
    /// Up to three pieces in memory, so that a shared list needs no copy per request.
    Memory {
        pieces: [Bytes; 3],
        next: usize,
    },
    Json(JsonAnswer<B>),
    /// A message of a server in memory, which counts until it has been passed on.
    Whole(
        Option<Bytes>,
        #[expect(dead_code, reason = "held, and never looked at")] Share,
    ),
    // Boxed: its state is several times that of the others, and every answer would carry the room for it.
    Events(Box<EventsAnswer<B>>),
    // Boxed like those. What is held lasts as long.
    Rounds(
        Box<Rounds>,
        #[expect(dead_code, reason = "held, and never looked at")] Option<Held>,
    ),
    /// Events that the client can come back to.
    Following(Box<dyn Follow>),
    // Boxed like those.
    Listening(Box<Listening>),
    /// The answers to the requests of a batch.
    Batch(Box<BatchAnswer<B>>),
}

impl<B> fmt::Debug for Answer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Memory { .. } => "Answer::Memory",
            Kind::Json(_) => "Answer::Json",
            Kind::Whole(..) => "Answer::Whole",
            Kind::Events(_) => "Answer::Events",
            Kind::Rounds(..) => "Answer::Rounds",
            Kind::Following(_) => "Answer::Following",
            Kind::Listening(_) => "Answer::Listening",
            Kind::Batch(_) => "Answer::Batch",
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

    /// What was wrong with the server's answer after its head had gone to the client, in a word for metrics: it broke off,
    /// it ended with our own error, or it was not JSON. It is reported once.
    pub fn take_fault(&mut self) -> Option<&'static str> {
        match &mut self.0 {
            Kind::Json(json) => json.fault.take(),
            Kind::Events(events) => events.fault.take(),
            Kind::Following(following) => following.take_fault(),
            Kind::Batch(batch) => batch.take_fault(),
            Kind::Memory { .. } | Kind::Whole(..) | Kind::Rounds(..) | Kind::Listening(_) => None,
        }
    }

    pub(super) const fn pieces(pieces: [Bytes; 3]) -> Self {
        Self(Kind::Memory { pieces, next: 0 })
    }

    /// A message of a server, with what it takes of the memory for answers.
    pub(super) fn whole(body: Bytes, share: Option<Share>) -> Self {
        match share {
            Some(share) => Self(Kind::Whole(Some(body), share)),
            None => Self::full(body),
        }
    }

    pub(super) const fn json(json: JsonAnswer<B>) -> Self {
        Self(Kind::Json(json))
    }

    pub(super) const fn events(events: Box<EventsAnswer<B>>) -> Self {
        Self(Kind::Events(events))
    }

    pub(super) const fn rounds(rounds: Box<Rounds>, held: Option<Held>) -> Self {
        Self(Kind::Rounds(rounds, held))
    }

    pub(super) const fn following(following: Box<dyn Follow>) -> Self {
        Self(Kind::Following(following))
    }

    pub(super) const fn batch(batch: Box<BatchAnswer<B>>) -> Self {
        Self(Kind::Batch(batch))
    }

    pub(super) const fn listening(listening: Box<Listening>) -> Self {
        Self(Kind::Listening(listening))
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
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
            Kind::Whole(body, _) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Kind::Events(events) => {
                let polled = events.poll(cx);
                if events.is_to_be_held() {
                    let nothing = Self::empty().0;
                    if let Kind::Events(events) = std::mem::replace(&mut self.0, nothing) {
                        events.hold();
                    }
                }
                polled
            }
            Kind::Rounds(rounds, _) => rounds.poll(cx),
            Kind::Following(following) => following.poll(cx),
            Kind::Batch(batch) => batch.poll(cx),
            Kind::Listening(listening) => listening
                .poll(cx)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Memory { pieces, next } => pieces.iter().skip(*next).all(Bytes::is_empty),
            Kind::Json(json) => json.has_ended(),
            Kind::Whole(body, _) => body.is_none(),
            Kind::Events(_) | Kind::Following(_) | Kind::Rounds(..) | Kind::Listening(_) | Kind::Batch(_) => {
                false
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Memory { pieces, next } => {
                let left: usize = pieces.iter().skip(*next).map(Bytes::len).sum();
                SizeHint::with_exact(left as u64)
            }
            Kind::Json(json) => json.size_hint(),
            Kind::Whole(body, _) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Kind::Events(_) | Kind::Following(_) | Kind::Rounds(..) | Kind::Listening(_) | Kind::Batch(_) => {
                SizeHint::default()
            }
        }
    }
}
