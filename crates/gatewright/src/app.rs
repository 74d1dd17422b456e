//! What all parts of the process share, built once at start-up.

use std::{ops::Deref, sync::Arc, time::Instant};

use gatewright_core::{Core, config::Config};
use gatewright_domain::{Clock, Entropy};
use gatewright_store::{StoreError, assertion_origin};

use crate::{
    account::Accounts,
    admission::Admission,
    authorization_server::AuthorizationServer,
    relying_party::RelyingParty,
    resource_server::ResourceServer,
    service::{last_used::LastUsed, server_checks::ServerChecks},
    sign_in_trace::SignInTrace,
};

/// Origins named in the warning at start.
const SHARED_ORIGINS_TOLD: u32 = 20;

/// Everything a request handler may need. Handlers take `State<Arc<App>>`.
#[derive(Debug)]
pub struct App {
    /// What every part stands on.
    core: Arc<Core>,
    /// How much work of signing in and refreshing is done at once.
    pub admission: Admission,
    /// State of signing in as an administrator: the pool that hashes passwords, limits.
    pub accounts: Accounts,
    /// State of the authorization server: metadata document cache, limits.
    pub authorization_server: AuthorizationServer,
    /// State of the relying party: discovery and JWKS caches.
    pub relying_party: RelyingParty,
    /// State of the resource server: token cache, federation.
    pub resource_server: Arc<ResourceServer>,
    /// What administrators last saw of servers.
    pub server_checks: ServerChecks,
    /// Uses of API keys that wait to be written.
    pub last_used: LastUsed,
    /// What became of attempts to sign in.
    pub sign_in_trace: Arc<SignInTrace>,
}

impl Deref for App {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
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
        let core = Arc::new(Core::build(config, clock, entropy).await?);
        let resource_server = Arc::new(ResourceServer::new(
            &core.config,
            core.fetch.clone(),
            core.keyring.clone(),
            Arc::clone(&core.clock),
            Arc::clone(&core.entropy),
        ));
        let lists = Arc::downgrade(&resource_server);
        core.telemetry
            .condition
            .watch_lists(move || lists.upgrade().map_or(0, |server| server.list_bytes()));
        let app = Arc::new(Self {
            admission: Admission::of(&core.config),
            accounts: Accounts::default(),
            authorization_server: AuthorizationServer::default(),
            relying_party: RelyingParty::default(),
            resource_server,
            server_checks: ServerChecks::default(),
            last_used: LastUsed::default(),
            sign_in_trace: SignInTrace::new(Arc::clone(&core.clock)),
            core,
        });
        app.warn_of_shared_origins().await?;
        tracing::debug!(elapsed = ?began.elapsed(), "ready");
        Ok(app)
    }

    /// What every part stands on.
    pub fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// Says which servers get identity assertions of several projects although the configuration does not list them: they
    /// were registered before that was refused, and go on.
    async fn warn_of_shared_origins(&self) -> Result<(), StoreError> {
        let mut tx = self.store.read().await?;
        let mut shared = assertion_origin::list_all_shared(&mut tx, SHARED_ORIGINS_TOLD).await?;
        shared.retain(|origin| !self.config.servers.may_share(origin));
        if !shared.is_empty() {
            tracing::warn!(
                origins = %shared.join(" "),
                "several projects send identity assertions to the same servers; make sure that these servers check the claim \
                 `project`, then list their origins in servers.shared_assertion_origins"
            );
        }
        Ok(())
    }

    /// Reads what is new in the directory: after a committed change, so that the change acts before its own answer is sent,
    /// and every second, because a change may have been made elsewhere.
    pub async fn refresh_directory(&self) -> Result<(), StoreError> {
        let refreshed = self.core.refresh_directory().await;
        if self.directory.take_went_back() {
            tracing::warn!("the time of this machine went back; access tokens are verified again");
            self.resource_server.forget_tokens();
        }
        refreshed
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
