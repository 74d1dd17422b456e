//! An instance on a fresh SQLite database.

use std::sync::Arc;

use gatewright_core::config::Config;
use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};
use tempfile::TempDir;

use crate::Admin;

/// An instance, its clock and its folder.
pub struct TestAdmin {
    pub app: Arc<Admin>,
    pub clock: Arc<FixedClock>,
    _folder: TempDir,
}

impl TestAdmin {
    /// With the default configuration.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With changes to the configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
        let mut config = Config::default();
        config.database.data_dir = folder.path().join("data");
        change(&mut config);
        let app = Admin::build(config, clock.clone(), Arc::new(SystemEntropy))
            .await
            .unwrap();
        Self {
            app,
            clock,
            _folder: folder,
        }
    }

    /// Another process on the same data.
    pub async fn another(&self) -> anyhow::Result<Arc<Admin>> {
        Admin::build(
            self.app.config.clone(),
            self.clock.clone(),
            Arc::new(SystemEntropy),
        )
        .await
    }
}
