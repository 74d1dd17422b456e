//! What clients with sessions answer to what servers ask them (2025-11-25 basic/transports, "Sending Messages to the
//! Server").

use bytes::Bytes;
use http::{Response as HttpResponse, StatusCode};

use super::{answer::Answer, reply, service::Endpoint, session::Session};
use crate::{
    peer::{caller::Caller, mailbox::Delivered, transport::Transport},
    wire::{
        envelope::Response,
        jsonrpc::{ErrorCode, Refusal},
        version::Era,
    },
};

impl<T: Transport> Endpoint<T> {
    /// Passes the answer of a client on to who asked. One that comes too late, or once more, is accepted and ignored; one to
    /// what was never asked in this session is refused.
    pub(super) async fn answered(
        &self,
        session: &Session,
        caller: Caller<'_>,
        body: &Bytes,
        response: &Response<'_>,
    ) -> HttpResponse<Answer<T::Body>> {
        let id = response.id.map_or("", |id| id.raw);
        match self.mailbox.answer(session.key(), caller.key, id, body) {
            Delivered::Taken | Delivered::Late => reply::bare(StatusCode::ACCEPTED),
            Delivered::Elsewhere(replica, nonce) => {
                let passing = self.answer_elsewhere((replica, nonce), session.key(), caller.key, body);
                if passing.await {
                    return reply::bare(StatusCode::ACCEPTED);
                }
                let refusal = Refusal::new(
                    ErrorCode::INTERNAL_ERROR,
                    "The part of the gateway that waited for this answer cannot be reached. The call that it belongs to has failed; make it again.",
                );
                reply::refusal(
                    &refusal.with_status(StatusCode::SERVICE_UNAVAILABLE),
                    None,
                    Era::Legacy,
                )
            }
            Delivered::Unknown => {
                let refusal = Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "No request with this id was sent in this session, so there is nothing to answer.",
                );
                reply::refusal(&refusal.with_status(StatusCode::BAD_REQUEST), None, Era::Legacy)
            }
        }
    }
}
