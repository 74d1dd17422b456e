//! What a client asked for in its session at one replica, for the others: a load balancer sends each request of a session where
//! it likes, and the stream or the call that it is about may be elsewhere.

use std::{collections::HashMap, time::Duration};

use gatewright_domain::{Timestamp, id::GatewayId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Session, Sessions};
use crate::{peer::caller::CallerKey, wire::log_level::LogLevel};

/// How long a cancellation is worth reading: longer than a replica needs to hear of it.
const CANCELLATION_KEPT: Duration = Duration::from_mins(1);
/// The same for the end of a subscription. A replica that sees the session for the first time after that finds no subscription.
const UNSUBSCRIBED_KEPT: Duration = Duration::from_mins(10);
/// The IDs of calls that are cancelled elsewhere are not longer, bytes of JSON text.
const ID_MAX: usize = 512;

/// One thing that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::endpoint) enum Note {
    /// The level of log messages, by its number.
    LogLevel(u8),
    /// To be told when a resource changes.
    Subscribed(Box<str>),
    /// No longer to be told.
    Unsubscribed(Box<str>),
    /// That a call is cancelled, by the JSON text of its ID.
    Cancelled(Box<str>),
}

/// A note as other replicas read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionNote {
    /// The session.
    pub session: [u8; 16],
    /// Whose it is.
    pub caller: [u8; 16],
    /// What it is about: another note about the same replaces it.
    pub item: [u8; 16],
    /// What was asked for, to be sealed.
    pub note: Vec<u8>,
    /// When it can be forgotten.
    pub until: Timestamp,
    /// Whether it is written only where there is an earlier note about the same.
    pub only_replaces: bool,
}

impl Note {
    /// That a call is cancelled; nothing where its ID is too long to be told.
    pub(in crate::endpoint) fn cancelled(id: &[u8]) -> Option<Self> {
        let id = std::str::from_utf8(id).ok().filter(|id| id.len() <= ID_MAX)?;
        Some(Self::Cancelled(id.into()))
    }

    fn item(&self) -> [u8; 16] {
        let (kind, value): (&[u8], &str) = match self {
            Self::LogLevel(_) => (b"l", ""),
            Self::Subscribed(uri) | Self::Unsubscribed(uri) => (b"u", uri),
            Self::Cancelled(id) => (b"c", id),
        };
        let digest = Sha256::new().chain_update(kind).chain_update(value).finalize();
        let mut item = [0; 16];
        item.copy_from_slice(&digest[..16]);
        item
    }
}

impl Session {
    /// What other replicas are to read.
    pub(in crate::endpoint) fn write(&self, note: &Note, now: Timestamp) -> SessionNote {
        let until = match note {
            Note::Cancelled(_) => now.plus(CANCELLATION_KEPT),
            Note::Unsubscribed(_) => now.plus(UNSUBSCRIBED_KEPT).min(self.ends_at),
            Note::LogLevel(_) | Note::Subscribed(_) => self.ends_at,
        };
        SessionNote {
            session: self.id,
            caller: self.caller,
            item: note.item(),
            note: serde_json::to_vec(note).expect("numbers and texts serialize"),
            until,
            // What was never subscribed to leaves nothing, however often it is sent.
            only_replaces: matches!(note, Note::Unsubscribed(_)),
        }
    }

    /// At which gateway.
    pub(in crate::endpoint) const fn gateway_id(&self) -> GatewayId {
        self.gateway_id
    }

    /// Acts on what the client asked for elsewhere. `subscribe` notes that it wants the changes of a resource.
    pub(in crate::endpoint) fn act_on(&self, note: &Note, subscribe: impl FnOnce(&Self, &str)) {
        match note {
            Note::LogLevel(number) => {
                if let Some(level) = LogLevel::from_number(*number) {
                    self.wishes.set_log_level(level);
                }
            }
            Note::Subscribed(uri) => subscribe(self, uri),
            Note::Unsubscribed(uri) => self.wishes.subscribed.remove(uri),
            Note::Cancelled(id) => {
                self.cancel(id.as_bytes());
            }
        }
    }
}

impl Sessions {
    /// A session of this caller at this gateway that this replica has not seen: what its client asked for elsewhere is to be
    /// read. It is known from then on.
    pub fn unfamiliar(&self, id: &str, gateway_id: GatewayId, caller: CallerKey) -> Option<[u8; 16]> {
        if self.opened.contains_key(id) {
            return None;
        }
        let session = self.open(id, gateway_id, caller).ok()?;
        Some(session.id)
    }

    /// Of these sessions, those that are in use here.
    pub(in crate::endpoint) fn opened(
        &self,
        wanted: &[[u8; 16]],
    ) -> HashMap<[u8; 16], std::sync::Arc<Session>> {
        let all = self.opened.iter().map(|(_, session)| (session.id, session));
        all.filter(|(id, _)| wanted.contains(id)).collect()
    }
}
