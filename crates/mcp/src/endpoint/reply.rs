//! Answers to clients: their heads are built afresh here, nothing of a server's head is in them.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
};

use super::answer::Answer;
use crate::{
    peer::{caller::Busy, incoming::Answered},
    wire::{
        id::RequestId,
        jsonrpc::{ErrorCode, Refusal},
        version::Era,
    },
};

/// Tells proxies such as nginx to pass events on immediately.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One JSON message.
pub(super) fn json<B>(status: StatusCode, body: Answer<B>) -> Response<Answer<B>> {
    head(status, HeaderValue::from_static("application/json"), body)
}

/// A stream of events.
pub(super) fn events<B>(body: Answer<B>) -> Response<Answer<B>> {
    let mut response = head(
        StatusCode::OK,
        HeaderValue::from_static("text/event-stream"),
        body,
    );
    response
        .headers_mut()
        .insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// A result around JSON text that many answers can share; it is not copied.
pub(super) fn result<B>(id: &str, result: Bytes) -> Response<Answer<B>> {
    const BEFORE: &str = r#"{"jsonrpc":"2.0","id":"#;
    const BETWEEN: &str = r#","result":"#;
    let mut start = Vec::with_capacity(BEFORE.len() + id.len() + BETWEEN.len());
    start.extend_from_slice(BEFORE.as_bytes());
    start.extend_from_slice(id.as_bytes());
    start.extend_from_slice(BETWEEN.as_bytes());
    json(
        StatusCode::OK,
        Answer::pieces([start.into(), result, Bytes::from_static(b"}")]),
    )
}

/// A refusal.
pub(super) fn refusal<B>(refusal: &Refusal, id: Option<&RequestId>, era: Era) -> Response<Answer<B>> {
    json(
        refusal.http_status(era),
        Answer::full(refusal.to_response(id, era)),
    )
}

/// A status without content.
pub(super) fn bare<B>(status: StatusCode) -> Response<Answer<B>> {
    let mut response = Response::new(Answer::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer of a server to a call.
pub(super) fn answered<B>(answer: Answered<B>) -> Response<Answer<B>> {
    match answer {
        Answered::Json(body) => json(StatusCode::OK, Answer::json(body)),
        Answered::Events(body) => events(Answer::events(body)),
        Answered::Rounds(body, held) => events(Answer::rounds(body, held)),
        Answered::Whole(status, body, share) => json(status, Answer::whole(body, share)),
    }
}

/// A refusal of what may run later (RFC 6585 section 4).
pub(super) fn busy<B>(why: Busy, id: Option<&RequestId>, era: Era) -> Response<Answer<B>> {
    let told = Refusal::new(ErrorCode::INTERNAL_ERROR, why.to_string());
    let mut response = refusal(&told.with_status(StatusCode::TOO_MANY_REQUESTS), id, era);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn head<B>(status: StatusCode, content_type: HeaderValue, body: Answer<B>) -> Response<Answer<B>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
