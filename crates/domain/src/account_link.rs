//! One-time links for accounts: for the first account of an instance, and for a forgotten password.

use std::time::Duration;

use crate::{Timestamp, id::AccountId, token_hash::TokenHash};

/// How long a setup link is valid. Each start of the program creates a new one.
pub const SETUP_LIFE: Duration = Duration::from_hours(24);
/// How long a link to set a password is valid. An operator with a shell on the machine, or an administrator, sends it to the person.
pub const RESET_LIFE: Duration = Duration::from_hours(1);

/// A link as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLink {
    /// SHA-256 of the token in the link.
    pub hash: TokenHash,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Creating the first account of the instance.
    Setup,
    /// Setting the password of an account.
    ResetPassword(AccountId),
}
