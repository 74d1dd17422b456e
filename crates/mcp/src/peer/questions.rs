//! What a server with sessions asks while it answers a call. A client with a session is asked on the stream of its call,
//! under our own IDs, and answers with a POST (2025-11-25 basic/transports, "Sending Messages to the Server"). A stateless
//! client is asked in the place of the result, and the call is held until it comes back.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use gatewright_domain::{Timestamp, id::ProjectId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    caller::{Alive, CallerKey},
    client_streams::ClientStream,
    held::{BEHIND_MAX, HELD_FOR},
    mailbox::{Mailbox, OF_CALL_MAX, OpenQuestion},
    places::Place,
    replies::{KeptUser, Replies, send_soon, send_where_room},
    seals::{Bound, Nonce, SessionId, State},
    tasks::OfTasks,
};
use crate::wire::{
    envelope::{self, Limits, Message, Request},
    id::RequestId,
    input_required::{members_of, write_input_required},
    jsonrpc::{self, Refusal},
    question::ClientCapabilities,
    scan::{self, Kind},
    task_ids::{TaskIds as _, edit_related_of},
    version::Era,
};

mod said;

use said::{answered, no_answer, with_id};
pub(super) use said::{cancelled, refusal, refuse_unreachable, too_large, too_many};

/// Under which key a stateless client finds what is asked, and answers.
const KEY: &str = "ask";
/// Requests of a server within one call in all, whether refused or not; a server that asks more is refused.
const QUESTIONS_MAX: u32 = 256;
/// A request of a server is not larger, bytes: it waits in memory until it is passed on, and a held call keeps it.
const QUESTION_MAX: usize = 1024 * 1024;

/// The client of a call, and the way back to its server.
pub(super) struct Questions {
    pub(super) way: Arc<dyn Replies>,
    pub(super) mailbox: Arc<Mailbox>,
    project: ProjectId,
    pub(super) caller: CallerKey,
    pub(super) can: ClientCapabilities,
    pub(super) client: Client,
    asked: u32,
    /// The ids of the tasks of the server.
    tasks: OfTasks,
}

/// How the client is asked.
pub(super) enum Client {
    InSession(InSession),
    Stateless(Stateless),
}

/// On the stream of the call.
pub(super) struct InSession {
    session: SessionId,
    /// The same stream for what the server asks outside of it.
    stream: Option<ClientStream>,
    open: Vec<Open>,
    waiting: FuturesUnordered<BoxFuture<'static, Over>>,
}

/// A question to a client with a session that is open.
struct Open {
    /// Its id at the server.
    theirs: RequestId,
    /// Its id at the client, JSON text.
    ours: String,
    /// Cancelled when the server no longer asks it.
    given_up: CancellationToken,
}

/// A question that has ended.
struct Over {
    ours: String,
    /// Whether the client may still be working on it.
    is_unanswered: bool,
}

/// In the place of the result.
pub(super) struct Stateless {
    bound: Bound,
    user: KeptUser,
    held: Option<HeldQuestion>,
}

/// The question that a stateless client received, and the place of its call.
struct HeldQuestion {
    theirs: RequestId,
    /// The message as the server sent it.
    message: Bytes,
    nonce: Nonce,
    until: Until,
    place: Place,
}

/// Until when a question waits, however often its client comes back without the answer.
#[derive(Clone, Copy)]
struct Until {
    state_expires: Timestamp,
    call_expires: Instant,
}

/// The outcome of a question.
pub(super) enum Asked {
    /// This goes to the client, and the stream continues.
    Told(Bytes),
    /// This goes to the client in the place of the result, and the call is held.
    Held(Bytes),
    /// The server was refused.
    Refused,
}

impl Questions {
    pub(super) fn new(
        way: Arc<dyn Replies>,
        mailbox: &Arc<Mailbox>,
        (project, caller): (ProjectId, CallerKey),
        can: ClientCapabilities,
        client: Client,
        tasks: OfTasks,
    ) -> Self {
        Self {
            way,
            mailbox: Arc::clone(mailbox),
            project,
            caller,
            can,
            client,
            asked: 0,
            tasks,
        }
    }

    /// Asks the client what a message of the server asks. `client_id` is the id of the client's request, JSON text, and `behind`
    /// the bytes of the server that came after the question.
    pub(super) fn ask(&mut self, message: &Bytes, client_id: &[u8], behind: usize) -> Asked {
        let Ok(Message::Request(request)) = envelope::parse(message, &Limits::default()) else {
            return Asked::Refused;
        };
        self.asked = self.asked.saturating_add(1);
        let refused = if self.asked > QUESTIONS_MAX && self.client.has_call() {
            Some(too_many())
        } else {
            refusal(self.can, &request).or_else(|| (message.len() > QUESTION_MAX).then(too_large))
        };
        let asked = refused.map_or_else(|| self.ask_allowed(message, &request, client_id, behind), Err);
        match asked {
            Ok(asked) => asked,
            Err(refusal) => {
                let id = request.id.to_owned();
                send_where_room(&self.way, refusal.to_response(Some(&id), Era::Legacy));
                Asked::Refused
            }
        }
    }

    fn ask_allowed(
        &mut self,
        message: &Bytes,
        request: &Request<'_>,
        client_id: &[u8],
        behind: usize,
    ) -> Result<Asked, Refusal> {
        match &mut self.client {
            Client::InSession(client) => {
                if client.open.len() >= OF_CALL_MAX {
                    return Err(too_many());
                }
                let question = self.mailbox.ask(client.session, self.project, self.caller);
                let question = question.ok_or_else(too_many)?;
                let told = with_id(message, request, &question.id)?;
                let told = edit_related_of(&told, &|theirs| self.tasks.known(theirs));
                let way = (Arc::clone(&self.way), self.tasks.clone());
                client.wait(question, request.id.to_owned(), way);
                Ok(Asked::Told(told))
            }
            Client::Stateless(client) => {
                if behind > BEHIND_MAX {
                    return Err(too_many());
                }
                let place = self.mailbox.held_places.take(self.project, self.caller);
                let place = place.ok_or_else(too_many)?;
                let held = HeldQuestion {
                    theirs: request.id.to_owned(),
                    message: message.clone(),
                    nonce: self.mailbox.seals.nonce(),
                    until: Until {
                        state_expires: self.mailbox.seals.now().plus(HELD_FOR),
                        call_expires: Instant::now() + HELD_FOR,
                    },
                    place,
                };
                let told = held.told(&self.mailbox, &client.bound, request, client_id);
                client.held = Some(held);
                Ok(Asked::Held(told))
            }
        }
    }

    /// Ready when something happens to an open question: with the message to the client, if any.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Client::InSession(client) = &mut self.client else {
            return Poll::Pending;
        };
        if let Some(stream) = &mut client.stream
            && let Poll::Ready(message) = stream.poll(cx)
        {
            return Poll::Ready(Some(message));
        }
        if client.waiting.is_empty() {
            return Poll::Pending;
        }
        match client.waiting.poll_next_unpin(cx) {
            Poll::Ready(Some(over)) => {
                client.open.retain(|open| open.ours != over.ours);
                Poll::Ready(over.is_unanswered.then(|| cancelled(&over.ours)))
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Whether the server waits for the client, and not the client for the server.
    pub(super) fn is_open(&self) -> bool {
        match &self.client {
            // A question outside of this stream may be part of the call.
            Client::InSession(client) => self.mailbox.is_asking(client.session),
            Client::Stateless(client) => client.held.is_some(),
        }
    }

    /// The server cancels its own request with a message.
    pub(super) fn give_up(&self, message: &Bytes) {
        let Ok(Message::Notification(notification)) = envelope::parse(message, &Limits::default()) else {
            return;
        };
        let id = notification.params.as_ref().and_then(|params| params.request_id);
        let (Some(id), Client::InSession(client)) = (id, &self.client) else {
            return;
        };
        let id = id.to_owned();
        for open in client.open.iter().filter(|open| open.theirs == id) {
            open.given_up.cancel();
        }
    }

    /// A question cannot reach its client, and its server learns that in another way.
    pub(super) fn forget(&mut self, theirs: &RequestId) {
        if let Client::InSession(client) = &self.client {
            for open in client.open.iter().filter(|open| open.theirs == *theirs) {
                open.given_up.cancel();
            }
        }
    }

    /// The server has answered the call: its questions no longer need an answer, as this tells the client.
    pub(super) fn close(&mut self) -> Vec<Bytes> {
        let Client::InSession(client) = &mut self.client else {
            return Vec::new();
        };
        client.waiting.clear();
        // No one reads it any more.
        client.stream = None;
        let open = client.open.drain(..);
        open.map(|open| cancelled(&open.ours)).collect()
    }

    /// Under which nonce the call is held, for whom and until when, if it is held.
    pub(super) fn held_as(&self) -> Option<(Nonce, CallerKey, Instant)> {
        match &self.client {
            Client::Stateless(Stateless { held: Some(held), .. }) => {
                Some((held.nonce, self.caller, held.until.call_expires))
            }
            _ => None,
        }
    }

    /// The size of the question that a held call waits for.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.client {
            Client::Stateless(Stateless { held: Some(held), .. }) => held.message.len(),
            _ => 0,
        }
    }

    /// Tells whether the user of a held call is still allowed.
    pub(super) fn alive(&self) -> Option<Alive> {
        match &self.client {
            Client::Stateless(client) => Some(client.user.caller().identity.alive()),
            Client::InSession(_) => None,
        }
    }

    /// Answers the question of a held call with what its client sends with the retry. Without an answer it is asked again, as
    /// this message says, and the call is still held.
    pub(super) fn resume(&mut self, request: &Request<'_>) -> Option<Bytes> {
        let Client::Stateless(client) = &mut self.client else {
            return None;
        };
        let held = client.held.take()?;
        let responses = request.params.as_ref().and_then(|params| params.input_responses);
        let answer = responses.and_then(|object| {
            let [answer] = scan::pick(request.body, object, [KEY]).ok()?;
            answer.filter(|answer| answer.kind == Kind::Object)
        });
        if let Some(answer) = answer {
            let reply = jsonrpc::write_result(&held.theirs, answer.value.of(request.body));
            send_soon(&self.way, reply);
            drop(held.place);
            return None;
        }
        let message = held.message.clone();
        let Ok(Message::Request(question)) = envelope::parse(&message, &Limits::default()) else {
            return None;
        };
        let client_id = request.id.raw.as_bytes();
        let told = held.told(&self.mailbox, &client.bound, &question, client_id);
        client.held = Some(held);
        Some(told)
    }
}

impl Drop for Questions {
    /// A call that has ended ends its questions too: the server must not wait for them. Open questions of a session see to that
    /// themselves.
    fn drop(&mut self) {
        if let Client::Stateless(Stateless { held: Some(held), .. }) = &self.client {
            send_soon(&self.way, no_answer(&held.theirs));
        }
    }
}

impl Client {
    /// Whether it is asked on the stream of a call, which ends; the stream on which a session is listened to stays.
    const fn has_call(&self) -> bool {
        match self {
            Self::InSession(client) => client.stream.is_some(),
            Self::Stateless(_) => true,
        }
    }

    /// A client that is asked within its session, on this stream or on others.
    pub(super) fn in_session(session: SessionId, stream: Option<ClientStream>) -> Self {
        Self::InSession(InSession {
            session,
            stream,
            open: Vec::new(),
            waiting: FuturesUnordered::new(),
        })
    }

    /// A client that is asked in the place of a result; its state is bound to this.
    pub(super) const fn stateless(bound: Bound, user: KeptUser) -> Self {
        Self::Stateless(Stateless {
            bound,
            user,
            held: None,
        })
    }
}

impl HeldQuestion {
    /// The result that asks a stateless client this.
    fn told(&self, mailbox: &Mailbox, bound: &Bound, question: &Request<'_>, client_id: &[u8]) -> Bytes {
        let state = State::Held(mailbox.seals.replica, self.nonce);
        let state = mailbox.seals.seal_state(bound, &state, self.until.state_expires);
        write_input_required(client_id, KEY, &members_of(question), &state)
    }
}

impl InSession {
    /// Waits for the answer to a question and passes it to the server.
    fn wait(
        &mut self,
        mut question: OpenQuestion,
        theirs: RequestId,
        (way, tasks): (Arc<dyn Replies>, OfTasks),
    ) {
        let given_up = CancellationToken::new();
        self.open.push(Open {
            theirs: theirs.clone(),
            ours: question.id.clone(),
            given_up: given_up.clone(),
        });
        let mut unanswered = Unanswered(Some((way, theirs)));
        self.waiting.push(Box::pin(async move {
            let answer = tokio::select! {
                biased;
                () = given_up.cancelled() => {
                    unanswered.0 = None;
                    None
                }
                answer = question.answer() => answer,
            };
            let ours = question.id.clone();
            let Some(answer) = answer else {
                return Over {
                    ours,
                    is_unanswered: true,
                };
            };
            if let Some((way, theirs)) = unanswered.0.take() {
                let reply = answered(&answer, &theirs).unwrap_or_else(|| no_answer(&theirs));
                let reply = edit_related_of(&reply, &|ours| tasks.theirs(ours));
                way.send(reply).await;
            }
            Over {
                ours,
                is_unanswered: false,
            }
        }));
    }
}

/// A question of a server that is refused when this is dropped: its client went away, or took too long.
struct Unanswered(Option<(Arc<dyn Replies>, RequestId)>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some((way, theirs)) = self.0.take() {
            send_soon(&way, no_answer(&theirs));
        }
    }
}
