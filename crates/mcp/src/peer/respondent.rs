//! The client of a call, as far as its server can ask it for something.

use std::{borrow::Cow, sync::Arc};

use gatewright_domain::id::{GatewayId, ProjectId};

use super::{
    caller::CallerKey,
    mailbox::Mailbox,
    seals::{Bound, SessionId},
    session::SlotKey,
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
    /// Its session, where it has one.
    pub(crate) session: Option<SessionId>,
}

impl Respondent<'_> {
    /// Whose session with a server the call runs in. A server that may ask something has one for each session of a client, so
    /// that it never asks another conversation of the user; stateless clients share one where they declare the same. All
    /// clients of a user that cannot be asked share one.
    pub(super) fn slot(&self, caller: CallerKey) -> SlotKey {
        if self.can.is_empty() {
            return caller.into();
        }
        let client = self.session.unwrap_or_else(|| {
            // By what it can be asked and not by how it says so, of which there are as many ways as a client likes.
            let mut key = [0; 16];
            key[15] = self.can.bits();
            key
        });
        SlotKey::of_client(caller, client)
    }

    /// What servers are told that the client can do, JSON text.
    pub(super) fn declares(&self) -> Cow<'static, str> {
        if self.can.is_empty() {
            return Cow::Borrowed("{}");
        }
        Cow::Owned(match self.session {
            Some(_) => passed_on(self.declared),
            // Clients that say it in other words share the session.
            None => self.can.declared(),
        })
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
