//! Transactions: all or nothing, a snapshot of one moment, and never a hang.

use std::{cell::RefCell, time::Duration};

use gatewright_store::{PageRequest, StoreError, Urgency, directory, project, revision, server};

use crate::world::{World, commit, contract, look};

contract!(
    a_dropped_transaction_never_happened,
    an_abandoned_wait_leaves_the_store_usable,
    a_read_is_a_snapshot,
    a_reader_cannot_write,
    a_confined_transaction_reaches_one_project,
    replicas_learn_of_changes,
);

async fn a_dropped_transaction_never_happened(world: World) {
    let project = world.new_project();
    let before = look!(world, tx => revision::read(tx));
    let mut tx = world.write().await;
    project::insert(&mut tx, &project).await.unwrap();
    server::insert(&mut tx, &world.new_server(project.id))
        .await
        .unwrap();
    assert!(project::find(&mut tx, project.id).await.unwrap().is_some());
    drop(tx);
    assert_eq!(look!(world, tx => project::find(tx, project.id)), None);
    assert_eq!(look!(world, tx => revision::read(tx)), before);
    commit!(world, tx => project::insert(tx, &project));
    assert_eq!(look!(world, tx => project::find(tx, project.id)), Some(project));
}

async fn an_abandoned_wait_leaves_the_store_usable(world: World) {
    // Every future is dropped at each of its first steps, as happens when a client hangs up.
    for steps in 0..12 {
        let project = world.new_project();
        let work = async {
            let mut tx = world.store.write().await.unwrap();
            project::insert(&mut tx, &project).await.unwrap();
            server::insert(&mut tx, &world.new_server(project.id))
                .await
                .unwrap();
            project::find(&mut tx, project.id).await.unwrap();
            // Never committed.
            std::future::pending::<()>().await;
        };
        let mut work = Box::pin(work);
        for _ in 0..steps {
            let step = std::future::poll_fn(|context| {
                let done = work.as_mut().poll(context).is_ready();
                std::task::Poll::Ready(done)
            });
            assert!(!step.await);
            tokio::task::yield_now().await;
        }
        drop(work);
        assert_eq!(look!(world, tx => project::find(tx, project.id)), None);
        commit!(world, tx => project::insert(tx, &project));
    }
}

async fn a_read_is_a_snapshot(world: World) {
    let project = world.project().await;
    let mut reader = world.read().await;
    let before = directory::read(&mut reader).await.unwrap();
    world.server(project.id).await;
    let again = directory::read(&mut reader).await.unwrap();
    assert_eq!(again.revision, before.revision);
    assert!(again.servers.is_empty());
    drop(reader);
    let after = look!(world, tx => directory::read(tx));
    assert_eq!(after.servers.len(), 1);
    assert!(after.revision > before.revision);
}

async fn a_reader_cannot_write(world: World) {
    let project = world.new_project();
    let mut reader = world.read().await;
    assert!(project::insert(&mut reader, &project).await.is_err());
    drop(reader);
    commit!(world, tx => project::insert(tx, &project));
}

async fn a_confined_transaction_reaches_one_project(world: World) {
    let (own, other) = (world.new_project(), world.new_project());
    commit!(world, tx => project::insert(tx, &own));
    commit!(world, tx => project::insert(tx, &other));
    let first = PageRequest::first(10);

    let mut tx = world.store.read().await.unwrap().confined_to(own.id);
    assert_eq!(project::find(&mut tx, own.id).await.unwrap(), Some(own.clone()));
    let found = project::find(&mut tx, other.id).await;
    assert!(matches!(found, Err(StoreError::OtherProject)), "{found:?}");
    let listed = server::list(&mut tx, other.id, &first).await;
    assert!(matches!(listed, Err(StoreError::OtherProject)), "{listed:?}");
    drop(tx);

    let mut tx = world.write().await.confined_to(own.id);
    let server = world.new_server(own.id);
    server::insert(&mut tx, &server).await.unwrap();
    let written = server::insert(&mut tx, &world.new_server(other.id)).await;
    assert!(matches!(written, Err(StoreError::OtherProject)), "{written:?}");
    tx.commit().await.unwrap();
    let listed = look!(world, tx => server::list(tx, own.id, &first));
    assert_eq!(listed.items, [server]);
    assert!(
        look!(world, tx => server::list(tx, other.id, &first))
            .items
            .is_empty()
    );
}

async fn replicas_learn_of_changes(world: World) {
    let project = world.project().await;
    let replica = world.replica().await;
    if world.is_sqlite() {
        // There are no messages to receive; the wait simply continues, and a poll finds changes.
        let mut waiting = Box::pin(replica.changed());
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    } else {
        let waiting = replica.clone();
        let heard = tokio::spawn(async move { waiting.changed().await });
        // The listener may start late, so changes continue until one is received.
        while !heard.is_finished() {
            world.server(project.id).await;
        }
        heard.await.unwrap().unwrap();
        // A waiter must not keep a process from exiting.
        let waiting = replica.clone();
        let ended = tokio::spawn(async move { while waiting.changed().await.is_ok() {} });
        replica.close().await;
        ended.await.unwrap();
    }
    replica.close().await;
}

#[tokio::test]
async fn a_writer_that_waits_too_long_gets_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatewright.db");
    let config = gatewright_store::StoreConfig::Sqlite { path };
    let store = gatewright_store::Store::connect(&config).await.unwrap();
    store.migrate().await.unwrap();
    let first = store.write().await.unwrap();
    // From here on only timers are waited for, so the clock may jump to them.
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    assert!(matches!(store.write().await, Err(StoreError::Busy)));
    assert!(started.elapsed() <= Duration::from_secs(6));
    tokio::time::resume();
    drop(first);
    assert!(store.write().await.is_ok());
}

#[tokio::test]
async fn a_person_writes_before_work_that_waited_longer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatewright.db");
    let config = gatewright_store::StoreConfig::Sqlite { path };
    let store = gatewright_store::Store::connect(&config).await.unwrap();
    store.migrate().await.unwrap();
    let held = store.write().await.unwrap();
    let order = RefCell::new(Vec::new());
    let work = async {
        let tx = store.write_for(Urgency::Program).await.unwrap();
        order.borrow_mut().push("work");
        drop(tx);
    };
    let person = async {
        let tx = store.write().await.unwrap();
        order.borrow_mut().push("person");
        drop(tx);
    };
    tokio::join!(work, person, async { drop(held) });
    assert_eq!(order.into_inner(), ["person", "work"]);
}
