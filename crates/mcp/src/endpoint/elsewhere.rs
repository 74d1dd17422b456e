//! Answers of clients that arrive at another replica than the one that waits for them: they are passed on in letters, and a
//! call that is held there continues there, with its result sent back in the answer.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gatewright_domain::id::ProjectId;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde::{Deserialize, Serialize};

use super::{answer::Answer, service::Endpoint, session::SessionNote};
use crate::{
    peer::{
        caller::CallerKey,
        held::Retry,
        incoming::Answered,
        mailbox::Delivered,
        outgoing::{self, CallError},
        places::Place,
        seals::{Nonce, SessionId},
        transport::Transport,
    },
    wire::{
        envelope::{self, Limits, Message},
        jsonrpc::{ErrorCode, Refusal},
        log_level::Logs,
        sse::Decoder,
        version::Era,
    },
};

/// The maximum size of what a held call sends before and with its result, if that is passed to another replica.
const PASSED_MAX: usize = 4 * 1024 * 1024;
/// The maximum size of an answer or a retry that is passed to another replica: it is in the database for a moment.
const LETTER_MAX: usize = 256 * 1024;
/// How long a call that continues at another replica can last.
const CALL_MAX: Duration = Duration::from_mins(10);
/// How long an answer may take to reach another replica.
const DELIVERY_MAX: Duration = Duration::from_secs(10);

/// Identifies a replica of an instance.
pub type Replica = crate::peer::seals::Replica;

/// What a replica answers to a letter, once it has.
pub type Reply<'a> = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + 'a>>;

/// The other replicas of the instance.
pub trait Replicas: Send + Sync + fmt::Debug {
    /// Sends a letter to a replica and waits for its answer for a limited time; `None` if the replica does not take the
    /// letter within seconds, or does not answer in time.
    fn ask(&self, to: Replica, letter: Vec<u8>, at_most: Duration) -> Reply<'_>;

    /// Writes what a client asked for in its session where all replicas read it. What cannot be written is logged.
    fn write(&self, note: SessionNote) -> BoxFuture<'_, ()>;

    /// Whether there can be others: where not, nothing is written that only they read.
    fn are_possible(&self) -> bool;
}

/// A message from one replica to another.
#[derive(Serialize, Deserialize)]
enum Letter {
    /// A client has answered a question.
    Answer {
        session: SessionId,
        caller: [u8; 16],
        nonce: Nonce,
        message: String,
    },
    /// A client has come back to a call that is held.
    Retry {
        caller: [u8; 16],
        nonce: Nonce,
        message: String,
    },
}

/// That an answer was taken.
const TAKEN: &[u8] = b"taken";
/// What a replica answers to a letter that nothing waits for, or that it cannot read.
pub const LATE: &[u8] = b"late";

/// Why something was not passed to another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// It is too large.
    TooLarge,
    /// The maximum is on its way.
    Busy,
    /// The replica does not take it.
    Gone,
}

impl Undelivered {
    /// The message to the client.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::TooLarge => {
                "This answer is larger than 256 kB, which is too large to be passed to the part of the gateway that waits for it. Send a smaller one."
            }
            Self::Busy => {
                "Too many answers of this gateway's users are on their way to other parts of it. Send this one again in a moment."
            }
            Self::Gone => {
                "The part of the gateway that waited for this answer cannot be reached. The call that it belongs to has failed; make it again."
            }
        }
    }
}

impl<T: Transport> Endpoint<T> {
    /// Which replica this is.
    pub fn replica(&self) -> Replica {
        self.mailbox.seals.replica
    }

    /// From now on what is for other replicas is sent there.
    pub fn join(&self, replicas: Box<dyn Replicas>) {
        // Those that were set first stay.
        let _ = self.replicas.set(replicas);
    }

    /// Does what another replica asks in a letter; returns the answer to it.
    pub async fn take_letter(&self, letter: &[u8]) -> Vec<u8> {
        match serde_json::from_slice(letter) {
            Ok(Letter::Answer {
                session,
                caller,
                nonce,
                message,
            }) => {
                let caller = CallerKey::from_bytes(caller);
                match self.mailbox.deliver(session, caller, nonce, &message.into()) {
                    Delivered::Taken => TAKEN.to_vec(),
                    Delivered::Late | Delivered::Elsewhere(..) | Delivered::Unknown => LATE.to_vec(),
                }
            }
            Ok(Letter::Retry {
                caller,
                nonce,
                message,
            }) => {
                let body = Bytes::from(message);
                let caller = CallerKey::from_bytes(caller);
                self.go_on_for_other(caller, nonce, &body)
                    .await
                    .unwrap_or_else(|| LATE.to_vec())
            }
            Err(error) => {
                tracing::warn!(%error, "a letter of another replica cannot be read");
                LATE.to_vec()
            }
        }
    }

    /// Passes the answer of a client to the replica that waits for it.
    pub(super) async fn answer_elsewhere(
        &self,
        (to, nonce): (Replica, Nonce),
        session: SessionId,
        (project, caller): (ProjectId, CallerKey),
        message: &Bytes,
    ) -> Result<(), Undelivered> {
        let _place = self.place_for_letter(project, caller, message)?;
        let letter = Letter::Answer {
            session,
            caller: *caller.as_bytes(),
            nonce,
            message: String::from_utf8_lossy(message).into_owned(),
        };
        let taken = self.send_letter(to, &letter, DELIVERY_MAX).await;
        taken.map(drop).ok_or(Undelivered::Gone)
    }

    /// Goes on with a call that another replica holds.
    pub(super) async fn go_on_elsewhere(
        &self,
        to: Replica,
        nonce: Nonce,
        call: &outgoing::Call<'_>,
    ) -> Result<Answered<T::Body>, CallError> {
        let place = self.place_for_letter(call.client.project, call.caller.key, call.body);
        let _place = place.map_err(|why| CallError::NotPassedOn(why.text()))?;
        let letter = Letter::Retry {
            caller: *call.caller.key.as_bytes(),
            nonce,
            message: String::from_utf8_lossy(call.body).into_owned(),
        };
        match self.send_letter(to, &letter, CALL_MAX).await {
            Some(answer) if answer != LATE => Ok(Answered::Whole(StatusCode::OK, answer.into(), None)),
            Some(_) | None => Err(CallError::NotHeld),
        }
    }

    /// A place for a letter with this message.
    fn place_for_letter(
        &self,
        project: ProjectId,
        caller: CallerKey,
        message: &Bytes,
    ) -> Result<Place, Undelivered> {
        if message.len() > LETTER_MAX {
            return Err(Undelivered::TooLarge);
        }
        let place = self.mailbox.letter_places.take(project, caller);
        place.ok_or(Undelivered::Busy)
    }

    async fn send_letter(&self, to: Replica, letter: &Letter, at_most: Duration) -> Option<Vec<u8>> {
        let replicas = self.replicas.get()?;
        let letter = serde_json::to_vec(letter).ok()?;
        replicas.ask(to, letter, at_most).await
    }

    /// Continues a call that is held here, for a client that came back to another replica; returns its result.
    async fn go_on_for_other(&self, caller: CallerKey, nonce: Nonce, body: &Bytes) -> Option<Vec<u8>> {
        let Ok(Message::Request(request)) = envelope::parse(body, &Limits::default()) else {
            return None;
        };
        let retry = Retry {
            mailbox: &self.mailbox,
            caller,
            request: &request,
            logs: Logs::None,
            alive: None,
        };
        let (_, answer) = self.federation.resume(retry, nonce)?;
        let Answered::Events(events) = answer else {
            return None;
        };
        let reading = Limited::new(Answer::events(events), PASSED_MAX).collect();
        // The longest wait.
        let read = tokio::time::timeout(CALL_MAX, reading).await;
        let mut decoder = Decoder::new(PASSED_MAX);
        if let Ok(Ok(read)) = read {
            decoder.push(read.to_bytes());
        }
        let mut last = None;
        while let Ok(Some(event)) = decoder.next_event() {
            if !event.data.is_empty() {
                last = Some(event.data.to_vec());
            }
        }
        let too_large = || {
            let refusal = Refusal::new(
                ErrorCode::INTERNAL_ERROR,
                "The answer of the server is too large to be passed from one replica to another, took too long, or broke off. The server may have carried the call out: check before you try again.",
            );
            let id = request.id.to_owned();
            refusal.to_response(Some(&id), Era::Modern).to_vec()
        };
        Some(last.unwrap_or_else(too_large))
    }
}
