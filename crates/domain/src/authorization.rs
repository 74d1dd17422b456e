//! Pending sign-ins: what the person consented to, and what is stored once the browser came back from the identity provider.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, id::GatewayId, stored_secret::SealedText, token_hash::TokenHash};

/// A verified authorization request with consent. It travels sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentedRequest {
    /// The gateway.
    pub gateway_id: GatewayId,
    /// The client: in full inside the consent form, in its short form from *Allow* on.
    pub client_id: String,
    /// The name reported by the client.
    pub client_name: String,
    /// The redirect URI for the response; verified against the client.
    pub redirect_uri: String,
    /// The client's `state`, returned exactly.
    pub state: Option<String>,
    /// The PKCE challenge (S256).
    pub code_challenge: String,
    /// The granted scopes, separated by spaces.
    pub scope: String,
    /// The consent page on which it was allowed, which can issue a few codes; `None` if consent was skipped.
    #[serde(default)]
    pub consent_id: Option<String>,
}

/// A sign-in whose browser came back with a code, as stored. Before that it exists only in the browser's cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedSignIn {
    /// SHA-256 of the `state` sent to the provider.
    pub state_hash: TokenHash,
    /// SHA-256 of the provider's code it was claimed with.
    pub code_hash: TokenHash,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When the cookie that carries the sign-in expires. The row outlives it.
    pub expires_at: Timestamp,
    /// The redirect or page the browser got, sealed; `None` while it is being handled.
    pub answer: Option<SealedText>,
}
