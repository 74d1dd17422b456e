//! Sealing the state that a stateless server sends to a stateless client for the next round of its request.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::id::{GatewayId, ServerId};

use super::{
    caller::CallerKey,
    mailbox::Mailbox,
    outgoing::Call,
    seals::{Bound, STATE_LIFE, State},
    upstream::Upstream,
};
use crate::wire::{
    bridge_splice::Seal,
    envelope::{self, Limits, Message},
    input_required::digest,
};

/// Seals the states in the answer to one call. It holds the call, and works out what a state is bound to only if there is
/// one: nearly all answers have none.
#[derive(Debug, Clone)]
pub(super) struct States {
    mailbox: Arc<Mailbox>,
    gateway_id: GatewayId,
    caller: CallerKey,
    server: ServerId,
    /// The message of the client.
    body: Bytes,
}

impl States {
    pub(super) fn of(call: &Call<'_>, upstream: &Upstream) -> Self {
        Self {
            mailbox: Arc::clone(call.client.mailbox),
            gateway_id: call.client.gateway_id,
            caller: call.caller.key,
            server: upstream.config.id,
            body: call.body.clone(),
        }
    }
}

impl Seal for States {
    fn seal(&self, state: &str) -> String {
        let digest = match envelope::parse(&self.body, &Limits::default()) {
            Ok(Message::Request(request)) => digest(&request),
            // It was read as a request before. A state bound to nothing is refused later.
            Ok(Message::Notification(_) | Message::Response(_)) | Err(_) => [0; 32],
        };
        let bound = Bound {
            gateway_id: self.gateway_id,
            caller: self.caller,
            digest,
        };
        let seals = &self.mailbox.seals;
        let state = State::Server(self.server, state.to_owned());
        seals.seal_state(&bound, &state, seals.now().plus(STATE_LIFE))
    }
}
