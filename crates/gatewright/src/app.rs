//! What all parts of the process share, built once at start-up.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use gatewright_domain::{Clock, Entropy, Timestamp, sealed::Keyring};
use gatewright_store::{Store, StoreError, assertion_origin};
use tokio_util::sync::CancellationToken;

use crate::{
    account::Accounts,
    authorization_server::AuthorizationServer,
    config::{Config, SQLITE_FILE, master_key},
    directory::DirectoryHandle,
    fetch::Fetch,
    keys::SigningKeys,
    relying_party::RelyingParty,
    resource_server::ResourceServer,
    service::{last_used::LastUsed, server_checks::ServerChecks},
    sign_in_trace::SignInTrace,
    telemetry::Telemetry,
};

/// Origins named in the warning at start.
const SHARED_ORIGINS_TOLD: u32 = 20;

/// Everything a request handler may need. Handlers take `State<Arc<App>>`.
#[derive(Debug)]
pub struct App {
    /// The configuration, validated.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The master keys.
    pub keyring: Keyring,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// All outbound HTTP.
    pub fetch: Fetch,
    /// Gateways, sources, servers, keys and the deny-list, in memory.
    pub directory: DirectoryHandle,
    /// The keys that sign access tokens and assertions.
    pub signing: SigningKeys,
    /// State of signing in as an administrator: the pool that hashes passwords, limits.
    pub accounts: Accounts,
    /// State of the authorization server: metadata document cache, limits.
    pub authorization_server: AuthorizationServer,
    /// State of the relying party: discovery and JWKS caches.
    pub relying_party: RelyingParty,
    /// State of the resource server: token cache, federation.
    pub resource_server: ResourceServer,
    /// What administrators last saw of servers.
    pub server_checks: ServerChecks,
    /// Uses of API keys that wait to be written.
    pub last_used: LastUsed,
    /// What became of attempts to sign in.
    pub sign_in_trace: Arc<SignInTrace>,
    /// Metrics.
    pub telemetry: Telemetry,
    /// Cancelled when the process has been told to stop: readiness says so, while connections are still taken until
    /// `shutdown`.
    pub stopping: CancellationToken,
    /// Cancelled when the process stops: whoever holds a long stream open ends it.
    pub shutdown: CancellationToken,
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
        let keyring = master_key::keyring(&config, &*entropy)?;
        let store = Self::open_store(&config).await?;
        let told = |error| told(error, &config);
        store.migrate().await.map_err(told)?;
        store.check_keyring(&keyring, &*entropy).await.map_err(told)?;
        let signing = SigningKeys::load(&store, &keyring, &*clock, &*entropy).await?;
        let fetch = Fetch::new(&config)?;
        let resource_server = ResourceServer::new(
            &config,
            fetch.clone(),
            keyring.clone(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let app = Arc::new(Self {
            fetch,
            directory: DirectoryHandle::new(Arc::clone(&clock)),
            accounts: Accounts::default(),
            authorization_server: AuthorizationServer::default(),
            relying_party: RelyingParty::default(),
            resource_server,
            telemetry: Telemetry::default(),
            server_checks: ServerChecks::default(),
            last_used: LastUsed::default(),
            sign_in_trace: SignInTrace::new(Arc::clone(&clock)),
            stopping: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            config,
            store,
            keyring,
            clock,
            entropy,
            signing,
        });
        app.refresh_directory()
            .await
            .context("the configuration in the database could not be read")?;
        app.warn_of_shared_origins().await?;
        tracing::debug!(elapsed = ?began.elapsed(), "ready");
        Ok(app)
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

    /// Opens the store of a configuration, without migrating it.
    pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
        let connected = Store::connect(&config.store()).await;
        if let Err(error) = &connected
            && error.is_disk_full()
        {
            return connected.map_err(|error| told(error, config));
        }
        connected.with_context(|| {
            if config.is_postgres() {
                "PostgreSQL (database.url) cannot be reached. Check that it runs, and host, user, password and database"
                    .to_owned()
            } else {
                format!("the SQLite database in {} cannot be opened", config.database.data_dir.display())
            }
        })
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads what is new in the directory: after a committed change, so that the change acts before its own answer is sent,
    /// and every second, because a change may have been made elsewhere.
    pub async fn refresh_directory(&self) -> Result<(), StoreError> {
        let refreshed = self
            .directory
            .refresh(&self.store, &self.keyring, &self.config)
            .await;
        if self.directory.take_went_back() {
            tracing::warn!("the time of this machine went back; access tokens are verified again");
            self.resource_server.forget_tokens();
        }
        refreshed
    }
}

/// A failure at start, in words that name a full disk and what lies on it.
fn told(error: StoreError, config: &Config) -> anyhow::Error {
    let full = error.is_disk_full();
    let error = anyhow::Error::from(error);
    if !full {
        return error;
    }
    if config.is_postgres() {
        return error.context("the disk of PostgreSQL is full. Free some space there, then start again");
    }
    let file = config.database.data_dir.join(SQLITE_FILE);
    error.context(format!(
        "the disk is full, so {} cannot be written. Free some space, then start again",
        file.display()
    ))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_domain::{entropy::SystemEntropy, sealed::MasterKey};

    use super::testing::TestApp;

    #[tokio::test]
    async fn a_second_start_finds_the_same_keys() {
        let first = TestApp::new().await;
        let second = first.another().await.unwrap();
        assert_eq!(first.app.signing.jwks(), second.signing.jwks());
        assert_eq!(
            first.app.keyring.sealing_key_id(),
            second.keyring.sealing_key_id()
        );
    }

    #[tokio::test]
    async fn another_master_key_is_refused_and_the_right_one_still_opens() {
        let right = TestApp::new().await;
        let mut config = right.app.config.clone();
        config.keys.master = vec![MasterKey::generate(&SystemEntropy).to_text()];
        let error = super::App::build(config, right.clock.clone(), std::sync::Arc::new(SystemEntropy))
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("another master key"), "{error:#}");
        let again = right.another().await.unwrap();
        assert_eq!(right.app.signing.jwks(), again.signing.jwks());
    }

    #[tokio::test]
    async fn a_directory_that_is_not_confirmed_for_five_seconds_serves_nobody() {
        let test = TestApp::new().await;
        test.clock.advance(Duration::from_secs(5));
        assert!(test.app.directory.current().is_ok());
        test.clock.advance(Duration::from_millis(1));
        assert!(test.app.directory.current().is_err());
        test.app.refresh_directory().await.unwrap();
        assert!(test.app.directory.current().is_ok());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_keeps_no_directory_fresh() {
        let test = TestApp::new().await;
        test.clock.set_back(Duration::from_hours(1));
        test.clock.advance(Duration::from_secs(5));
        assert!(test.app.directory.current().is_ok());
        test.clock.advance(Duration::from_millis(1));
        assert!(test.app.directory.current().is_err());
        test.app.refresh_directory().await.unwrap();
        assert!(test.app.directory.current().is_ok());
    }

    #[tokio::test]
    async fn a_change_made_by_another_process_is_seen_at_the_next_poll() {
        let test = TestApp::new().await;
        let other = test.another().await.unwrap();
        let before = test.app.directory.revision();
        let mut tx = other.store.write().await.unwrap();
        let grown = gatewright_store::revision::bump(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(test.app.directory.revision(), before);
        test.app.refresh_directory().await.unwrap();
        assert_eq!(test.app.directory.revision(), grown);
    }
}
