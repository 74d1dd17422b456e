//! A database that goes silent, is read-only for a moment, or loses its file.

use gatewright_store::{Store, StoreConfig, StoreError, Urgency, project};

use crate::world::{World, on_sqlite};

/// Adds a project in its own transaction.
async fn save(world: &World, store: &Store) -> Result<(), StoreError> {
    let new = world.new_project();
    let mut tx = store.write().await?;
    project::insert(&mut tx, &new).await?;
    tx.commit().await
}

#[tokio::test]
async fn sqlite_saves_nothing_once_its_file_was_deleted_or_replaced() {
    on_sqlite(the_file_is_removed).await;
}

async fn the_file_is_removed(world: World) {
    let StoreConfig::Sqlite { path } = world.config.clone() else {
        unreachable!()
    };
    save(&world, &world.store).await.unwrap();
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    for what in ["deleted or moved", "replaced"] {
        let refused = save(&world, &world.store).await.unwrap_err();
        let told = refused.to_string();
        assert!(told.contains(what) && told.contains("restore a backup"), "{told}");
        assert!(matches!(
            world.store.read().await,
            Err(StoreError::FileGone { .. })
        ));
        assert!(world.store.probe().await.is_err());
        std::fs::write(&path, b"another file").unwrap();
    }
    std::fs::rename(&aside, &path).unwrap();
    save(&world, &world.store).await.unwrap();
    world.store.probe().await.unwrap();
}

#[tokio::test]
async fn sqlite_acknowledges_nothing_that_went_to_a_deleted_file() {
    on_sqlite(the_file_is_removed_during_a_transaction).await;
}

async fn the_file_is_removed_during_a_transaction(world: World) {
    let StoreConfig::Sqlite { path } = world.config.clone() else {
        unreachable!()
    };
    let aside = path.with_extension("aside");
    let new = world.new_project();
    let mut tx = world.store.write().await.unwrap();
    project::insert(&mut tx, &new).await.unwrap();
    std::fs::rename(&path, &aside).unwrap();
    let step_by_step = tx.commit().await;
    assert!(
        matches!(step_by_step, Err(StoreError::FileGone { .. })),
        "{step_by_step:?}"
    );
    std::fs::rename(&aside, &path).unwrap();
    let (new, from, to) = (world.new_project(), path.clone(), aside.clone());
    let whole: Result<(), StoreError> = world
        .store
        .transact(Urgency::Program, move |tx| {
            Box::pin(async move {
                project::insert(tx, &new).await?;
                std::fs::rename(&from, &to).unwrap();
                Ok(())
            })
        })
        .await;
    assert!(matches!(whole, Err(StoreError::FileGone { .. })), "{whole:?}");
    std::fs::rename(&aside, &path).unwrap();
    save(&world, &world.store).await.unwrap();
}

#[cfg(feature = "postgres-tests")]
mod postgres {
    use std::{str::FromStr as _, sync::Arc};

    use gatewright_domain::secret::Secret;
    use sqlx::{
        AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
        postgres::PgConnectOptions,
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        sync::watch,
    };

    use super::*;
    use crate::world::on_postgres;

    fn url(world: &World) -> String {
        match &world.config {
            StoreConfig::Postgres { url, .. } => url.expose().to_owned(),
            StoreConfig::Sqlite { .. } => unreachable!(),
        }
    }

    /// Forwards bytes in both directions until it is silenced; connections stay open then.
    async fn proxy(to: String) -> (String, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (silent, watching) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&to).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                for (mut from, mut to) in [(from_client, to_server), (from_server, to_client)] {
                    let watching = watching.clone();
                    tokio::spawn(async move {
                        let mut piece = vec![0; 16 * 1024];
                        while let Ok(length @ 1..) = from.read(&mut piece).await {
                            if *watching.borrow() {
                                std::future::pending::<()>().await;
                            }
                            if to.write_all(&piece[..length]).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            }
        });
        (address, silent)
    }

    /// On one thread, so that the clock can be stopped: it then jumps to the next deadline when nothing moves.
    #[tokio::test]
    async fn a_running_request_ends_when_postgresql_goes_silent_and_its_connection_is_dropped() {
        on_postgres(silence).await;
    }

    async fn silence(world: World) {
        let direct = PgConnectOptions::from_str(&url(&world)).unwrap();
        let at = format!("{}:{}", direct.get_host(), direct.get_port());
        let (address, silent) = proxy(at.clone()).await;
        let through = url(&world).replacen(&at, &address, 1);
        assert_ne!(through, url(&world));
        let store = Store::connect(&StoreConfig::Postgres {
            url: Secret::new(through),
            max_connections: 2,
        })
        .await
        .unwrap();
        save(&world, &store).await.unwrap();
        let mut under_way = store.write().await.unwrap();
        silent.send(true).unwrap();
        tokio::time::pause();
        let failed = project::insert(&mut under_way, &world.new_project()).await;
        assert!(failed.is_err(), "a statement without a response succeeded");
        drop(under_way);
        assert!(store.read().await.is_err());
        // Once the server responds again, so does the store: the silent connections are not in its pool.
        silent.send(false).unwrap();
        tokio::time::resume();
        let store = Arc::new(store);
        save(&world, &store).await.unwrap();
        let (one, other) = tokio::join!(save(&world, &store), save(&world, &store));
        one.unwrap();
        other.unwrap();
        store.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn connections_made_while_postgresql_was_read_only_are_replaced() {
        on_postgres(read_only_for_a_moment).await;
    }

    async fn read_only_for_a_moment(world: World) {
        let options = PgConnectOptions::from_str(&url(&world)).unwrap();
        let mut outside: PgConnection = options.connect().await.unwrap();
        let name = format!("gatewright_read_only_{}", std::process::id());
        for sql in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name}"),
        ] {
            outside.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let before = url(&world);
        let (head, _) = before.split_once('?').unwrap();
        let (server, _) = head.rsplit_once('/').unwrap();
        let config = StoreConfig::Postgres {
            url: Secret::new(format!("{server}/{name}")),
            max_connections: 3,
        };
        let first = Store::connect(&config).await.unwrap();
        first.migrate().await.unwrap();
        first.close().await;
        let mode = |mode: &str| {
            AssertSqlSafe(format!(
                "ALTER DATABASE {name} SET default_transaction_read_only = {mode}"
            ))
        };
        outside.execute(mode("on")).await.unwrap();
        let store = Store::connect(&config).await.unwrap();
        let readers = (store.read().await.unwrap(), store.read().await.unwrap());
        assert!(matches!(save(&world, &store).await, Err(StoreError::ReadOnly)));
        assert!(store.probe().await.is_err());
        drop(readers);
        outside.execute(mode("off")).await.unwrap();
        let all = tokio::join!(save(&world, &store), save(&world, &store), save(&world, &store));
        for saved in [all.0, all.1, all.2] {
            saved.unwrap();
        }
        store.probe().await.unwrap();
        store.close().await;
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        outside.execute(AssertSqlSafe(drop)).await.unwrap();
        outside.close().await.unwrap();
    }
}
