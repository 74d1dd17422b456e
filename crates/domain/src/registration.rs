//! What belongs to a client that is registered at an OpenID Connect provider, for whatever it is used: its secret during a
//! rotation, how the secret is sent, and whether the provider knows it.

mod client_authentication;
mod client_secret;

use serde::{Deserialize, Serialize};

use crate::words::worded;

pub use self::client_authentication::{AuthenticationChoice, ClientAuthentication, SecretMethod};
pub use self::client_secret::{ClientSecretSlots, SecretSlot};

/// The result about client ID and secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedCredentials {
    /// The verdict.
    pub verdict: CredentialsVerdict,
    /// Why, and what to do, in sentences.
    pub detail: String,
}

worded! {
    /// Whether the provider accepts client ID and secret.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum CredentialsVerdict {
        /// The provider accepts them, and refuses a wrong secret.
        Right = "right", "Passed";
        /// The provider refuses them.
        Wrong = "wrong", "Refused";
        /// Its responses do not show it.
        CannotTell = "cannot_tell", "Cannot tell";
    }
}
