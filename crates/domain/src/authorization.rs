//! Sign-ins under way: what was agreed to, and what is stored once a browser came back from the identity provider.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, id::GatewayId, stored_secret::SealedText, token_hash::TokenHash};

/// An authorization request that was verified and consented to. It travels sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentedRequest {
    /// The gateway asked for.
    pub gateway_id: GatewayId,
    /// The client: in full inside the consent form, in its short form from *Allow* on.
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

/// A sign-in whose browser came back with a code, as stored. Before that it is in the browser's cookie only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedSignIn {
    /// SHA-256 of the `state` sent to the provider.
    pub state_hash: TokenHash,
    /// SHA-256 of the provider's code it was claimed with.
    pub code_hash: TokenHash,
    /// When.
    pub claimed_at: Timestamp,
    /// When the cookie that carries the sign-in expires. The row outlives it.
    pub expires_at: Timestamp,
    /// The redirect or page the browser got, sealed; `None` while it is worked on.
    pub answer: Option<SealedText>,
}
