//! The client of a call, as far as its server can ask it for something.

use std::sync::Arc;

use gatewright_domain::id::{GatewayId, ProjectId};

use super::{
    caller::{CallerKey, Conversation},
    mailbox::Mailbox,
    seals::{Bound, SessionId},
};
use crate::wire::{
    envelope::Request,
    input_required,
    question::{ClientCapabilities, passed_on},
};

/// The client of a call, as far as its server can ask it for something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Respondent<'a> {
    /// Where open questions are kept.
    pub(crate) mailbox: &'a Arc<Mailbox>,
    /// The project whose places it takes.
    pub(crate) project: ProjectId,
    /// The gateway it uses.
    pub(crate) gateway_id: GatewayId,
    /// What it can be asked.
    pub(crate) can: ClientCapabilities,
    /// The capabilities it declares, JSON text of an object.
    pub(crate) declared: &'a [u8],
    /// Its session, if it has one.
    pub(crate) session: Option<SessionId>,
}

impl Respondent<'_> {
    /// The conversation of stateless clients of a user that can be asked the same; `None` for those that cannot be asked.
    pub(crate) fn stateless(can: ClientCapabilities) -> Option<Conversation> {
        if can.is_empty() {
            return None;
        }
        // By what they can be asked and not by how they say so, of which there are as many ways as a client likes.
        let mut key = [0; 16];
        key[15] = can.bits();
        Some(Conversation {
            key,
            declares: can.declared().into(),
            is_heard_aside: true,
        })
    }

    /// The capabilities of the client, which a server without sessions receives with each request, as JSON text.
    pub(super) fn declares_in_request(&self) -> String {
        passed_on(self.declared)
    }

    /// What a state of its request is bound to.
    pub(crate) fn bound(&self, caller: CallerKey, request: &Request<'_>) -> Bound {
        Bound {
            gateway_id: self.gateway_id,
            caller,
            digest: input_required::digest(request),
        }
    }
}
