//! End users. They are never accounts: those are different people, managed by a different identity system.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    id::{ProjectId, UserId, UserSourceId},
    words::worded,
};

/// The identity of an end user: equal values under another issuer or claim are another person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// The source they sign in through.
    pub user_source_id: UserSourceId,
    /// The issuer that identified them.
    pub issuer: String,
    /// The claim that identifies them.
    pub claim: String,
    /// Its value, compared byte for byte.
    pub subject: String,
}

/// An end user as stored; created at the first sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The ID, stable for this key.
    pub id: UserId,
    /// The project.
    pub project_id: ProjectId,
    /// Who they are.
    pub key: UserKey,
    /// For display, if the provider sent one.
    pub display_name: Option<String>,
    /// For display, if the provider sent one. Never identifies anyone.
    pub email: Option<String>,
    /// Whether they may use gateways.
    pub status: UserStatus,
    /// First sign-in.
    pub first_sign_in_at: Timestamp,
    /// Latest sign-in.
    pub last_sign_in_at: Timestamp,
}

worded! {
    /// Whether a user may use gateways.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum UserStatus {
        /// They may use them.
        Active = "active", "Not blocked";
        /// All their requests are refused.
        Blocked = "blocked", "Blocked";
    }
}
