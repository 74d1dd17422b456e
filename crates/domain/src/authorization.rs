//! Sign-ins under way: what is remembered between *Allow* and the return from the identity provider.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    id::{GatewayId, ProjectId, TestSignInId, UserSourceId},
    stored_secret::SealedText,
    token_hash::TokenHash,
};

/// An authorization request that was verified and consented to. It travels sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentedRequest {
    /// The gateway asked for.
    pub gateway_id: GatewayId,
    /// The client, in full.
    pub client_id: String,
    /// What the client calls itself.
    pub client_name: String,
    /// Where the answer goes; verified against the client.
    pub redirect_uri: String,
    /// The client's `state`, returned exactly.
    pub state: Option<String>,
    /// The PKCE challenge (S256).
    pub code_challenge: String,
    /// Scopes granted, space separated.
    pub scope: String,
    /// The consent page on which it was allowed, which counts for few codes; `None` where no one was asked.
    #[serde(default)]
    pub consent_id: Option<String>,
}

/// A pending sign-in as stored, for ten minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSignIn {
    /// SHA-256 of the `state` sent to the provider.
    pub state_hash: TokenHash,
    /// SHA-256 of the cookie that binds the browser.
    pub cookie_hash: TokenHash,
    /// The project.
    pub project_id: ProjectId,
    /// What it is for.
    pub purpose: SignInPurpose,
    /// The source asked.
    pub user_source_id: UserSourceId,
    /// Its identity epoch then.
    pub identity_epoch: i64,
    /// Its purpose in full, nonce and PKCE verifier, sealed.
    pub request: SealedText,
    /// The address prefix it came from, for the cap.
    pub address_prefix: String,
    /// When the person agreed on a page of ours.
    pub created_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// How far it has come.
    pub progress: SignInProgress,
}

/// What a sign-in at a provider is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInPurpose {
    /// A code for a client of this gateway.
    Client(GatewayId),
    /// An administrator tries the source out; nothing but a report comes of it.
    Test(TestSignInId),
}

/// How far a pending sign-in has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInProgress {
    /// The browser is at the provider.
    Open,
    /// A callback arrived with this provider code and is being worked on.
    Claimed {
        /// SHA-256 of the provider's code.
        code_hash: TokenHash,
        /// When it was claimed.
        at: Timestamp,
    },
    /// It is done; the answer is repeated to the same browser with the same code.
    Answered {
        /// SHA-256 of the provider's code.
        code_hash: TokenHash,
        /// The redirect or page it got, sealed.
        answer: SealedText,
    },
}
