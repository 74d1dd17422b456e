//! One-time links for accounts: for the first one of an instance, and for a password that was forgotten.

use std::time::Duration;

use crate::{Timestamp, id::AccountId, token_hash::TokenHash};

/// How long a setup link waits. Each start of the program makes a new one.
pub const SETUP_LIFE: Duration = Duration::from_hours(24);
/// How long a link to set a password waits. It is handed over by whoever has a shell on the machine.
pub const RESET_LIFE: Duration = Duration::from_hours(1);

/// A link as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLink {
    /// SHA-256 of the token in the link.
    pub hash: TokenHash,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Timestamp,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Making the first account of the instance.
    Setup,
    /// Setting the password of an account.
    ResetPassword(AccountId),
}
