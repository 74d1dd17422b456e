//! The objects of a message that policy reads members of, and the names of those members.

use crate::wire::{jsonrpc::ErrorCode, meta_keys};

/// An object that policy reads members of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Message,
    Params,
    Meta,
    Reference,
    Result,
    Error,
}

pub(super) const MESSAGE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
pub(super) const PARAMS: [&str; 12] = [
    "name",
    "uri",
    "arguments",
    "cursor",
    "requestId",
    "progressToken",
    "inputResponses",
    "requestState",
    "taskId",
    "task",
    "ref",
    "_meta",
];
pub(super) const META: [&str; 6] = [
    "progressToken",
    meta_keys::PROTOCOL_VERSION,
    meta_keys::CLIENT_INFO,
    meta_keys::CLIENT_CAPABILITIES,
    meta_keys::LOG_LEVEL,
    meta_keys::SUBSCRIPTION_ID,
];
pub(super) const REFERENCE: [&str; 3] = ["type", "name", "uri"];
pub(super) const RESULT: [&str; 7] = [
    "resultType",
    "ttlMs",
    "cacheScope",
    "requestState",
    "inputRequests",
    "nextCursor",
    "_meta",
];
pub(super) const ERROR: [&str; 3] = ["code", "message", "data"];

impl Level {
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Message => &MESSAGE,
            Self::Params => &PARAMS,
            Self::Meta => &META,
            Self::Reference => &REFERENCE,
            Self::Result => &RESULT,
            Self::Error => &ERROR,
        }
    }

    /// The level inside this one's member of that name.
    pub(super) fn inside(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Message, "params") => Some(Self::Params),
            (Self::Message, "result") => Some(Self::Result),
            (Self::Message, "error") => Some(Self::Error),
            (Self::Params, "_meta") => Some(Self::Meta),
            (Self::Params, "ref") => Some(Self::Reference),
            _ => None,
        }
    }

    /// The code for what is wrong at this level.
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            Self::Params | Self::Meta | Self::Reference => ErrorCode::INVALID_PARAMS,
            Self::Message | Self::Result | Self::Error => ErrorCode::INVALID_REQUEST,
        }
    }
}

/// Whether a reader that ignores case would take `name` for `known`.
pub(super) fn folds_to(name: &str, known: &str) -> bool {
    name.len() >= known.len()
        && name
            .chars()
            .map(|letter| match letter {
                '\u{17f}' => 's',
                '\u{212a}' => 'k',
                other => other.to_ascii_lowercase(),
            })
            .eq(known.chars().map(|letter| letter.to_ascii_lowercase()))
}
