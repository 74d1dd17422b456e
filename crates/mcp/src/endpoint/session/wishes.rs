//! What a client has said that it wants within its session, and what it can do.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use gatewright_domain::id::ProjectId;

use super::Session;
use crate::{
    endpoint::{kept_events::Owner, resumable::Whose},
    federation::subscribed::Subscribed,
    wire::{log_level::LogLevel, version::ProtocolVersion},
};

/// What a client wants. The other replicas read it in the notes of the session.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct Wishes {
    /// The resources whose changes it wants to be told of.
    pub(in crate::endpoint) subscribed: Arc<Subscribed>,
    /// The level of log messages, as a number; 0 while it has not said.
    log_level: AtomicU8,
}

impl Session {
    /// Whether its client knows how to come back to an answer: those of earlier revisions were seen to fail at an event that
    /// holds no message.
    pub(in crate::endpoint) fn can_resume(&self) -> bool {
        self.version >= ProtocolVersion::V2025_11_25
    }

    /// Whose the answers to its calls at a gateway of a project are.
    pub(in crate::endpoint) const fn whose(&self, project: ProjectId) -> Whose {
        Whose {
            session: self.id,
            owner: Owner {
                project,
                user: self.caller_key(),
            },
        }
    }
}

impl Wishes {
    /// Notes the level of log messages.
    pub(in crate::endpoint) fn set_log_level(&self, level: LogLevel) {
        self.log_level.store(level.number(), Ordering::Release);
    }

    /// The level of log messages, once it has said it.
    pub(in crate::endpoint) fn log_level(&self) -> Option<LogLevel> {
        LogLevel::from_number(self.log_level.load(Ordering::Acquire))
    }
}
