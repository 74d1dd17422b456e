//! The state of the services, composed once at start-up over what end users and clients meet. The API and the dashboard have
//! none next to it.

use std::{ops::Deref, sync::Arc, time::Instant};

use gatewright_core::config::Config;
use gatewright_domain::{Clock, Entropy};
use gatewright_gateway::Gateways;

use super::{
    live_tails::LiveTails,
    memory::{Directory, ResourceServer, SignInTrace},
    notifications::Notifier,
    pace::Pace,
    server_checks::ServerChecks,
    store::Guarded,
    streams::Streams,
    turns::Turns,
    user_sources::CheckLimits,
    watch::Watch,
};
use crate::account::Accounts;

/// Changes of administrators in progress at the same time. They wait for each other at the revision, so more of them only
/// hold what others need.
const CHANGES_AT_ONCE: usize = 4;

/// Everything a request handler may need. Handlers take `State<Arc<Admin>>`.
#[derive(Debug)]
pub struct Admin {
    gateways: Arc<Gateways>,
    /// The store, which opens for a permit only. It hides that of the core.
    pub store: Guarded,
    /// The configuration in memory, which opens for a permit only. It hides that of the core.
    pub directory: Directory,
    /// The trace of sign-ins, which opens for a permit only. It hides that of the gateways.
    pub sign_in_trace: SignInTrace,
    /// What is known about servers, which opens for a permit only. It hides that of the gateways.
    pub resource_server: ResourceServer,
    /// State of signing in as an administrator: the pool that hashes passwords, limits.
    pub accounts: Accounts,
    /// How often administrators had identity providers checked.
    pub issuer_checks: CheckLimits,
    /// What administrators last saw of servers.
    pub server_checks: ServerChecks,
    /// Whose turn it is to change something: of a project, and of a caller, one at a time, of all a few.
    pub changes: Turns,
    /// How often callers change something.
    pub pace: Pace,
    /// The recipients of messages about incidents.
    pub notifier: Notifier,
    /// What was noted of what is watched.
    pub watch: Watch,
    /// Pages that follow new requests.
    pub live_tails: LiveTails,
    /// Streams that this process sends.
    pub streams: Streams,
}

impl Deref for Admin {
    type Target = Gateways;

    fn deref(&self) -> &Gateways {
        &self.gateways
    }
}

impl Admin {
    /// Connects and migrates the store, checks the master key, loads or makes the signing keys and reads the directory.
    /// On SQLite the first start makes data folder, database and master key.
    pub async fn build(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Arc<Self>> {
        let began = Instant::now();
        let app = Arc::new(Self::over(Gateways::build(config, clock, entropy).await?)?);
        tracing::debug!(elapsed = ?began.elapsed(), "ready");
        Ok(app)
    }

    /// What administrators meet, over what end users and clients meet. Reads `outbound.extra_ca`.
    pub fn over(gateways: Arc<Gateways>) -> anyhow::Result<Self> {
        Ok(Self {
            notifier: Notifier::of(&gateways.config)?,
            store: Guarded::over(Arc::clone(&gateways)),
            directory: Directory::over(Arc::clone(&gateways)),
            sign_in_trace: SignInTrace::over(Arc::clone(&gateways)),
            resource_server: ResourceServer::over(Arc::clone(&gateways)),
            accounts: Accounts::default(),
            issuer_checks: CheckLimits::default(),
            server_checks: ServerChecks::default(),
            changes: Turns::of(CHANGES_AT_ONCE, 1),
            pace: Pace::default(),
            live_tails: LiveTails::default(),
            streams: Streams::new(&*gateways.entropy),
            watch: Watch::default(),
            gateways,
        })
    }

    /// What end users and clients meet.
    pub fn gateways(&self) -> Arc<Gateways> {
        Arc::clone(&self.gateways)
    }
}
