//! The resource server: the MCP endpoint of each gateway, `/mcp/{slug}`. The order is fixed: the configuration is
//! current, the gateway exists, the origin is ours, and the caller is known; only then is a message read. What MCP
//! itself asks for is in the crate `gatewright_mcp`.

mod assertion;
mod authenticate;
mod endpoint;
mod inspection;
mod plan;
mod refusal;
pub mod replica_mail;
pub mod seen_tokens;
pub mod session_notes;
pub mod sessions;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;
#[cfg(test)]
mod tests;
mod transport;
pub mod trial;
pub mod user_id;

use std::{ops::Deref, sync::Arc};

use gatewright_core::{Core, descriptors::Fit, running::Running};
use gatewright_mcp::{endpoint::Endpoint, http_sse::HttpSse, list_memory::ListLimits};
use gatewright_store::StoreError;
use tokio::sync::Semaphore;

use crate::{config::Config, sign_in_trace::SignInTrace};

use assertion::Assertions;
use authenticate::TokenCache;
use replica_mail::Mail;
use seen_tokens::SeenTokens;
use session_notes::ReadNotes;
use sessions::EndedElsewhere;
use transport::Outbound;

pub(crate) use endpoint::{Answer, answer};
pub use trial::PATIENCE as TRIAL_PATIENCE;
pub use trial::{Heard, Outcome, Report, Told, Tried};

/// What the resource server uses, and keeps in memory.
#[derive(Debug)]
pub struct ResourceServer {
    core: Arc<Core>,
    sign_in_trace: Arc<SignInTrace>,
    federation: Endpoint<HttpSse<Outbound>>,
    tokens: TokenCache,
    assertions: Assertions,
    /// First uses of access tokens that wait to be written.
    pub seen_tokens: SeenTokens,
    running: Running,
    elsewhere: EndedElsewhere,
    read_notes: ReadNotes,
    /// Places for letters of other replicas that are worked on.
    letters: Arc<Semaphore>,
}

/// What may run at once on this machine. A person gets at most half of what their project may run, so that where
/// little fits there is room for someone else.
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

impl Deref for ResourceServer {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl ResourceServer {
    /// Bytes that lists of tools hold.
    pub(crate) fn list_bytes(&self) -> usize {
        self.federation.list_bytes()
    }

    /// Reads what is new in the directory: after a committed change, so that the change acts before its own answer is sent,
    /// and every second, because a change may have been made elsewhere. If the time of this machine went back, tokens that
    /// were verified are verified again.
    pub(crate) async fn refresh_directory(&self) -> Result<(), StoreError> {
        let refreshed = self.core.refresh_directory().await;
        if self.directory.take_went_back() {
            tracing::warn!("the time of this machine went back; access tokens are verified again");
            self.tokens.forget();
        }
        refreshed
    }

    /// Nothing is known yet of tokens and servers.
    pub(crate) fn new(core: Arc<Core>, sign_in_trace: Arc<SignInTrace>) -> Self {
        let federation = Endpoint::new(
            HttpSse::over(Outbound::new(core.fetch.clone())),
            core.keyring.clone(),
            Arc::clone(&core.clock),
            Arc::clone(&core.entropy),
            list_limits(&core.config),
        );
        let mail = Mail::new(
            core.store.clone(),
            core.keyring.clone(),
            Arc::clone(&core.clock),
            Arc::clone(&core.entropy),
            core.config.is_postgres(),
        );
        federation.join(Box::new(mail));
        Self {
            federation,
            tokens: TokenCache::default(),
            assertions: Assertions::default(),
            seen_tokens: SeenTokens::default(),
            running: running(&core.config),
            elsewhere: EndedElsewhere::default(),
            read_notes: ReadNotes::default(),
            letters: replica_mail::places(),
            core,
            sign_in_trace,
        }
    }
}
