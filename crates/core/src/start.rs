//! The core, and how it is built at start-up.

use std::sync::{Arc, atomic::AtomicBool};

use anyhow::Context as _;
use gatewright_domain::{Clock, Entropy, Timestamp, sealed::Keyring};
use gatewright_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{
    activity::Recorder,
    config::{Config, SQLITE_FILE, master_key},
    directory::DirectoryHandle,
    fetch::Fetch,
    keys::SigningKeys,
    last_used::LastUsed,
    otlp::Otlp,
    telemetry::Telemetry,
    tls::ServedTls,
};

/// What all parts share. A part holds it in an `Arc`.
#[derive(Debug)]
pub struct Core {
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
    /// Uses of API keys that wait to be written.
    pub last_used: LastUsed,
    /// Activity that waits to be written.
    pub activity: Recorder,
    /// The certificate of the listener.
    pub tls: Arc<ServedTls>,
    /// Metrics.
    pub telemetry: Telemetry,
    /// Traces, metrics and logs for a collector.
    pub otlp: Otlp,
    /// Cancelled when the process is asked to stop: readiness reports it, while connections are still accepted until
    /// `shutdown`.
    pub stopping: CancellationToken,
    /// Whether the stop begins with a drain, as SIGTERM and SIGQUIT do.
    pub drains: AtomicBool,
    /// Cancelled when the process stops: a long stream ends then.
    pub shutdown: CancellationToken,
}

impl Core {
    /// Connects and migrates the store, checks the master key, loads or makes the signing keys and reads the directory.
    /// On SQLite the first start makes data folder, database and master key.
    pub async fn build(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        let keyring = master_key::keyring(&config, &*entropy)?;
        let store = Self::open_store(&config).await?;
        let named = |error| name_full_disk(error, &config);
        store.migrate().await.map_err(named)?;
        store.check_keyring(&keyring, &*entropy).await.map_err(named)?;
        let signing = SigningKeys::load(&store, &keyring, &*clock, &*entropy).await?;
        let shutdown = CancellationToken::new();
        let core = Self {
            fetch: Fetch::new(&config)?,
            directory: DirectoryHandle::new(Arc::clone(&clock)),
            last_used: LastUsed::default(),
            activity: Recorder::new(config.activity.enabled, &*entropy),
            tls: Arc::new(ServedTls::new(&config)),
            telemetry: Telemetry::default(),
            otlp: Otlp::new(&config.otlp, &*entropy)?,
            stopping: shutdown.child_token(),
            drains: AtomicBool::new(false),
            shutdown,
            config,
            store,
            keyring,
            clock,
            entropy,
            signing,
        };
        core.refresh_directory()
            .await
            .context("the configuration in the database could not be read")?;
        Ok(core)
    }

    /// Opens the store of a configuration, without migrating it.
    pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
        let connected = Store::connect(&config.store()).await;
        if let Err(error) = &connected
            && error.is_disk_full()
        {
            return connected.map_err(|error| name_full_disk(error, config));
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
        self.directory
            .refresh(&self.store, &self.keyring, &self.config)
            .await
    }
}

/// A failure at start, in words that name a full disk and what is stored on it.
pub fn name_full_disk(error: StoreError, config: &Config) -> anyhow::Error {
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
mod tests {
    use std::time::Duration;

    use gatewright_domain::{entropy::SystemEntropy, sealed::MasterKey};

    use crate::testing::TestCore;

    #[tokio::test]
    async fn a_second_start_finds_the_same_keys() {
        let first = TestCore::new().await;
        let second = first.another().await.unwrap();
        assert_eq!(first.core.signing.jwks(), second.signing.jwks());
        assert_eq!(
            first.core.keyring.sealing_key_id(),
            second.keyring.sealing_key_id()
        );
    }

    #[tokio::test]
    async fn another_master_key_is_refused_and_the_right_one_still_opens() {
        let right = TestCore::new().await;
        let mut config = right.core.config.clone();
        config.keys.master = vec![MasterKey::generate(&SystemEntropy).to_text()];
        let error = super::Core::build(config, right.clock.clone(), std::sync::Arc::new(SystemEntropy))
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("another master key"), "{error:#}");
        let again = right.another().await.unwrap();
        assert_eq!(right.core.signing.jwks(), again.signing.jwks());
    }

    #[tokio::test]
    async fn a_directory_that_is_not_confirmed_for_five_seconds_refuses_everything() {
        let test = TestCore::new().await;
        test.clock.advance(Duration::from_secs(5));
        assert!(test.core.directory.current().is_ok());
        test.clock.advance(Duration::from_millis(1));
        assert!(test.core.directory.current().is_err());
        test.core.refresh_directory().await.unwrap();
        assert!(test.core.directory.current().is_ok());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_keeps_no_directory_fresh() {
        let test = TestCore::new().await;
        test.clock.set_back(Duration::from_hours(1));
        test.clock.advance(Duration::from_secs(5));
        assert!(test.core.directory.current().is_ok());
        test.clock.advance(Duration::from_millis(1));
        assert!(test.core.directory.current().is_err());
        test.core.refresh_directory().await.unwrap();
        assert!(test.core.directory.current().is_ok());
    }

    #[tokio::test]
    async fn a_change_made_by_another_process_is_seen_at_the_next_poll() {
        let test = TestCore::new().await;
        let other = test.another().await.unwrap();
        let before = test.core.directory.revision();
        let mut tx = other.store.write().await.unwrap();
        let grown = gatewright_store::revision::bump(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(test.core.directory.revision(), before);
        test.core.refresh_directory().await.unwrap();
        assert_eq!(test.core.directory.revision(), grown);
    }
}
