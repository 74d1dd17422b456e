//! What is said to servers and clients about a question, and questions and answers under the ids of the other side.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    peer::replies::{Replies, send_where_room},
    wire::{
        envelope::{self, Limits, Message, Request},
        id::RequestId,
        jsonrpc::{self, ErrorCode, Refusal},
        question::{ClientCapabilities, Question},
        splice::Splice,
        version::Era,
    },
};

/// Refuses a request of a server whose client cannot be reached at the moment.
pub(in crate::peer) fn refuse_unreachable(way: &Arc<dyn Replies>, request: &Request<'_>) {
    let refusal = Refusal::new(
        ErrorCode::INTERNAL_ERROR,
        "The client cannot be reached: no call of it is running, and it does not listen.",
    );
    let id = request.id.to_owned();
    send_where_room(way, refusal.to_response(Some(&id), Era::Legacy));
}

/// Why a client is not asked what a request of a server asks; `None` if it can be.
pub(in crate::peer) fn refusal(can: ClientCapabilities, request: &Request<'_>) -> Option<Refusal> {
    match Question::of(request) {
        None => Some(Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found.")),
        Some(question) if !can.has(question) => Some(question.not_declared()),
        Some(_) => None,
    }
}

/// Too much is open already.
pub(in crate::peer) fn too_many() -> Refusal {
    Refusal::new(
        ErrorCode::INTERNAL_ERROR,
        "Too many requests to clients of this gateway are waiting for an answer. Try again when some are answered.",
    )
}

/// It is too large to wait in memory.
pub(in crate::peer) fn too_large() -> Refusal {
    Refusal::new(
        ErrorCode::INVALID_PARAMS,
        "The request is larger than 1 MB. Ask the client for less at once.",
    )
}

/// A request of a server as the client gets it: with our own ID, and everything else unchanged.
pub(super) fn with_id(message: &Bytes, request: &Request<'_>, id: &str) -> Result<Bytes, Refusal> {
    let mut splice = Splice::new(message);
    splice.replace(request.id.span, id.as_bytes().to_vec());
    splice
        .finish()
        .map_err(|_| Refusal::new(ErrorCode::INVALID_REQUEST, "The request could not be read."))
}

/// A response of a client as the server gets it: with the id of the server, and everything else as it was.
pub(super) fn answered(answer: &Bytes, theirs: &RequestId) -> Option<Bytes> {
    let Ok(Message::Response(response)) = envelope::parse(answer, &Limits::default()) else {
        return None;
    };
    let mut splice = Splice::new(answer);
    splice.replace(response.id?.span, theirs.to_json().into_owned().into_bytes());
    splice.finish().ok()
}

/// The answer to a server whose client does not answer.
pub(super) fn no_answer(theirs: &RequestId) -> Bytes {
    let refusal = Refusal::new(
        ErrorCode::INTERNAL_ERROR,
        "The client did not answer: it disconnected, took too long, or the call has ended.",
    );
    refusal.to_response(Some(theirs), Era::Legacy)
}

/// The message to a client that no longer needs to answer (2025-11-25 basic/utilities/cancellation).
pub(in crate::peer) fn cancelled(ours: &str) -> Bytes {
    let params = format!(r#"{{"requestId":{ours},"reason":"The server no longer waits for this."}}"#);
    jsonrpc::write_notification("notifications/cancelled", Some(params.as_bytes()))
}
