//! One conversation with a server: its stream, the address for messages, and who waits for what.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::id::ProjectId;
use http::Uri;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    body::Routed,
    conversations::{Conversations, Number, Place},
};
use crate::{
    peer::{answer_events::EVENT_MAX, budget::Share, listening::changed_list},
    wire::{
        envelope::{self, Limits, Message},
        sse::{self, Decoder},
    },
};

/// Events that wait for a reader. More, and the stream of the server is not read on.
const EVENTS_MAX: usize = 16;
/// A reader that reads nothing for this long loses its part, so that the others of its conversation continue.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// A conversation without requests and listeners ends after this time. The session it represents is
/// forgotten earlier.
const IDLE: Duration = Duration::from_mins(35);
/// The same while no message has followed the first: it may not have led to a session.
const IDLE_AT_FIRST: Duration = Duration::from_secs(30);

/// An event for a reader, with its room in memory.
pub(super) type Event = (Bytes, Share);

/// Its state, while its stream is open.
pub(super) struct Conversation {
    /// What the session is called by.
    pub(super) number: Number,
    /// Whose server it is with.
    project: ProjectId,
    /// Where its stream is.
    pub(super) stream: Uri,
    /// Where messages are POSTed to.
    pub(super) address: Uri,
    readers: Mutex<Readers>,
    ended: CancellationToken,
    all: Arc<Conversations>,
}

/// Who waits for events.
#[derive(Default)]
struct Readers {
    /// By the id of the request, as written: those that wait for an answer, and how many came before.
    requests: HashMap<Box<str>, Reader>,
    /// Who listens.
    listener: Option<mpsc::Sender<Event>>,
    begun: u64,
    /// How many messages were sent.
    messages: u64,
    used_at: Option<Instant>,
}

struct Reader {
    events: mpsc::Sender<Event>,
    was_answered: Arc<AtomicBool>,
    turn: u64,
}

/// A request that waits for its answer.
pub(super) struct Pending {
    /// What comes for it.
    pub(super) events: mpsc::Receiver<Event>,
    /// Keeps its place.
    pub(super) waits: Waits,
}

/// Keeps the place of a request among those that wait. Dropping it cancels the request.
pub(super) struct Waits {
    id: Box<str>,
    was_answered: Arc<AtomicBool>,
    conversation: Arc<Conversation>,
}

impl Waits {
    /// Whether its answer has come.
    pub(super) fn was_answered(&self) -> bool {
        self.was_answered.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut readers = self.conversation.readers();
        // Another request may bear the same id by now.
        if readers
            .requests
            .get(&self.id)
            .is_some_and(|reader| Arc::ptr_eq(&reader.was_answered, &self.was_answered))
        {
            readers.requests.remove(&self.id);
        }
    }
}

impl Conversation {
    pub(super) fn new(
        number: Number,
        project: ProjectId,
        (stream, address): (Uri, Uri),
        all: Arc<Conversations>,
    ) -> Arc<Self> {
        let readers = Readers {
            used_at: Some(Instant::now()),
            ..Readers::default()
        };
        Arc::new(Self {
            number,
            project,
            stream,
            address,
            readers: Mutex::new(readers),
            ended: CancellationToken::new(),
            all,
        })
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a message is sent.
    pub(super) fn note_message(&self) {
        let mut readers = self.readers();
        readers.messages += 1;
        readers.used_at = Some(Instant::now());
    }

    /// Waits for the answer to the request with this id from now on.
    pub(super) fn expect(self: &Arc<Self>, id: &str) -> Pending {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let was_answered = Arc::<AtomicBool>::default();
        let mut readers = self.readers();
        readers.begun += 1;
        let reader = Reader {
            events: sender,
            was_answered: Arc::clone(&was_answered),
            turn: readers.begun,
        };
        if !self.ended.is_cancelled() {
            readers.requests.insert(id.into(), reader);
        }
        drop(readers);
        Pending {
            events,
            waits: Waits {
                id: id.into(),
                was_answered,
                conversation: Arc::clone(self),
            },
        }
    }

    /// Listens to what does not belong to a request from now on, replacing an earlier listener.
    pub(super) fn listen(&self) -> Routed {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let mut readers = self.readers();
        if !self.ended.is_cancelled() {
            readers.listener = Some(sender);
        }
        Routed::announcements(events)
    }

    /// Ends it: its stream is closed, and waiters get an error.
    pub(super) fn end(&self) {
        self.ended.cancel();
        self.all.forget(self.number);
        *self.readers() = Readers::default();
    }

    /// Reads the stream to its end and hands its events on.
    pub(super) async fn read<B>(self: Arc<Self>, mut body: B, mut decoder: Decoder, place: Place)
    where
        B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
    {
        let reading = async {
            loop {
                loop {
                    match decoder.next_event() {
                        Ok(Some(event)) if event.event.as_ref().is_none_or(|kind| &**kind == b"message") => {
                            self.hand_on(&event.data).await;
                        }
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        // What comes after an event that is too large cannot be read.
                        Err(error) => {
                            tracing::info!(%error, "a stream of HTTP+SSE is left");
                            return;
                        }
                    }
                }
                // The beginning of an event needs room too, until more of it is here.
                let Some(_room) = self.all.room(self.project, decoder.buffered()) else {
                    return;
                };
                match timeout(self.idle_after(), body.frame()).await {
                    Ok(Some(Ok(frame))) => decoder.push(frame.into_data().unwrap_or_default()),
                    Err(_) if !self.is_idle() => {}
                    Ok(None | Some(Err(_))) | Err(_) => return,
                }
                // A server that only says that it is there keeps no conversation open.
                if self.is_idle() {
                    return;
                }
            }
        };
        let _ = self.ended.run_until_cancelled(reading).await;
        self.end();
        drop(place);
    }

    fn idle_after(&self) -> Duration {
        self.readers().idle_after()
    }

    fn is_idle(&self) -> bool {
        let readers = self.readers();
        readers.requests.is_empty()
            && readers.listener.as_ref().is_none_or(mpsc::Sender::is_closed)
            && readers
                .used_at
                .is_some_and(|at| at.elapsed() >= readers.idle_after())
    }

    /// Passes a message to its reader. A reader that reads nothing, or for which there is no room, loses its part.
    async fn hand_on(&self, data: &[u8]) {
        let Some((reader, whose)) = self.reader_of(data) else {
            return;
        };
        if let Some(room) = self.all.room(self.project, data.len()) {
            let event = (sse::encode_message(data), room);
            if matches!(timeout(STUCK_AFTER, reader.send(event)).await, Ok(Ok(()))) {
                return;
            }
        }
        match whose {
            // Its request has stopped waiting already, and takes the end for a stream that broke.
            Whose::Answered(was_answered) => was_answered.store(false, Ordering::Release),
            Whose::Request(id) => drop(self.readers().requests.remove(&id)),
            Whose::Listener => self.readers().listener = None,
        }
    }

    /// Who a message is for. With an answer, its request stops waiting. What names no request goes to the only one, as
    /// servers of Streamable HTTP send it on the stream of the call it comes from, unless it announces a change. With several it
    /// could be shown to another client of the same person, so it goes to who listens, where it is found out whose it is.
    fn reader_of(&self, data: &[u8]) -> Option<(mpsc::Sender<Event>, Whose)> {
        let message = envelope::parse(data, &Limits::default()).ok()?;
        let mut readers = self.readers();
        let announces = match &message {
            Message::Response(response) => {
                let reader = readers.requests.remove(response.id.as_ref()?.raw)?;
                reader.was_answered.store(true, Ordering::Release);
                return Some((reader.events, Whose::Answered(reader.was_answered)));
            }
            Message::Notification(notification) => {
                let params = notification.params.as_ref();
                if let Some(token) = params.and_then(|params| params.progress_token.as_ref()) {
                    let (id, reader) = readers.requests.get_key_value(token.raw)?;
                    return Some((reader.events.clone(), Whose::Request(id.clone())));
                }
                let method = &*notification.method.value;
                changed_list(method).is_some() || method == "notifications/resources/updated"
            }
            Message::Request(_) => false,
        };
        let newest = readers.requests.iter().max_by_key(|(_, reader)| reader.turn);
        let is_heard = readers
            .listener
            .as_ref()
            .is_some_and(|listener| !listener.is_closed());
        let for_listener = announces || readers.requests.len() > 1 && is_heard;
        match newest.filter(|_| !for_listener) {
            Some((id, reader)) => Some((reader.events.clone(), Whose::Request(id.clone()))),
            None => Some((readers.listener.clone()?, Whose::Listener)),
        }
    }
}

impl Readers {
    const fn idle_after(&self) -> Duration {
        if self.messages > 1 { IDLE } else { IDLE_AT_FIRST }
    }
}

/// Whose part of a conversation a message is.
enum Whose {
    /// The answer to a request; returns whether it was passed on.
    Answered(Arc<AtomicBool>),
    /// Something for the request with this id.
    Request(Box<str>),
    /// Something for who listens.
    Listener,
}

/// Reads the events of a conversation: everything must be whole before it can be handed on.
pub(super) fn decoder() -> Decoder {
    Decoder::new(EVENT_MAX)
}
