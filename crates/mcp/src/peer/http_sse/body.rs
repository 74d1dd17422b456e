//! What is answered: a body as it arrives from the server, or the part of a conversation that is meant for one request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::conversation::{Event, Waits};

/// The body of an answer.
#[derive(Debug)]
pub enum HttpSseBody<B> {
    /// As it arrives.
    Direct(B),
    /// Events taken from the stream of a conversation.
    Routed(Routed),
    /// Nothing.
    Empty,
}

/// Why a body broke off.
#[derive(Debug)]
pub enum HttpSseError<E> {
    /// The server's own body did.
    Direct(E),
    /// The stream of the conversation ended before the answer came.
    Ended,
}

impl<E: fmt::Display> fmt::Display for HttpSseError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(error) => error.fmt(f),
            Self::Ended => f.write_str("the stream of the server ended before its answer came"),
        }
    }
}

/// The events for one request, or for who listens.
#[derive(Debug)]
pub struct Routed {
    events: mpsc::Receiver<Event>,
    /// That a request waits; none for who listens.
    waits: Option<Waits>,
}

impl Routed {
    /// The events for a request, the last of which is its answer.
    pub(super) const fn answer(events: mpsc::Receiver<Event>, waits: Waits) -> Self {
        Self {
            events,
            waits: Some(waits),
        }
    }

    /// The events that do not belong to a request, as long as the conversation lasts.
    pub(super) const fn announcements(events: mpsc::Receiver<Event>) -> Self {
        Self { events, waits: None }
    }
}

impl<B> Body for HttpSseBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = HttpSseError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Direct(body) => {
                let polled = Pin::new(body).poll_frame(cx);
                polled.map(|frame| frame.map(|frame| frame.map_err(HttpSseError::Direct)))
            }
            Self::Routed(routed) => routed.events.poll_recv(cx).map(|event| match event {
                Some((event, _room)) => Some(Ok(Frame::data(event))),
                None if routed.waits.take().is_some_and(|waits| !waits.was_answered()) => {
                    Some(Err(HttpSseError::Ended))
                }
                None => None,
            }),
            Self::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Direct(body) => body.is_end_stream(),
            Self::Routed(_) => false,
            Self::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Direct(body) => body.size_hint(),
            Self::Routed(_) => SizeHint::default(),
            Self::Empty => SizeHint::with_exact(0),
        }
    }
}
