//! Why the answer of a server broke off.

use crate::wire::bridge_splice::SpliceError;

/// Why an answer broke off; the client sees a body that ends early, never one that looks whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The server's answer broke off.
    #[error("the answer of the server broke off")]
    Broken,
    /// The server paused for too long.
    #[error("the server paused for too long in its answer")]
    Timeout,
    /// The user is no longer allowed: their grant or session has ended.
    #[error("the user may no longer read the answer")]
    NotAlive,
    /// The answer is not the one to this request.
    #[error("{0}")]
    NotOurs(#[from] SpliceError),
}

impl AnswerError {
    /// One word for metrics; `None` if the user ended it, and nothing is wrong.
    pub(super) const fn word(&self) -> Option<&'static str> {
        match self {
            Self::Broken => Some("broken"),
            Self::Timeout => Some("timeout"),
            Self::NotAlive => None,
            Self::NotOurs(_) => Some("protocol"),
        }
    }
}
