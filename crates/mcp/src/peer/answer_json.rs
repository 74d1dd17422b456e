//! A server's JSON as it arrives.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::{
    answer_error::AnswerError,
    budget::Share,
    call_guard::CallGuard,
    states::States,
    watch::{Wake, Watch},
};
use crate::wire::bridge_splice::Splicer;

/// An answer that declares at most this many bytes is passed on once all of it has arrived: its length is known then, whatever
/// is spliced into it, and a client can do nothing with a part of it.
const GATHERED_MAX: u64 = 256 * 1024;
/// What was gathered is one piece up to this size, because errors are read whole. More stays in the pieces it came in: copying
/// them takes longer than all that is looked at in them.
const JOINED_MAX: usize = 32 * 1024;

/// A JSON answer on its way.
pub(crate) struct JsonAnswer<B> {
    body: B,
    // Boxed because most answers need none, and every answer would carry the room for it.
    splicer: Option<Box<Splicer<States>>>,
    watch: Watch,
    guard: CallGuard,
    /// Looked at already, and not passed on yet.
    first: Bytes,
    /// What comes after that, if it was gathered.
    more: VecDeque<Bytes>,
    /// What these take of the memory for answers, if it was gathered.
    share: Option<Share>,
    /// The first and the last received byte that are not white space.
    edges: Option<(u8, u8)>,
    ended: bool,
    /// What is wrong with it, in a word.
    pub(crate) fault: Option<&'static str>,
}

/// What came of a server.
enum Came {
    Frame(Option<Result<Frame<Bytes>, AnswerError>>),
    /// Nothing yet.
    Late,
}

impl<B> JsonAnswer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    pub(super) fn new(body: B, splicer: Option<Splicer<States>>, watch: Watch, guard: CallGuard) -> Self {
        Self {
            body,
            splicer: splicer.map(Box::new),
            watch,
            guard,
            first: Bytes::new(),
            more: VecDeque::new(),
            share: None,
            edges: None,
            ended: false,
            fault: None,
        }
    }

    /// Waits for the beginning of the answer and checks it, while an error can still be returned in its place; for all of it, if
    /// it is short and its length would not be known otherwise. `false` if that has not arrived by `until`.
    pub(super) async fn look_at_first(
        &mut self,
        until: Option<Instant>,
        mut share: Share,
    ) -> Result<bool, AnswerError> {
        let expected = self
            .body
            .size_hint()
            .exact()
            .filter(|length| *length <= GATHERED_MAX);
        let Some(piece) = self.piece_until(until).await? else {
            return Ok(false);
        };
        self.first = piece;
        let Some(expected) = expected.filter(|_| !self.ended && self.size_hint().exact().is_none()) else {
            return Ok(true);
        };
        let room = usize::try_from(expected).unwrap_or(usize::MAX);
        if !share.resize(room) {
            return Ok(true);
        }
        let mut gathered = VecDeque::from([std::mem::take(&mut self.first)]);
        while !self.ended {
            let Some(piece) = self.piece_until(until).await? else {
                break;
            };
            gathered.push_back(piece);
        }
        let length: usize = gathered.iter().map(Bytes::len).sum();
        if length <= JOINED_MAX {
            let mut joined = BytesMut::with_capacity(length);
            joined.extend(gathered.drain(..));
            self.first = joined.freeze();
        } else {
            gathered.retain(|piece| !piece.is_empty());
            self.first = gathered.pop_front().unwrap_or_default();
            self.more = gathered;
        }
        self.share = Some(share);
        Ok(self.ended)
    }

    /// Waits for the beginning of the answer, as the server wrote it, without white space in front. `false` if that has not
    /// arrived by `until`.
    pub(super) async fn look_before_splicing(&mut self, until: Option<Instant>) -> Result<bool, AnswerError> {
        loop {
            let Some(piece) = self.piece_until(until).await? else {
                return Ok(false);
            };
            if self.ended || !piece.trim_ascii_start().is_empty() {
                self.first = piece;
                return Ok(true);
            }
        }
    }

    /// Changes all of it, also what was looked at.
    pub(super) fn splice(&mut self, mut splicer: Splicer<States>) -> Result<(), AnswerError> {
        if !self.first.is_empty() {
            self.first = splicer.push(std::mem::take(&mut self.first))?;
        }
        if self.ended {
            splicer.finish()?;
        }
        self.splicer = Some(Box::new(splicer));
        Ok(())
    }

    /// What was looked at, what has not come yet, and the guard of its call.
    pub(super) fn into_rest(self) -> (Bytes, B, CallGuard) {
        (self.first, self.body, self.guard)
    }

    /// The next piece; `None` if none has arrived by `until`, and an empty one at the end.
    async fn piece_until(&mut self, until: Option<Instant>) -> Result<Option<Bytes>, AnswerError> {
        match std::future::poll_fn(|cx| self.poll_until(cx, until)).await {
            Came::Late => Ok(None),
            Came::Frame(frame) => {
                let frame = frame.transpose()?;
                let piece = frame.and_then(|frame| frame.into_data().ok());
                Ok(Some(piece.unwrap_or_default()))
            }
        }
    }

    /// What was looked at and not passed on yet.
    pub(super) const fn first(&self) -> &Bytes {
        &self.first
    }

    /// The next piece, as it goes to the client.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, AnswerError> {
        let frame = std::future::poll_fn(|cx| self.poll(cx)).await.transpose()?;
        Ok(frame.and_then(|frame| frame.into_data().ok()))
    }

    /// Reads on until all of it is here, unless it is longer than `most` bytes; whether it is all here. What came is the first
    /// piece from then on. `None` if there is no room for it.
    pub(super) async fn gather(
        &mut self,
        most: usize,
        share: &mut Share,
    ) -> Result<Option<bool>, AnswerError> {
        let mut gathered = BytesMut::new();
        while let Some(piece) = self.next_piece().await? {
            gathered.extend_from_slice(&piece);
            if !share.resize(gathered.len()) {
                return Ok(None);
            }
            if gathered.len() > most {
                break;
            }
        }
        self.first = gathered.freeze();
        Ok(Some(self.ended && self.first.len() <= most))
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended && self.first.is_empty()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let more: usize = self.more.iter().map(Bytes::len).sum();
        let looked_at = (self.first.len() + more) as u64;
        if self.ended {
            return SizeHint::with_exact(looked_at);
        }
        let left = self.body.size_hint().exact();
        let left = left.and_then(|left| match &self.splicer {
            None => Some(left),
            Some(splicer) => splicer.length(left),
        });
        left.map_or_else(SizeHint::default, |left| SizeHint::with_exact(looked_at + left))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match std::task::ready!(self.poll_until(cx, None)) {
            Came::Frame(frame) => Poll::Ready(frame),
            Came::Late => Poll::Ready(None),
        }
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, until: Option<Instant>) -> Poll<Came> {
        loop {
            match self.poll_frame(cx) {
                Poll::Ready(frame) => return Poll::Ready(Came::Frame(frame)),
                Poll::Pending => match std::task::ready!(self.watch.poll(cx)) {
                    Wake::End(end) => return self.fail(end).map(Came::Frame),
                    Wake::Look(now) => {
                        if until.is_some_and(|until| now >= until) {
                            return Poll::Ready(Came::Late);
                        }
                    }
                },
            }
        }
    }

    /// Pending only while the server sends nothing.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if !self.first.is_empty() {
            let next = self.more.pop_front().unwrap_or_default();
            if next.is_empty() {
                self.share = None;
            }
            let first = std::mem::replace(&mut self.first, next);
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
            if let Err(end) = self.watch.moved() {
                return self.fail(end);
            }
            let piece = match frame {
                None => {
                    return match self.complete() {
                        Ok(()) => Poll::Ready(None),
                        Err(why) => self.fail(why),
                    };
                }
                Some(Err(error)) => {
                    tracing::info!(%error, "the answer of a server broke off");
                    return self.fail(AnswerError::Broken);
                }
                // Trailers are the server's own affair.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => piece,
                    Err(_) => continue,
                },
            };
            let is_last = self.body.is_end_stream();
            if is_last
                && self
                    .splicer
                    .as_ref()
                    .is_some_and(|splicer| splicer.leaves(&piece))
            {
                self.splicer = None;
            }
            self.note_edges(&piece);
            self.guard.read(&piece);
            let piece = match &mut self.splicer {
                None => piece,
                Some(splicer) => match splicer.push(piece) {
                    Ok(piece) => piece,
                    Err(error) => {
                        tracing::warn!(%error, "an answer of a server is not passed on");
                        return self.fail(error.into());
                    }
                },
            };
            // Nothing is read after the last byte of a known length: an incomplete answer is refused there.
            if is_last && let Err(why) = self.complete() {
                return self.fail(why);
            }
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }

    fn fail(&mut self, why: AnswerError) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        self.ended = true;
        self.fault = why.word();
        Poll::Ready(Some(Err(why)))
    }

    /// All of it is here; fails if its JSON ends in the middle. What passes as it came is not read, so that it costs nothing;
    /// whether an object begins and ends it is seen all the same.
    fn complete(&mut self) -> Result<(), AnswerError> {
        self.ended = true;
        // The messages of an array are read one by one, and a server that asks something among them gets a reply.
        if !matches!(self.edges, Some((b'[', _))) {
            self.guard.complete();
        }
        if self.edges != Some((b'{', b'}')) {
            self.fault = Some("protocol");
        }
        if let Some(splicer) = &self.splicer {
            splicer.finish()?;
        }
        Ok(())
    }

    fn note_edges(&mut self, piece: &[u8]) {
        let is_solid = |byte: &u8| !byte.is_ascii_whitespace();
        let first = piece.iter().copied().find(is_solid);
        let last = piece.iter().copied().rfind(is_solid);
        if let (Some(first), Some(last)) = (first, last) {
            self.edges = Some((self.edges.map_or(first, |(begun, _)| begun), last));
        }
    }
}
