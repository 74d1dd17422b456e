//! What signing in as an administrator needs in addition to the store: the hashing of passwords, limits on guessing, the session
//! cookie, and which path a browser can be sent to afterwards. What is done with them is decided in
//! [`service`](crate::service).

pub(crate) mod limits;
pub(crate) mod passwords;
pub mod visitor;

#[cfg(test)]
mod tests;

use self::{limits::SignInLimits, passwords::Passwords};

/// State of signing in, of this process.
#[derive(Debug, Default)]
pub struct Accounts {
    /// Where passwords are hashed.
    pub passwords: Passwords,
    /// Who guessed too often.
    pub limits: SignInLimits,
}
