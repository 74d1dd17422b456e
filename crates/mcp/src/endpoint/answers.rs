//! What clients with sessions answer to what servers ask them (2025-11-25 basic/transports, "Sending Messages to the
//! Server").

use bytes::Bytes;
use http::{Response as HttpResponse, StatusCode};

use super::{answer::Answer, elsewhere::Undelivered, reply, service::Endpoint, session::Session};
use crate::{
    federation::plan::Plan,
    peer::{caller::Caller, mailbox::Delivered, transport::Transport},
    wire::{
        envelope::Response,
        jsonrpc::{ErrorCode, Refusal},
        version::Era,
    },
};

impl<T: Transport> Endpoint<T> {
    /// Passes the answer of a client on to the server that asked. One that arrives too late, or again, is accepted and
    /// ignored; one to what was never asked in this session is refused. An answer needs no place for running requests:
    /// the call that waits for it has one, and calls that fill all places could not be answered otherwise.
    pub(super) async fn answered(
        &self,
        plan: &Plan,
        session: &Session,
        caller: Caller<'_>,
        body: &Bytes,
        response: &Response<'_>,
    ) -> HttpResponse<Answer<T::Body>> {
        let id = response.id.map_or("", |id| id.raw);
        match self.mailbox.answer(session.key(), caller.key, id, body) {
            Delivered::Taken | Delivered::Late => reply::bare(StatusCode::ACCEPTED),
            Delivered::Elsewhere(replica, nonce) => {
                let whose = (plan.project, caller.key);
                let passing = self.answer_elsewhere((replica, nonce), session.key(), whose, body);
                let Err(why) = passing.await else {
                    return reply::bare(StatusCode::ACCEPTED);
                };
                let (code, status) = match why {
                    Undelivered::TooLarge => (ErrorCode::INVALID_REQUEST, StatusCode::PAYLOAD_TOO_LARGE),
                    Undelivered::Busy | Undelivered::Gone => {
                        (ErrorCode::INTERNAL_ERROR, StatusCode::SERVICE_UNAVAILABLE)
                    }
                };
                let refusal = Refusal::new(code, why.text());
                reply::refusal(&refusal.with_status(status), None, Era::Legacy)
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
