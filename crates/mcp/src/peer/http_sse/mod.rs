//! The HTTP+SSE transport of MCP 2024-11-05 (2024-11-05 basic/transports, "HTTP with SSE"), which later revisions
//! replaced: one GET stream carries everything a server says, and messages are POSTed to an address that the stream names
//! first. Here such a server is made to look like one of Streamable HTTP, so that everything above only needs that: a
//! stream with its address is a session, and an answer is taken from the stream by the id of its request.

mod body;
mod conversation;
mod conversations;
mod opening;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::id::ProjectId;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};

pub use self::body::{HttpSseBody, HttpSseError};
pub(super) use self::opening::speaks_http_sse;
use self::{
    body::Routed,
    conversation::{Conversation, Pending},
    conversations::{Conversations, number_of, written},
};
use super::{
    transport::{Transport, TransportError},
    whole::read_rest,
};
use crate::wire::{
    envelope::{self, Limits, Message},
    headers,
};

/// Marks a request to a server of this transport, and says whose project it is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverHttpSse(pub(super) ProjectId);

/// A transport that also reaches servers of HTTP+SSE.
#[derive(Debug)]
pub struct HttpSse<T> {
    inner: T,
    conversations: Arc<Conversations>,
}

impl<T> HttpSse<T> {
    /// Over a transport for HTTP requests.
    pub fn over(inner: T) -> Self {
        Self {
            inner,
            conversations: Arc::default(),
        }
    }
}

impl<T: Transport> Transport for HttpSse<T> {
    type Body = HttpSseBody<T::Body>;

    async fn send(
        &self,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<Self::Body>, TransportError> {
        let Some(OverHttpSse(project)) = request.extensions().get().copied() else {
            let answer = self.inner.send(request, head_deadline).await?;
            return Ok(answer.map(HttpSseBody::Direct));
        };
        // Boxed because it is rare and large.
        Box::pin(self.converse(project, request, head_deadline)).await
    }

    fn has_cut_off(&self) -> bool {
        self.inner.has_cut_off()
    }
}

impl<T: Transport> HttpSse<T> {
    /// Answers as a server of Streamable HTTP would.
    async fn converse(
        &self,
        project: ProjectId,
        mut request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<HttpSseBody<T::Body>>, TransportError> {
        // Neither header exists in this transport.
        request.headers_mut().remove(headers::PROTOCOL_VERSION);
        let Some(session) = request.headers_mut().remove(headers::SESSION_ID) else {
            return if request.method() == Method::POST {
                self.begin(project, request, head_deadline).await
            } else {
                Ok(empty(StatusCode::METHOD_NOT_ALLOWED))
            };
        };
        let found = number_of(&session).and_then(|number| self.conversations.get(number, request.uri()));
        let Some(conversation) = found else {
            return Ok(empty(StatusCode::NOT_FOUND));
        };
        if request.method() == Method::GET {
            return Ok(event_stream(conversation.listen()));
        }
        if request.method() == Method::DELETE {
            conversation.end();
            return Ok(empty(StatusCode::OK));
        }
        self.post(&conversation, request, head_deadline).await
    }

    /// Opens the stream, learns the address for messages, and sends the first one there.
    async fn begin(
        &self,
        project: ProjectId,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<HttpSseBody<T::Body>>, TransportError> {
        let Some(place) = self.conversations.place(project) else {
            return Err(TransportError::Unreachable(
                "too many conversations over HTTP+SSE are open".to_owned(),
            ));
        };
        let opened = match opening::open(&self.inner, &request, head_deadline).await? {
            Ok(opened) => opened,
            Err(status) => return Ok(empty(status)),
        };
        let stream = request.uri().clone();
        let conversation = self.conversations.begin(place, stream, opened);
        let answered = self.post(&conversation, request, head_deadline).await;
        match answered {
            Ok(mut answer) if answer.status().is_success() => {
                answer
                    .headers_mut()
                    .insert(headers::SESSION_ID, written(conversation.number));
                Ok(answer)
            }
            other => {
                conversation.end();
                other
            }
        }
    }

    /// POSTs a message to the address of a conversation. The answer to a request arrives over the stream.
    async fn post(
        &self,
        conversation: &Arc<Conversation>,
        mut request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<HttpSseBody<T::Body>>, TransportError> {
        *request.uri_mut() = conversation.address.clone();
        conversation.note_message();
        let pending = match envelope::parse(request.body(), &Limits::default()) {
            Ok(Message::Request(message)) => Some(conversation.expect(message.id.raw)),
            _ => None,
        };
        let answer = self.inner.send(request, head_deadline).await?;
        let status = answer.status();
        if !status.is_success() {
            if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
                conversation.end();
            }
            let mut refusal = answer.map(HttpSseBody::Direct);
            // A session here is only accepted if it was created here.
            refusal.headers_mut().remove(headers::SESSION_ID);
            return Ok(refusal);
        }
        // It says nothing, and its connection serves the next message.
        read_rest(answer).await;
        Ok(match pending {
            Some(Pending { events, waits }) => event_stream(Routed::answer(events, waits)),
            None => empty(StatusCode::ACCEPTED),
        })
    }
}

fn empty<B>(status: StatusCode) -> Response<HttpSseBody<B>> {
    let mut response = Response::new(HttpSseBody::Empty);
    *response.status_mut() = status;
    response
}

fn event_stream<B>(routed: Routed) -> Response<HttpSseBody<B>> {
    let mut response = Response::new(HttpSseBody::Routed(routed));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
