//! The answer to a batch: the answers to its requests in one JSON array, or in one stream of events if one of them is a
//! stream (2025-03-26 basic/transports, "Sending Messages to the Server").

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body, Frame};

use super::answer::Answer;
use crate::{
    peer::{answer_error::AnswerError, caller::Place},
    wire::{
        id::RequestId,
        jsonrpc::{ErrorCode, Refusal},
        media_type::{MediaType, media_type},
        sse,
        version::Era,
    },
};

/// Bytes of a JSON answer that are collected before its event begins, while events of other requests still pass.
const COLLECTED_MAX: usize = 16 * 1024;

/// The answer to one request of a batch.
pub(super) struct Member<B> {
    id: RequestId,
    answer: Answer<B>,
    is_stream: bool,
    /// JSON that has not been passed on.
    collected: BytesMut,
    /// Whether a part of it was passed on whose rest must follow before anything else.
    begun: bool,
    /// Returned when the answer has ended.
    _place: Option<Place>,
}

impl<B> Member<B> {
    pub(super) fn new(id: RequestId, answer: Response<Answer<B>>, place: Option<Place>) -> Self {
        let is_stream = media_type(answer.headers()) == MediaType::EventStream;
        Self {
            id,
            answer: answer.into_body(),
            is_stream,
            collected: BytesMut::new(),
            begun: false,
            _place: place,
        }
    }

    /// The replacement for an answer that broke before any of it was passed on.
    fn broken(&self) -> Bytes {
        let refusal = Refusal::new(
            ErrorCode::INTERNAL_ERROR,
            "The answer of the server broke off. The server may have carried the call out: check before you try again.",
        );
        refusal.to_response(Some(&self.id), Era::Legacy)
    }
}

/// The answer to a batch.
pub(super) struct BatchAnswer<B> {
    members: VecDeque<Member<B>>,
    form: Form,
    fault: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// JSON, one answer after the other.
    Array(Brackets),
    /// Events, as they come.
    Events,
}

/// How far a JSON array was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brackets {
    Unopened,
    Open,
    Closed,
}

/// What a member has to say.
enum Said {
    Piece(Bytes),
    /// Nothing more; this is the last.
    End(Bytes),
    Failed(AnswerError),
}

type Polled = Poll<Option<Result<Frame<Bytes>, AnswerError>>>;

impl<B> BatchAnswer<B> {
    pub(super) fn of(members: Vec<Member<B>>) -> Self {
        let form = if members.iter().any(|member| member.is_stream) {
            Form::Events
        } else {
            Form::Array(Brackets::Unopened)
        };
        Self {
            members: members.into(),
            form,
            fault: None,
        }
    }

    /// Whether it is a stream of events.
    pub(super) fn is_stream(&self) -> bool {
        self.form == Form::Events
    }

    /// What was wrong with one of the answers, in a word.
    pub(super) const fn take_fault(&mut self) -> Option<&'static str> {
        self.fault.take()
    }

    fn pop_front(&mut self) {
        if let Some(mut member) = self.members.pop_front() {
            self.fault = self.fault.or(member.answer.take_fault());
        }
    }
}

impl<B> BatchAnswer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        match self.form {
            Form::Array(brackets) => self.poll_array(cx, brackets),
            Form::Events => self.poll_events(cx),
        }
    }

    fn poll_array(&mut self, cx: &mut Context<'_>, brackets: Brackets) -> Polled {
        if brackets == Brackets::Closed {
            return Poll::Ready(None);
        }
        while let Some(member) = self.members.front_mut() {
            let is_first = !member.begun;
            let piece = match ready!(Pin::new(&mut member.answer).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let piece = frame.into_data().unwrap_or_default();
                    member.begun |= !piece.is_empty();
                    piece
                }
                None => {
                    self.pop_front();
                    continue;
                }
                Some(Err(why)) if member.begun => return Poll::Ready(Some(Err(why))),
                Some(Err(_)) => {
                    let broken = member.broken();
                    self.pop_front();
                    broken
                }
            };
            if piece.is_empty() {
                continue;
            }
            let before: &[u8] = match (is_first, brackets) {
                (false, _) => b"",
                (true, Brackets::Unopened) => b"[",
                (true, _) => b",",
            };
            self.form = Form::Array(Brackets::Open);
            return Poll::Ready(Some(Ok(Frame::data([before, &piece].concat().into()))));
        }
        self.form = Form::Array(Brackets::Closed);
        let end: &'static [u8] = if brackets == Brackets::Open { b"]" } else { b"[]" };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(end)))))
    }

    /// The next piece of any member; of one whose event has begun, the rest of that first.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Polled {
        let mut waiting = 0;
        while waiting < self.members.len() {
            let Some(member) = self.members.front_mut() else {
                break;
            };
            let said = match member.poll(cx) {
                Poll::Ready(said) => said,
                Poll::Pending if member.begun => return Poll::Pending,
                Poll::Pending => {
                    waiting += 1;
                    self.members.rotate_left(1);
                    continue;
                }
            };
            let piece = match said {
                Said::Piece(piece) => {
                    if !member.begun {
                        self.members.rotate_left(1);
                    }
                    piece
                }
                Said::Failed(why) if member.begun => return Poll::Ready(Some(Err(why))),
                Said::Failed(_) => {
                    let broken = sse::encode_message(&member.broken());
                    self.pop_front();
                    broken
                }
                Said::End(piece) => {
                    self.pop_front();
                    piece
                }
            };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            waiting = 0;
        }
        if self.members.is_empty() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }
}

impl<B> Member<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    /// What it says next, as events.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        loop {
            let frame = match ready!(Pin::new(&mut self.answer).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(why)) => return Poll::Ready(Said::Failed(why)),
                None => return Poll::Ready(Said::End(self.rest())),
            };
            if frame.is_empty() {
                continue;
            }
            if self.is_stream {
                self.begun = !frame.ends_with(b"\n\n");
                return Poll::Ready(Said::Piece(frame));
            }
            if self.begun {
                return Poll::Ready(Said::Piece(in_one_line(&frame).into()));
            }
            self.collected.extend_from_slice(&frame);
            if self.collected.len() > COLLECTED_MAX {
                self.begun = true;
                let begun = [b"data: ", &in_one_line(&std::mem::take(&mut self.collected))[..]].concat();
                return Poll::Ready(Said::Piece(begun.into()));
            }
        }
    }

    /// What remains to be said about JSON that has ended.
    fn rest(&mut self) -> Bytes {
        if self.is_stream {
            Bytes::new()
        } else if self.begun {
            Bytes::from_static(b"\n\n")
        } else if self.collected.is_empty() {
            Bytes::new()
        } else {
            sse::encode_message(&self.collected)
        }
    }
}

/// JSON without line breaks, which can only be white space, so that it can be the data of an event piece by piece.
fn in_one_line(json: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            *byte
        }
    };
    json.iter().map(space).collect()
}
