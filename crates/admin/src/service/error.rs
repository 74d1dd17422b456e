//! Why an administrative action was not carried out, in words for the person who asked.

use std::time::Duration;

use gatewright_domain::{
    Invalid,
    id::{GatewayId, ServerId},
};
use gatewright_store::StoreError;

/// A refused or failed action. Nothing has changed, except with `NotConfirmed`.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The input is wrong.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// What the URL names does not exist, or belongs to another project. What a body names and is not there is
    /// [`ServiceError::unknown`].
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for, in words.
        what: &'static str,
    },
    /// The caller is not allowed to do this.
    #[error("{0}")]
    Forbidden(String),
    /// The state of other things forbids it.
    #[error("{}", .0.detail)]
    Conflict(Box<Conflict>),
    /// The caller's `Idempotency-Key` was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Another request with the same `Idempotency-Key` was first.
    #[error("another request with the same idempotency key was first")]
    Repeated,
    /// The caller's `If-Match` names another version.
    #[error("it has changed since you read it")]
    Stale,
    /// The change is made, but this replica could not read it back.
    #[error("the change is made, but could not be confirmed")]
    NotConfirmed(#[source] StoreError),
    /// Too many attempts with wrong passwords; later ones can succeed.
    #[error("too many attempts with wrong passwords")]
    TooManyAttempts {
        /// When to come back.
        after: Duration,
    },
    /// Too many providers were checked in a short time by the same caller.
    #[error("too many providers were checked in a short time")]
    TooManyChecks {
        /// When to come back.
        after: Duration,
    },
    /// Too much was changed in a short time by the same caller.
    #[error("too much was changed in a short time")]
    TooManyChanges {
        /// When to come back.
        after: Duration,
    },
    /// Too many passwords wait to be checked.
    #[error("too many passwords wait to be checked")]
    Overloaded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What prevents it.
#[derive(Debug, Clone, Default)]
pub struct Conflict {
    /// What is in the way and the way out.
    pub detail: String,
    /// The active gateways that are in the way, with their names.
    pub active_gateways: Vec<(GatewayId, String)>,
    /// The gateways that are in the way, active or not.
    pub gateways: Vec<(GatewayId, String)>,
    /// The servers that are in the way.
    pub servers: Vec<(ServerId, String)>,
}

impl ServiceError {
    /// No such thing at the place the caller named.
    pub const fn not_found(what: &'static str) -> Self {
        Self::NotFound { what }
    }

    /// A member of the body holds the id of something that does not exist, or belongs to another project. The URL is
    /// right, so this is a violation of that member.
    pub fn unknown(what: &str, pointer: impl Into<String>) -> Self {
        let detail = format!(
            "There is no {what} with this ID in this project. It may have been deleted: choose another."
        );
        Invalid::one(pointer, detail).into()
    }

    /// A conflict that needs no list.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Conflict {
            detail: detail.into(),
            ..Conflict::default()
        }
        .into()
    }

    /// Someone else changed the same thing at the same moment.
    pub(super) fn changed_meanwhile() -> Self {
        Self::conflict("Someone else changed this at the same moment. Read it again and repeat the change.")
    }

    /// Turns a taken name into a violation of the field that has it.
    pub(super) fn taken(error: StoreError, thing: &str) -> Self {
        match error {
            StoreError::Taken { field } => Invalid::one(
                format!("/{field}"),
                format!("Another {thing} of this project has this {field} already: choose another."),
            )
            .into(),
            other => other.into(),
        }
    }
}

impl From<Conflict> for ServiceError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(Box::new(conflict))
    }
}
