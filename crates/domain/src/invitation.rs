//! Invitations into a project: a link, bound to an address.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    account::Email,
    id::{AccountId, InvitationId, ProjectId},
    member::Role,
    token_hash::TokenHash,
    words::worded,
};

/// How long an invitation is valid: long enough for a holiday, short enough for a forgotten mailbox.
pub const LIFE: Duration = Duration::from_hours(7 * 24);

/// An invitation as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The project.
    pub project_id: ProjectId,
    /// The invited address: an account with another address cannot accept it.
    pub email: Email,
    /// The role of the member.
    pub role: Role,
    /// SHA-256 of the token in the link.
    pub hash: TokenHash,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was accepted, and by whom.
    pub accepted: Option<(Timestamp, AccountId)>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

worded! {
    /// The state of an invitation.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum InvitationStatus {
        /// It can be accepted.
        Open = "open", "Open";
        /// It was accepted.
        Accepted = "accepted", "Accepted";
        /// It was revoked, or replaced by a newer one for the same address.
        Revoked = "revoked", "Revoked";
        /// It has expired.
        Expired = "expired", "Expired";
    }
}

impl Invitation {
    /// Its state at `now`.
    pub fn status(&self, now: Timestamp) -> InvitationStatus {
        if self.accepted.is_some() {
            InvitationStatus::Accepted
        } else if self.revoked_at.is_some() {
            InvitationStatus::Revoked
        } else if self.expires_at <= now {
            InvitationStatus::Expired
        } else {
            InvitationStatus::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    #[test]
    fn it_is_open_until_it_expires_or_is_used_or_revoked() {
        let (clock, entropy) = (FixedClock::at_seconds(1_000), SeededEntropy::new(1));
        let made = Timestamp::from_seconds(1_000);
        let open = Invitation {
            id: InvitationId::generate(&clock, &entropy),
            project_id: ProjectId::generate(&clock, &entropy),
            email: Email::check("", "ada@example.com").unwrap(),
            role: Role::Viewer,
            hash: TokenHash::of("token"),
            created_at: made,
            expires_at: made.plus(LIFE),
            accepted: None,
            revoked_at: None,
        };
        assert_eq!(open.status(made), InvitationStatus::Open);
        assert_eq!(open.status(open.expires_at), InvitationStatus::Expired);
        let revoked = Invitation {
            revoked_at: Some(made),
            ..open.clone()
        };
        assert_eq!(revoked.status(made), InvitationStatus::Revoked);
        let by = AccountId::generate(&clock, &entropy);
        let accepted = Invitation {
            accepted: Some((made, by)),
            ..open
        };
        assert_eq!(accepted.status(accepted.expires_at), InvitationStatus::Accepted);
    }
}
