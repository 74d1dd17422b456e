//! A new store for each test, on either engine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{Clock as _, Timestamp, clock::FixedClock, entropy::SeededEntropy};
use gatewright_store::{Store, StoreConfig, StoreError, Tx};

/// Runs each named test on both engines. A test is `async fn(World)`.
macro_rules! contract {
    ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
        mod sqlite {
            $(
                $(#[$attribute])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::world::on_sqlite(super::$test).await;
                }
            )*
        }
        #[cfg(feature = "postgres-tests")]
        mod postgres {
            $(
                $(#[$attribute])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::world::on_postgres(super::$test).await;
                }
            )*
        }
    };
}
pub(crate) use contract;

/// A migrated store with a fixed clock and repeatable randomness. Clones share all of it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) config: StoreConfig,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) entropy: Arc<SeededEntropy>,
    next: Arc<AtomicU64>,
}

impl World {
    async fn open(config: StoreConfig) -> Self {
        let store = Store::connect(&config).await.unwrap();
        Self {
            store,
            config,
            clock: Arc::new(FixedClock::at_seconds(1_800_000_000)),
            entropy: Arc::new(SeededEntropy::new(7)),
            next: Arc::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When an access token issued now expires.
    pub(crate) fn soon(&self) -> Timestamp {
        self.now().plus(Duration::from_hours(1))
    }

    /// A number that is unique in this world.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    /// A separate empty database, not migrated.
    pub(crate) async fn beside(&self) -> Self {
        let config = match &self.config {
            StoreConfig::Sqlite { path } => StoreConfig::Sqlite {
                path: path.with_file_name("beside.db"),
            },
            StoreConfig::Postgres { .. } => {
                // The schema of this world, dropped with everything inside at the end.
                self.store.close().await;
                self.empty_schema().await;
                self.config.clone()
            }
        };
        Self::open(config).await
    }

    async fn empty_schema(&self) {
        use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
        let StoreConfig::Postgres { url, .. } = &self.config else {
            return;
        };
        let mut connection = PgConnection::connect(url.expose()).await.unwrap();
        let row = connection
            .fetch_one("SELECT current_schema() AS name")
            .await
            .unwrap();
        let schema: String = row.get("name");
        let sql = format!("DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}");
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
    }

    /// A separate store on the same data, like another process.
    pub(crate) async fn replica(&self) -> Store {
        Store::connect(&self.config).await.unwrap()
    }

    pub(crate) async fn read(&self) -> Tx {
        self.store.read().await.unwrap()
    }

    pub(crate) async fn write(&self) -> Tx {
        self.store.write().await.unwrap()
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.config, StoreConfig::Sqlite { .. })
    }
}

/// Writes in its own transaction and commits it.
macro_rules! commit {
    ($world:expr, $tx:ident => $work:expr) => {{
        let mut transaction = $world.store.write().await.unwrap();
        let $tx = &mut transaction;
        let outcome = $work.await.unwrap();
        transaction.commit().await.unwrap();
        outcome
    }};
}
pub(crate) use commit;

/// Reads in its own transaction.
macro_rules! look {
    ($world:expr, $tx:ident => $work:expr) => {{
        let mut transaction = $world.store.read().await.unwrap();
        let $tx = &mut transaction;
        $work.await.unwrap()
    }};
}
pub(crate) use look;

pub(crate) async fn on_sqlite<F: Future<Output = ()> + Send + 'static>(test: fn(World) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatewright.db");
    let world = World::open(StoreConfig::Sqlite { path }).await;
    world.store.migrate().await.unwrap();
    test(world.clone()).await;
    world.store.close().await;
}

#[cfg(feature = "postgres-tests")]
pub(crate) async fn on_postgres<F: Future<Output = ()> + Send + 'static>(test: fn(World) -> F) {
    use gatewright_domain::{entropy::SystemEntropy, id::EventId, secret::Secret};
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

    let url = std::env::var("GATEWRIGHT_TEST_POSTGRES")
        .expect("the feature postgres-tests needs GATEWRIGHT_TEST_POSTGRES: the URL of a PostgreSQL server");
    let mut outside = PgConnection::connect(&url).await.unwrap();
    let schema = EventId::generate(&FixedClock::at_seconds(0), &SystemEntropy).to_string();
    outside
        .execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .await
        .unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    let inside = format!("{url}{separator}options=-c%20search_path%3D{schema}");
    // In its own task, so that the schema is also dropped when the test fails.
    let outcome = tokio::spawn(async move {
        let url = Secret::new(inside);
        let world = World::open(StoreConfig::Postgres {
            url,
            max_connections: 8,
        })
        .await;
        world.store.migrate().await.unwrap();
        test(world.clone()).await;
        world.store.close().await;
    })
    .await;
    outside
        .execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE")))
        .await
        .unwrap();
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

/// Whether an error says that a field is taken.
pub(crate) fn is_taken<T>(outcome: &Result<T, StoreError>, wanted: &str) -> bool {
    matches!(outcome, Err(StoreError::Taken { field }) if *field == wanted)
}
