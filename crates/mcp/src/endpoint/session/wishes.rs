//! What a client has said that it wants within its session.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use crate::{federation::subscribed::Subscribed, wire::log_level::LogLevel};

/// What a client wants. Remembered by the replica that was told.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct Wishes {
    /// The resources whose changes it wants to be told of.
    pub(in crate::endpoint) subscribed: Arc<Subscribed>,
    /// The level of log messages, as a number; 0 while it has not said.
    log_level: AtomicU8,
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
