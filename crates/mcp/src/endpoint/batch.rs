//! Batches of clients of 2025-03-26: several messages in one POST (2025-03-26 basic/transports, "Sending Messages to the
//! Server"). Each is admitted, limited and answered as one that came alone; only the HTTP request is shared.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture, stream};
use gatewright_domain::{activity::Rule, trace_context::NamedTrace};
use http::{HeaderMap, Response, StatusCode};

use super::{
    answer::Answer,
    batch_answer::{BatchAnswer, Member},
    methods::{Asking, Client},
    reached::Reached,
    reply,
    service::{Endpoint, Lasting},
    session::Session,
};
use crate::{
    federation::plan::Plan,
    peer::{
        caller::{Alive, Busy, Caller, Identify, Place, Runs},
        carried::Carried,
        config::UpstreamConfig,
        credentials::Asked,
        transport::Transport,
    },
    wire::{
        batch::split,
        envelope::{self, Limits, Message, Reason, Request},
        headers,
        jsonrpc::{ErrorCode, Refusal},
        version::{Era, ProtocolVersion},
    },
};

/// Messages in one batch.
const MESSAGES_MAX: usize = 64;
/// Requests of one batch whose answers are waited for at the same time.
const AT_ONCE: usize = 8;

/// The user of one message of a batch, which takes its own place.
struct OfMessage<'a> {
    user: &'a dyn Identify,
    place: Mutex<Option<Place>>,
}

impl Identify for OfMessage<'_> {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        self.user.credentials(server)
    }

    fn kept(&self) -> Arc<dyn Identify> {
        self.user.kept()
    }

    fn alive(&self) -> Alive {
        self.user.alive()
    }

    fn carries(&self, named: Option<&NamedTrace>) -> Option<Carried> {
        self.user.carries(named)
    }

    fn admit(&self, what: Runs) -> Result<(), Busy> {
        let place = self.user.place(what)?;
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        Ok(())
    }

    fn place(&self, what: Runs) -> Result<Place, Busy> {
        self.user.place(what)
    }
}

/// What the messages of a batch have in common.
#[derive(Clone, Copy)]
struct Common<'a> {
    plan: &'a Plan,
    caller: Caller<'a>,
    headers: &'a HeaderMap,
    lasting: Option<&'a Lasting<'a>>,
    client: &'a Client,
}

impl<T: Transport> Endpoint<T> {
    /// Answers a batch: with one answer for all of its requests, or with 202 if it has none. Nothing of a batch is done
    /// that holds something else than messages, or too many.
    pub(super) async fn batch(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        (headers, body, lasting): (&HeaderMap, &Bytes, Option<&Lasting<'_>>),
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let session = match self.session_of_batch(plan, caller, headers) {
            Ok(session) => session,
            Err(refusal) => {
                reached.refuse(Rule::NoSession);
                return reply::refusal(&refusal, None, Era::Legacy);
            }
        };
        reached.within(&session);
        let texts = match split(body, MESSAGES_MAX) {
            Ok(texts) => texts,
            Err(why) => {
                reached.refuse(Rule::Malformed);
                return refused(why.to_string());
            }
        };
        let messages = match read(&texts) {
            Ok(messages) => messages,
            Err(why) => {
                reached.refuse(Rule::Malformed);
                return refused(why);
            }
        };
        let mut requests = Vec::new();
        let mut refusal = None;
        for (text, message) in texts.iter().zip(&messages) {
            let answer = match message {
                Message::Request(request) => {
                    requests.push((text, request));
                    continue;
                }
                Message::Notification(notification) => {
                    self.notification(plan, caller, headers, notification).await
                }
                Message::Response(response) => self.answered(plan, &session, caller, text, response).await,
            };
            if answer.status() != StatusCode::ACCEPTED {
                refusal = Some(answer);
            }
        }
        if requests.is_empty() {
            return refusal.unwrap_or_else(|| reply::bare(StatusCode::ACCEPTED));
        }
        let client = Client::Legacy(session);
        let common = Common {
            plan,
            caller,
            headers,
            lasting,
            client: &client,
        };
        // Each is recorded as it proceeds, so that what a client does not wait for is logged too.
        reached.batch.resize_with(requests.len(), Reached::default);
        let serving: Vec<BoxFuture<'_, _>> = requests
            .into_iter()
            .zip(&mut reached.batch)
            .map(|((text, request), reached)| -> BoxFuture<'_, _> {
                Box::pin(self.serve_message(common, text, request, reached))
            })
            .collect();
        let members: Vec<Member<T::Body>> = stream::iter(serving).buffered(AT_ONCE).collect().await;
        let answer = BatchAnswer::of(members);
        let is_stream = answer.is_stream();
        let answer = Answer::batch(Box::new(answer));
        if is_stream {
            reply::events(answer)
        } else {
            reply::json(StatusCode::OK, answer)
        }
    }

    /// The session of a batch, which must be of the one revision that has them.
    fn session_of_batch(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refusal> {
        let not_here = || {
            Refusal::new(ErrorCode::INVALID_REQUEST, Reason::Batch.to_string())
                .with_status(StatusCode::BAD_REQUEST)
        };
        // Batches exist only in sessions.
        if !headers.contains_key(headers::SESSION_ID) {
            return Err(not_here());
        }
        let session = self.session_of(plan.gateway_id, caller, headers)?;
        if session.version != ProtocolVersion::V2025_03_26 {
            return Err(not_here());
        }
        Ok(session)
    }

    async fn serve_message(
        &self,
        common: Common<'_>,
        text: &Bytes,
        request: &Request<'_>,
        reached: &mut Reached,
    ) -> Member<T::Body> {
        reached.asks(request);
        reached.id = Some(request.id.raw.into());
        if let Client::Legacy(session) = common.client {
            reached.within(session);
        }
        let user = OfMessage {
            user: common.caller.identity,
            place: Mutex::new(None),
        };
        let asking = Asking {
            plan: common.plan,
            caller: Caller {
                identity: &user,
                ..common.caller
            },
            client: common.client,
            headers: Some(common.headers),
            lasting: common.lasting,
            body: text,
            request,
        };
        let answer = self.serve(&asking, reached).await;
        let place = user.place.into_inner().unwrap_or_else(PoisonError::into_inner);
        Member::new(request.id.to_owned(), answer, place)
    }
}

/// Reads all messages of a batch before anything is done. An ID must not be used twice within a session (2025-03-26 basic, "Requests"), and
/// the answers of two requests with one ID could not be told apart.
fn read(texts: &[Bytes]) -> Result<Vec<Message<'_>>, String> {
    let mut messages = Vec::with_capacity(texts.len());
    let mut ids = HashSet::new();
    for (text, number) in texts.iter().zip(1..) {
        match envelope::parse(text, &Limits::default()) {
            Ok(Message::Request(request)) if request.method.value == "initialize" => {
                return Err(format!(
                    "`initialize` cannot be part of a batch, as message {number} of this one is; send it alone."
                ));
            }
            Ok(Message::Request(request)) if !ids.insert(request.id.to_owned()) => {
                return Err(format!(
                    "Message {number} of the batch has the ID of another request in it; give each request an ID of its own. \
                     Nothing of the batch was done."
                ));
            }
            Ok(message) => messages.push(message),
            Err(error) => {
                return Err(format!(
                    "Message {number} of the batch is not accepted: {error}. Nothing of the batch was done."
                ));
            }
        }
    }
    Ok(messages)
}

fn refused<B>(why: String) -> Response<Answer<B>> {
    let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, why).with_status(StatusCode::BAD_REQUEST);
    reply::refusal(&refusal, None, Era::Legacy)
}
