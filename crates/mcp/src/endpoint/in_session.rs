//! Streams that listen, of both eras, and the end of a session.

use std::sync::Arc;

use gatewright_domain::id::GatewayId;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::ALLOW};

use super::{
    answer::Answer,
    listen::{Listening, Words},
    reply,
    service::{Endpoint, Lasting},
    session::Session,
};
use crate::{
    federation::plan::Plan,
    peer::{
        caller::{Caller, Runs},
        client_streams::Purpose,
        resume::LAST_EVENT_ID,
        transport::Transport,
    },
    wire::{
        headers,
        jsonrpc::{ErrorCode, Refusal},
        meta::header_era,
        version::Era,
    },
};

/// The answer to what is refused.
pub type Refused<T> = Box<Response<Answer<<T as Transport>::Body>>>;

impl<T: Transport> Endpoint<T> {
    /// Answers a GET: a stream that lasts while there is a plan for the user, until the session ends or the process stops.
    pub fn get(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
        lasting: &Lasting<'_>,
    ) -> Response<Answer<T::Body>> {
        match self.session_for_method(plan.gateway_id, caller, headers) {
            Err(refusal) => not_for_method(&refusal, headers),
            Ok(session) if headers.contains_key(LAST_EVENT_ID) => self.resume(&session, caller, headers),
            Ok(session) => {
                if let Err(busy) = caller.identity.admit(Runs::Stream) {
                    return reply::busy(busy, None, header_era(headers));
                }
                let Some(place) = self.sessions.listen(&session) else {
                    let refusal = Refusal::new(
                        ErrorCode::INVALID_REQUEST,
                        "Too many streams are listening already; close some of them first.",
                    );
                    return not_for_method(&refusal.with_status(StatusCode::TOO_MANY_REQUESTS), headers);
                };
                let asked = (!session.can.is_empty())
                    .then(|| self.mailbox.open_stream(session.key(), Purpose::Listening));
                let client = Arc::clone(&session.wishes.subscribed);
                let conversation = session.conversation.clone();
                let sessions = Arc::clone(&self.sessions);
                let plan_now = (lasting.plan_now)();
                let plan_now = Box::new(move || {
                    // Held for as long as the stream lasts.
                    let _place = &place;
                    plan_now().filter(|_| !sessions.has_ended(&session))
                });
                let (listener, news) = self.listener(plan, caller.within(&conversation), &client);
                let shutdown = lasting.shutdown.clone();
                let listening = Listening::new(shutdown, news, plan_now, listener, Words::Session);
                reply::events(Answer::listening(Box::new(listening.with_questions(asked))))
            }
        }
    }

    /// Answers a GET that continues the answer to a call.
    fn resume(
        &self,
        session: &Session,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Response<Answer<T::Body>> {
        if let Err(busy) = caller.identity.admit(Runs::Request) {
            return reply::busy(busy, None, header_era(headers));
        }
        let event = headers::single(headers, &LAST_EVENT_ID).ok().flatten();
        let event = event.and_then(|event| event.to_str().ok());
        let Some(following) = event.and_then(|event| self.resumables.after(session.key(), event)) else {
            let refusal = Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "Last-Event-ID names no answer that the gateway still has; send the request again if that does no harm.",
            );
            return not_for_method(&refusal.with_status(StatusCode::BAD_REQUEST), headers);
        };
        reply::events(Answer::following(Box::new(following)))
    }

    /// The session that a DELETE ends, or the refusal. It continues until [`Federation::end`].
    pub fn ending(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refused<T>> {
        self.session_for_method(gateway_id, caller, headers)
            .map_err(|refusal| Box::new(not_for_method(&refusal, headers)))
    }

    /// Answers a DELETE: the session ends here, after all other replicas can know of it.
    pub fn end(&self, session: &Session) -> Response<Answer<T::Body>> {
        self.sessions.end(session);
        self.federation.leave_client(session.caller_key(), session.key());
        reply::bare(StatusCode::NO_CONTENT)
    }

    /// Ends sessions here that were ended at another replica, and with them the sessions that servers have for them.
    pub fn note_ended(&self, sessions: impl IntoIterator<Item = [u8; 16]>) {
        for session in self.sessions.note_ended(sessions) {
            self.federation.leave_client(session.caller_key(), session.key());
        }
    }

    /// The session a request of the session-based era names.
    pub(super) fn session_of(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refusal> {
        let id = headers::single(headers, &headers::SESSION_ID)
            .ok()
            .flatten()
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| {
                Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "Mcp-Session-Id is missing; begin with `initialize` and send the ID from its response.",
                )
                .with_status(StatusCode::BAD_REQUEST)
            })?;
        self.sessions.open(id, gateway_id, caller.key).map_err(|_| {
            Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "This session is unknown or was ended; begin a new one with `initialize`.",
            )
            .with_status(StatusCode::NOT_FOUND)
        })
    }

    /// The same for GET and DELETE, which exist in the session-based era only.
    fn session_for_method(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refusal> {
        if header_era(headers) == Era::Modern {
            let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, "This version of MCP uses POST only.");
            return Err(refusal.with_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        self.session_of(gateway_id, caller, headers)
    }
}

/// A refusal of GET or DELETE, in the words of the era that the header names.
fn not_for_method<B>(refusal: &Refusal, request: &HeaderMap) -> Response<Answer<B>> {
    let mut response = reply::refusal(refusal, None, header_era(request));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
