//! Levels of log messages (2025-11-25 and 2026-07-28 server/utilities/logging; RFC 5424 section 6.2.1).

use super::{
    envelope::Notification,
    scan::{self, Kind},
};

/// A level, the least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Details for those who look for a fault.
    Debug = 1,
    /// What usually happens.
    Info,
    /// What usually happens and matters.
    Notice,
    /// What may become an error.
    Warning,
    /// An error.
    Error,
    /// A part does not work.
    Critical,
    /// Someone must act.
    Alert,
    /// Nothing works.
    Emergency,
}

impl LogLevel {
    /// All of them, the least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// As a number, to be kept in an atomic; none is 0.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    /// The meaning of [`Self::number`].
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }
}

/// What a client wants of the log messages of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logs {
    /// None.
    None,
    /// The server's default: the client has not set one.
    Any,
    /// Those of this level and more severe ones.
    From(LogLevel),
}

impl Logs {
    /// The level it was said in.
    pub(crate) const fn level(self) -> Option<LogLevel> {
        match self {
            Self::From(level) => Some(level),
            Self::None | Self::Any => None,
        }
    }

    /// Whether a `notifications/message` is wanted. One of an unknown level is as severe as any.
    pub(crate) fn want(self, message: &Notification<'_>) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::From(least) => level_of(message).is_none_or(|level| level >= least),
        }
    }
}

fn level_of(message: &Notification<'_>) -> Option<LogLevel> {
    let params = message.params.as_ref()?.span;
    let [level] = scan::pick(message.body, params, ["level"]).ok()?;
    let level = level.filter(|level| level.kind == Kind::String)?;
    LogLevel::parse(&scan::decode_string(level.value.of(message.body))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_by_their_names_and_ordered() {
        for (number, level) in (1_u8..).zip(LogLevel::ALL) {
            assert_eq!(LogLevel::parse(level.as_str()), Some(level));
            assert_eq!(LogLevel::from_number(number), Some(level));
            assert_eq!(level.number(), number);
        }
        assert!(LogLevel::ALL.is_sorted());
        assert_eq!(LogLevel::parse("Info"), None);
        assert_eq!(LogLevel::from_number(0), None);
    }
}
