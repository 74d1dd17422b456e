//! First and later starts: migrations, the proof of the keyring, and what is refused.

use gatewright_domain::{
    entropy::SeededEntropy,
    sealed::{Keyring, MasterKey},
};
use gatewright_store::{Store, StoreConfig, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::world::{World, contract};

contract!(
    a_migrated_database_says_so,
    several_replicas_migrate_at_once,
    a_database_of_a_newer_version_is_refused,
    another_master_key_is_refused_and_nothing_is_changed,
    a_keyring_in_rotation_opens,
    two_first_starts_agree_on_the_keyring,
);

fn keyring(seeds: &[u64]) -> Keyring {
    let keys = seeds
        .iter()
        .map(|seed| MasterKey::generate(&SeededEntropy::new(*seed)));
    Keyring::new(keys.collect()).unwrap()
}

/// Runs a statement without the store, like someone with a shell.
pub(crate) async fn by_hand(world: &World, sql: &str) {
    match &world.config {
        StoreConfig::Sqlite { path } => {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.execute_batch(sql).unwrap();
        }
        StoreConfig::Postgres { url, .. } => {
            let mut connection = PgConnection::connect(url.expose()).await.unwrap();
            connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

async fn a_migrated_database_says_so(world: World) {
    assert!(world.store.is_migrated().await.unwrap());
    world.store.migrate().await.unwrap();
    assert!(world.store.is_migrated().await.unwrap());
    by_hand(&world, "DROP TABLE _sqlx_migrations").await;
    assert!(!world.store.is_migrated().await.unwrap());
}

async fn several_replicas_migrate_at_once(world: World) {
    // The world is already migrated: start from nothing, next to it.
    let fresh = world.beside().await;
    assert!(!fresh.store.is_migrated().await.unwrap());
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let config = fresh.config.clone();
        starts.spawn(async move {
            let store = Store::connect(&config).await?;
            store.migrate().await?;
            let migrated = store.is_migrated().await?;
            store.close().await;
            Ok::<_, StoreError>(migrated)
        });
    }
    while let Some(start) = starts.join_next().await {
        assert!(start.unwrap().unwrap());
    }
    fresh.store.close().await;
}

async fn a_database_of_a_newer_version_is_refused(world: World) {
    by_hand(
        &world,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 99991231000000, 'later', success, checksum, 0 FROM _sqlx_migrations LIMIT 1",
    )
    .await;
    for outcome in [
        world.store.migrate().await,
        world.store.is_migrated().await.map(drop),
    ] {
        let Err(StoreError::Refused(message)) = outcome else {
            panic!("a newer database must be refused: {outcome:?}");
        };
        assert!(message.contains("newer version"), "{message}");
        assert!(message.contains("99991231000000"), "{message}");
    }
}

async fn another_master_key_is_refused_and_nothing_is_changed(world: World) {
    let entropy = &*world.entropy;
    world.store.check_keyring(&keyring(&[1]), entropy).await.unwrap();
    world.store.check_keyring(&keyring(&[1]), entropy).await.unwrap();
    let Err(StoreError::Refused(message)) = world.store.check_keyring(&keyring(&[2]), entropy).await else {
        panic!("another key must be refused");
    };
    assert!(message.contains("another master key"), "{message}");
    assert!(message.contains("keys rotate"), "{message}");
    world.store.check_keyring(&keyring(&[1]), entropy).await.unwrap();
}

async fn a_keyring_in_rotation_opens(world: World) {
    let entropy = &*world.entropy;
    world.store.check_keyring(&keyring(&[1]), entropy).await.unwrap();
    world
        .store
        .check_keyring(&keyring(&[2, 1]), entropy)
        .await
        .unwrap();
    assert!(world.store.check_keyring(&keyring(&[2]), entropy).await.is_err());
}

async fn two_first_starts_agree_on_the_keyring(world: World) {
    let replica = world.replica().await;
    let (one, two) = (keyring(&[1]), keyring(&[2]));
    let (first, second) = tokio::join!(
        world.store.check_keyring(&one, &*world.entropy),
        replica.check_keyring(&two, &*world.entropy),
    );
    assert!(
        first.is_ok() != second.is_ok(),
        "exactly one keyring wins: {first:?} {second:?}"
    );
    replica.close().await;
}

#[tokio::test]
async fn a_database_that_is_down_is_an_error_within_three_seconds() {
    // a port that was free a moment ago, with no listener.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = gatewright_domain::secret::Secret::new(format!("postgres://nobody@127.0.0.1:{port}/none"));
    let config = StoreConfig::Postgres {
        url,
        max_connections: 2,
    };
    let started = std::time::Instant::now();
    let outcome = Store::connect(&config).await;
    assert!(matches!(outcome, Err(StoreError::Database(_))), "{outcome:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(4));
}

#[cfg(unix)]
#[tokio::test]
async fn the_database_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatewright.db");
    let store = Store::connect(&StoreConfig::Sqlite { path }).await.unwrap();
    store.migrate().await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{entry:?}"
        );
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let each = |name: &str| ["", "-shm", "-wal"].map(|end| format!("{name}{end}"));
    let expected = [each("gatewright.activity.db"), each("gatewright.db")].concat();
    assert_eq!(names, expected);
    store.close().await;
}

#[tokio::test]
async fn a_folder_that_is_missing_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("gatewright.db");
    let outcome = Store::connect(&StoreConfig::Sqlite { path }).await;
    assert!(matches!(outcome, Err(StoreError::Database(_))));
    let path = folder.path().join("gatewright.db");
    assert!(Store::connect(&StoreConfig::Sqlite { path }).await.is_ok());
}
