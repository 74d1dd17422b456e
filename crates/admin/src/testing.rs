//! An instance on a fresh SQLite database.

pub mod servers;
pub mod single_sign_on;

use std::sync::Arc;

use gatewright_core::config::Config;
use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy, secret::Secret};
use tempfile::TempDir;

use crate::{
    Admin,
    account::visitor::Visitor,
    service::{account_sessions::Begun, sign_in},
};

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

/// Signs an account in with its password, from this machine.
pub async fn sign_in(app: &Admin, email: &str, password: &str) -> Begun {
    let visitor = Visitor {
        address: [127, 0, 0, 1].into(),
        user_agent: String::new(),
        session: None,
    };
    let begun = sign_in::with_password(app, &visitor, email, &Secret::new(password)).await;
    begun.unwrap()
}
