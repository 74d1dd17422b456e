//! A core on a fresh SQLite database.

use std::sync::{Arc, Once};

use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};
use tempfile::TempDir;
use tracing_subscriber::{filter::dynamic_filter_fn, layer::SubscriberExt, registry};

use crate::{Core, config::Config};

/// A core, its clock and its folder.
#[derive(Debug)]
pub struct TestCore {
    /// The core.
    pub core: Arc<Core>,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// Its folder, removed with it.
    pub folder: TempDir,
}

impl TestCore {
    /// With the default configuration.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With changes to the configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        keep_log_events();
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
        let mut config = Config::default();
        config.database.data_dir = folder.path().join("data");
        change(&mut config);
        let core = Core::build(config, clock.clone(), Arc::new(SystemEntropy))
            .await
            .expect("a fresh core starts");
        Self {
            core: Arc::new(core),
            clock,
            folder,
        }
    }

    /// Another process on the same data.
    pub async fn another(&self) -> anyhow::Result<Core> {
        let (config, clock) = (self.core.config.clone(), self.clock.clone());
        Core::build(config, clock, Arc::new(SystemEntropy)).await
    }
}

/// Keeps every log event of this process within reach of a subscriber that one thread sets for itself.
///
/// Tracing remembers per event whether any subscriber wants it. A thread without one that reaches an event first, at the
/// moment when another thread sets its own, can leave "no" for both. A default that never decides ahead prevents that.
pub fn keep_log_events() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let undecided = registry().with(dynamic_filter_fn(|_, _| false));
        // Fails if a test program has its own default, which then decides.
        let _ = tracing::subscriber::set_global_default(undecided);
        tracing::callsite::rebuild_interest_cache();
    });
}
