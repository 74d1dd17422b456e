//! The resource server: the MCP endpoint of each gateway, `/mcp/{slug}`. The order is fixed: the configuration is
//! current, the gateway exists, the origin is ours, and the caller is known; only then is a message read. What MCP
//! itself asks for is in the crate `gatewright_mcp`.

mod assertion;
mod authenticate;
mod endpoint;
mod inspection;
mod plan;
mod refusal;
pub(crate) mod seen_tokens;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod transport;
pub(crate) mod trial;
pub(crate) mod user_id;

use std::sync::Arc;

use gatewright_domain::{Clock, Entropy, sealed::Keyring};
use gatewright_mcp::federation::Federation;

use crate::fetch::Fetch;

use assertion::Assertions;
use authenticate::TokenCache;
use seen_tokens::SeenTokens;
use transport::Outbound;

pub use endpoint::{Answer, answer};
pub(crate) use trial::PATIENCE as TRIAL_PATIENCE;
pub use trial::{Outcome, Told, Tried};

/// What the resource server keeps in memory.
#[derive(Debug)]
pub struct ResourceServer {
    federation: Federation<Outbound>,
    tokens: TokenCache,
    assertions: Assertions,
    /// First uses of access tokens that wait to be written.
    pub(crate) seen_tokens: SeenTokens,
}

impl ResourceServer {
    /// Nothing is known yet of tokens and servers.
    pub fn new(fetch: Fetch, keyring: Keyring, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            federation: Federation::new(Outbound::new(fetch), keyring, clock, entropy),
            tokens: TokenCache::default(),
            assertions: Assertions::default(),
            seen_tokens: SeenTokens::default(),
        }
    }
}
