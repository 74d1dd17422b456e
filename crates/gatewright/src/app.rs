//! The whole program: every part, composed once at start-up.

use std::{ops::Deref, sync::Arc, time::Instant};

use gatewright_core::config::Config;
use gatewright_domain::{Clock, Entropy};
use gatewright_gateway::Gateways;

use crate::{
    account::Accounts,
    service::{pace::Pace, server_checks::ServerChecks, turns::Turns, user_sources::CheckLimits},
};

/// Changes of administrators under way at once. They wait for each other at the revision, so more of them only hold what
/// others need.
const CHANGES_AT_ONCE: usize = 4;

/// Everything a request handler may need. Handlers take `State<Arc<App>>`.
#[derive(Debug)]
pub struct App {
    gateways: Arc<Gateways>,
    /// State of signing in as an administrator: the pool that hashes passwords, limits.
    pub accounts: Accounts,
    /// How often administrators had identity providers checked.
    pub issuer_checks: CheckLimits,
    /// What administrators last saw of servers.
    pub server_checks: ServerChecks,
    /// Whose turn it is to change something: of a project one change at a time, of all a few.
    pub changes: Turns,
    /// How often callers change something.
    pub pace: Pace,
}

impl Deref for App {
    type Target = Gateways;

    fn deref(&self) -> &Gateways {
        &self.gateways
    }
}

impl App {
    /// Connects and migrates the store, checks the master key, loads or makes the signing keys and reads the directory.
    /// On SQLite the first start makes data folder, database and master key.
    pub async fn build(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Arc<Self>> {
        let began = Instant::now();
        let app = Arc::new(Self::over(Gateways::build(config, clock, entropy).await?));
        tracing::debug!(elapsed = ?began.elapsed(), "ready");
        Ok(app)
    }

    /// What administrators meet, over what end users and clients meet.
    pub fn over(gateways: Arc<Gateways>) -> Self {
        Self {
            gateways,
            accounts: Accounts::default(),
            issuer_checks: CheckLimits::default(),
            server_checks: ServerChecks::default(),
            changes: Turns::of(CHANGES_AT_ONCE, 1),
            pace: Pace::default(),
        }
    }

    /// What end users and clients meet.
    pub fn gateways(&self) -> Arc<Gateways> {
        Arc::clone(&self.gateways)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! An app on a fresh SQLite database.

    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};
    use tempfile::TempDir;

    use super::*;

    /// An app, its clock and its folder.
    pub(crate) struct TestApp {
        pub(crate) app: Arc<App>,
        pub(crate) clock: Arc<FixedClock>,
        _folder: TempDir,
    }

    impl TestApp {
        /// With the default configuration.
        pub(crate) async fn new() -> Self {
            Self::with(|_| {}).await
        }

        /// With changes to the configuration.
        pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
            let mut config = Config::default();
            config.database.data_dir = folder.path().join("data");
            change(&mut config);
            let app = App::build(config, clock.clone(), Arc::new(SystemEntropy))
                .await
                .unwrap();
            Self {
                app,
                clock,
                _folder: folder,
            }
        }

        /// Another process on the same data.
        pub(crate) async fn another(&self) -> anyhow::Result<Arc<App>> {
            App::build(
                self.app.config.clone(),
                self.clock.clone(),
                Arc::new(SystemEntropy),
            )
            .await
        }
    }
}
