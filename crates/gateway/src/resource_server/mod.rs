//! The resource server: the MCP endpoint of each gateway, `/mcp/{slug}`. The order is fixed: the configuration is
//! current, the gateway exists, the origin is ours, and the caller is known; only then is a message read. What MCP
//! itself asks for is in the crate `gatewright_mcp`.

mod assertion;
mod authenticate;
mod endpoint;
mod inspection;
mod plan;
mod refusal;
pub mod seen_tokens;
pub mod sessions;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;
#[cfg(test)]
mod tests;
mod transport;
pub mod trial;
pub mod user_id;

use std::sync::Arc;

use gatewright_core::{descriptors::Fit, running::Running};
use gatewright_domain::{Clock, Entropy, sealed::Keyring};
use gatewright_mcp::{endpoint::Endpoint, http_sse::HttpSse, list_memory::ListLimits};

use crate::{config::Config, fetch::Fetch};

use assertion::Assertions;
use authenticate::TokenCache;
use seen_tokens::SeenTokens;
use sessions::EndedElsewhere;
use transport::Outbound;

pub(crate) use endpoint::{Answer, answer};
pub use trial::PATIENCE as TRIAL_PATIENCE;
pub use trial::{Outcome, Told, Tried};

/// What the resource server keeps in memory.
#[derive(Debug)]
pub struct ResourceServer {
    federation: Endpoint<HttpSse<Outbound>>,
    tokens: TokenCache,
    assertions: Assertions,
    /// First uses of access tokens that wait to be written.
    pub seen_tokens: SeenTokens,
    running: Running,
    elsewhere: EndedElsewhere,
}

/// What may run at once on this machine. A person gets no more than half of what their project may run, so that where
/// little fits there is room for somebody else.
fn running(config: &Config) -> Running {
    let of_project = Fit::here(config).of_project(config);
    let of_person = (of_project / 2).max(1);
    Running::new(config.limits.running_per_person.min(of_person), of_project)
}

/// The memory for lists that is configured.
fn list_limits(config: &Config) -> ListLimits {
    let limits = &config.limits;
    let total = usize::try_from(limits.list_memory_mb).unwrap_or(usize::MAX) * 1024 * 1024;
    ListLimits {
        total,
        of_project: total / 100 * usize::try_from(limits.list_share_percent).unwrap_or(100),
    }
}

impl ResourceServer {
    /// Bytes that lists of tools hold.
    pub(crate) fn list_bytes(&self) -> usize {
        self.federation.list_bytes()
    }

    /// Forgets which tokens were verified: each is looked up once more.
    pub(crate) fn forget_tokens(&self) {
        self.tokens.forget();
    }

    /// Nothing is known yet of tokens and servers.
    pub(crate) fn new(
        config: &Config,
        fetch: Fetch,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            federation: Endpoint::new(
                HttpSse::over(Outbound::new(fetch)),
                keyring,
                clock,
                entropy,
                list_limits(config),
            ),
            tokens: TokenCache::default(),
            assertions: Assertions::default(),
            seen_tokens: SeenTokens::default(),
            running: running(config),
            elsewhere: EndedElsewhere::default(),
        }
    }
}
