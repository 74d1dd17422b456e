//! Answers that a client with a session can come back to while the call runs, and for a moment after (2025-11-25
//! basic/transports, "Resumability and Redelivery"): its events have ids and are kept, and a GET with `Last-Event-ID` continues
//! after one of them.
//!
//! An answer whose events are all here costs nothing of that. The first time that its server is waited for, the client gets an
//! event that names the stream; from then on the call outlives its connection.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::{Entropy, entropy};
use http_body::{Body, Frame};
use tokio::time::Instant;

use super::kept_events::{Kept, Owner, Share};
use crate::peer::{answer_error::AnswerError, answer_events::EventsAnswer};

/// How long a call runs on without its client.
const ALONE_FOR: Duration = Duration::from_mins(1);
/// How long an answer is kept that has ended.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How often those that are kept no longer are looked for.
const TIDY: Duration = Duration::from_secs(5);
/// How long clients are asked to wait before they come back, in milliseconds.
const RETRY_MS: u32 = 1_000;

/// Names the stream of one answer: the session it is of, and a number that only its client knows.
type StreamId = ([u8; 16], [u8; 8]);

/// The answers of the process that clients can come back to.
pub(super) struct Resumables<B> {
    entropy: Arc<dyn Entropy>,
    kept: Arc<Kept>,
    streams: Mutex<Streams<B>>,
}

struct Streams<B> {
    known: HashMap<StreamId, Arc<Resumable<B>>>,
    tidied_at: Instant,
}

impl<B> fmt::Debug for Resumables<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resumables")
    }
}

/// Whose answer it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose {
    pub(super) session: [u8; 16],
    pub(super) owner: Owner,
}

/// One answer.
struct Resumable<B> {
    id: StreamId,
    owner: Owner,
    state: Mutex<State<B>>,
}

struct State<B> {
    /// The server's events; `None` once they have ended.
    events: Option<Box<EventsAnswer<B>>>,
    /// Those that were passed on, with their numbers.
    kept: VecDeque<(u64, Bytes)>,
    share: Share,
    /// The number of the last event.
    last: u64,
    /// Who reads now; another takes over.
    reader: u64,
    waker: Option<Waker>,
    fault: Option<&'static str>,
    ended_at: Option<Instant>,
}

/// What was read of an answer.
enum Piece {
    Event(u64, Bytes),
    /// A sign of life.
    Comment(Bytes),
}

impl<B> Resumables<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    /// None yet.
    pub(super) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self {
            entropy,
            kept: Arc::default(),
            streams: Mutex::new(Streams {
                known: HashMap::new(),
                tidied_at: Instant::now(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams<B>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of answers that have ended, a while after; of those of `owner` where these take the room that it needs.
    fn tidy(streams: &mut Streams<B>, owner: Option<Owner>) {
        if owner.is_some() || streams.tidied_at.elapsed() >= TIDY {
            streams.tidied_at = Instant::now();
            streams.known.retain(|_, known| {
                let for_room = owner == Some(known.owner);
                let ended_at = known.lock().ended_at;
                ended_at.is_none_or(|at| !for_room && at.elapsed() < KEPT_FOR)
            });
        }
    }

    /// Keeps an answer from here on; returns it if there is no room.
    fn keep(
        &self,
        whose: Whose,
        events: Box<EventsAnswer<B>>,
    ) -> Result<Arc<Resumable<B>>, Box<EventsAnswer<B>>> {
        let mut streams = self.lock();
        Self::tidy(&mut streams, None);
        let share = self.kept.share(whose.owner).or_else(|| {
            Self::tidy(&mut streams, Some(whose.owner));
            self.kept.share(whose.owner)
        });
        let Some(share) = share else {
            return Err(events);
        };
        let id = (whose.session, entropy::bytes(self.entropy.as_ref()));
        let kept = Arc::new(Resumable {
            id,
            owner: whose.owner,
            state: Mutex::new(State {
                events: Some(events),
                kept: VecDeque::new(),
                share,
                last: 0,
                reader: 0,
                waker: None,
                fault: None,
                ended_at: None,
            }),
        });
        streams.known.insert(id, Arc::clone(&kept));
        Ok(kept)
    }

    /// The rest of an answer of a session after the event with this ID; `None` if it is unknown, or no longer kept.
    pub(super) fn after(self: &Arc<Self>, session: [u8; 16], event: &str) -> Option<Following<B>> {
        let (stream, number) = event.split_once('-')?;
        let stream = u64::from_str_radix(stream, 16).ok()?.to_be_bytes();
        let number: u64 = number.parse().ok()?;
        let resumable = Arc::clone(self.lock().known.get(&(session, stream))?);
        let reader = resumable.take_over(number)?;
        Some(Following {
            of: Followed::Kept {
                resumable,
                reader,
                passed: number,
            },
            all: Arc::downgrade(self),
            whose: None,
        })
    }
}

impl<B> Resumable<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another reader continues after an event; `None` if the next one is not kept.
    fn take_over(&self, after: u64) -> Option<u64> {
        let mut state = self.lock();
        let next_is_kept = state.kept.front().is_none_or(|(first, _)| *first <= after + 1);
        if after > state.last || after < state.last && (state.kept.is_empty() || !next_is_kept) {
            return None;
        }
        state.reader += 1;
        let earlier = state.waker.take();
        let reader = state.reader;
        drop(state);
        if let Some(earlier) = earlier {
            earlier.wake();
        }
        Some(reader)
    }

    /// The event that names the stream.
    fn first_event(&self) -> Bytes {
        format!("id: {}\nretry: {RETRY_MS}\ndata: \n\n", self.event_id(0)).into()
    }

    fn event_id(&self, number: u64) -> String {
        format!("{:016x}-{number}", u64::from_be_bytes(self.id.1))
    }
}

impl<B> Resumable<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    /// What a reader that has passed on the events up to a number gets next; `None` once there is no more for it.
    fn poll(
        &self,
        cx: &mut Context<'_>,
        reader: u64,
        passed: u64,
    ) -> Poll<Option<Result<Piece, AnswerError>>> {
        let mut state = self.lock();
        if state.reader != reader {
            return Poll::Ready(None);
        }
        let next = state.kept.partition_point(|(number, _)| *number <= passed);
        if let Some((number, event)) = state.kept.get(next) {
            return Poll::Ready(Some(Ok(Piece::Event(*number, event.clone()))));
        }
        let Some(events) = &mut state.events else {
            return Poll::Ready(None);
        };
        let Poll::Ready(came) = events.poll(cx) else {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        match came {
            None => {
                state.end();
                Poll::Ready(None)
            }
            Some(Err(why)) => {
                state.end();
                Poll::Ready(Some(Err(why)))
            }
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap_or_default();
                Poll::Ready(Some(Ok(if piece.starts_with(b":") {
                    Piece::Comment(piece)
                } else {
                    let number = state.last + 1;
                    let event = [b"id: ", self.event_id(number).as_bytes(), b"\n", &piece].concat();
                    let event = Bytes::from(event);
                    state.keep(number, &event);
                    Piece::Event(number, event)
                })))
            }
        }
    }

    /// The call runs on without its client, for a while.
    async fn alone(self: Arc<Self>, reader: u64) {
        let mut passed = self.lock().last;
        let reading = std::future::poll_fn(|cx| {
            loop {
                match std::task::ready!(self.poll(cx, reader, passed)) {
                    Some(Ok(Piece::Event(number, _))) => passed = number,
                    Some(Ok(Piece::Comment(_))) => {}
                    Some(Err(_)) | None => return Poll::Ready(()),
                }
            }
        });
        if tokio::time::timeout(ALONE_FOR, reading).await.is_err() {
            let mut state = self.lock();
            if state.reader == reader {
                // Dropping them cancels the call.
                state.end();
            }
        }
    }
}

impl<B> State<B> {
    /// Keeps an event, and drops those before it for which there is no more room.
    fn keep(&mut self, number: u64, event: &Bytes) {
        self.last = number;
        let bytes = Share::of_event(event.len());
        while !self.share.grow(bytes) {
            let Some((_, first)) = self.kept.pop_front() else {
                return;
            };
            self.share.shrink(Share::of_event(first.len()));
        }
        self.kept.push_back((number, event.clone()));
    }

    fn end(&mut self) {
        if let Some(mut events) = self.events.take() {
            self.fault = events.fault.take();
        }
        self.ended_at = Some(Instant::now());
    }
}

/// An answer as one connection of its client reads it, whatever carries its bytes.
pub(super) trait Follow: Send {
    /// What was wrong with it, in a word; reported once.
    fn take_fault(&mut self) -> Option<&'static str>;

    /// The next piece.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>>;
}

/// The same, for bytes that come in this body.
pub(super) struct Following<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    of: Followed<B>,
    all: Weak<Resumables<B>>,
    /// `None` for one that is kept already.
    whose: Option<Whose>,
}

enum Followed<B> {
    /// Its server has not been waited for yet.
    Direct(Box<EventsAnswer<B>>),
    Kept {
        resumable: Arc<Resumable<B>>,
        reader: u64,
        passed: u64,
    },
    /// It is being kept, or it has ended.
    Nothing,
}

impl<B> Following<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    /// An answer of a session.
    pub(super) fn new(all: &Arc<Resumables<B>>, whose: Whose, events: Box<EventsAnswer<B>>) -> Self {
        Self {
            of: Followed::Direct(events),
            all: Arc::downgrade(all),
            whose: Some(whose),
        }
    }

    /// The event that names the stream, if it is kept from here on.
    fn begin_to_keep(&mut self) -> Option<Bytes> {
        let whose = self.whose.take()?;
        let all = self.all.upgrade()?;
        let Followed::Direct(events) = std::mem::replace(&mut self.of, Followed::Nothing) else {
            return None;
        };
        match all.keep(whose, events) {
            Ok(resumable) => {
                let first = resumable.first_event();
                self.of = Followed::Kept {
                    resumable,
                    reader: 0,
                    passed: 0,
                };
                Some(first)
            }
            Err(events) => {
                self.of = Followed::Direct(events);
                None
            }
        }
    }
}

impl<B> Follow for Following<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    fn take_fault(&mut self) -> Option<&'static str> {
        match &mut self.of {
            Followed::Direct(events) => events.fault.take(),
            Followed::Kept { resumable, .. } => resumable.lock().fault.take(),
            Followed::Nothing => None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Followed::Direct(events) = &mut self.of {
            match events.poll(cx) {
                Poll::Ready(came) => return Poll::Ready(came),
                Poll::Pending if events.has_answered() => return Poll::Pending,
                Poll::Pending => match self.begin_to_keep() {
                    Some(first) => return Poll::Ready(Some(Ok(Frame::data(first)))),
                    None => return Poll::Pending,
                },
            }
        }
        let Followed::Kept {
            resumable,
            reader,
            passed,
        } = &mut self.of
        else {
            return Poll::Ready(None);
        };
        Poll::Ready(match std::task::ready!(resumable.poll(cx, *reader, *passed)) {
            None => None,
            Some(Err(why)) => Some(Err(why)),
            Some(Ok(Piece::Comment(comment))) => Some(Ok(Frame::data(comment))),
            Some(Ok(Piece::Event(number, event))) => {
                *passed = number;
                Some(Ok(Frame::data(event)))
            }
        })
    }
}

impl<B> Drop for Following<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    /// The connection is lost: the call continues for a while, and its client may come back.
    fn drop(&mut self) {
        let Followed::Kept {
            resumable, reader, ..
        } = &self.of
        else {
            return;
        };
        let mut state = resumable.lock();
        if state.reader != *reader || state.events.is_none() {
            return;
        }
        let place = self.all.upgrade().and_then(|all| all.kept.alone(resumable.owner));
        let runtime = tokio::runtime::Handle::try_current();
        let (Some(place), Ok(runtime)) = (place, runtime) else {
            // Dropping its events cancels the call, as that of every other client.
            state.end();
            return;
        };
        drop(state);
        let (resumable, reader) = (Arc::clone(resumable), *reader);
        // A separate task, because nothing else reads what the server sends; bounded in number and time.
        runtime.spawn(async move {
            resumable.alone(reader).await;
            drop(place);
        });
    }
}
