//! Revocations on their way to all replicas, and how long they stay in memory.

use std::time::Duration;

use gatewright_domain::id::GrantId;
use gatewright_store::revocation::Denied;
use http::StatusCode;

use super::world::World;
use crate::Gateways;

/// Rounds in which the whole deny-list is searched for what has expired.
const ROUNDS: u64 = 64;

/// Someone signs in.
async fn grant(world: &World) -> (GrantId, String, String) {
    let (client, access, refresh) = world.signed_in().await;
    let claims = world
        .app
        .signing
        .verify_access_token(&access, world.app.now())
        .unwrap();
    (claims.grant, client, refresh)
}

async fn revoke(world: &World, client: &str, refresh: &str) {
    let form = [("client_id", client), ("token", refresh)];
    let answer = world.post("/mcp/acme/oauth2/revoke", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

fn denies(app: &Gateways, grant: GrantId) -> bool {
    app.directory.current().unwrap().denies(Denied::Grant(grant))
}

#[tokio::test]
async fn a_revocation_reaches_a_replica_without_reading_the_configuration() {
    let world = World::new().await;
    let other = world.replica().await;
    let mut first = None;
    for _ in 0..2 {
        let (grant, client, refresh) = grant(&world).await;
        let before = (world.app.directory.readings(), other.directory.readings());
        revoke(&world, &client, &refresh).await;
        assert!(denies(&world.app, grant), "it acts before its answer");
        assert!(!denies(&other, grant));
        other.refresh_directory().await.unwrap();
        assert!(denies(&other, grant));
        let after = (world.app.directory.readings(), other.directory.readings());
        assert_eq!((after.0.1, after.1.1), (before.0.1, before.1.1));
        first.get_or_insert(grant);
    }
    let started_later = world.replica().await;
    assert!(denies(&started_later, first.unwrap()), "all are read at start-up");
}

#[tokio::test]
async fn a_revocation_is_in_memory_no_longer_than_an_access_token_lives() {
    let world = World::new().await;
    for _ in 0..20 {
        let (_, client, refresh) = grant(&world).await;
        revoke(&world, &client, &refresh).await;
    }
    assert_eq!(world.app.directory.revocations(), 20);
    // Access tokens live for an hour, and clocks may differ by two minutes.
    world.advance(Duration::from_mins(63)).await;
    for _ in 0..ROUNDS {
        world.advance(Duration::from_millis(500)).await;
        world.advance(Duration::from_millis(500)).await;
    }
    assert_eq!(world.app.directory.revocations(), 0);
    let started_later = world.replica().await;
    assert_eq!(started_later.directory.revocations(), 0);
}

#[tokio::test]
async fn a_revocation_stays_while_an_access_token_lives() {
    let world = World::new().await;
    let (revoked, client, refresh) = grant(&world).await;
    revoke(&world, &client, &refresh).await;
    world.clock.advance(Duration::from_hours(1));
    for _ in 0..ROUNDS {
        world.advance(Duration::from_secs(1)).await;
    }
    assert!(denies(&world.app, revoked));
    let started_later = world.replica().await;
    assert!(denies(&started_later, revoked));
}

#[tokio::test]
async fn a_database_that_lost_revocations_is_believed() {
    let (world, ahead) = (World::new().await, World::new().await);
    let (revoked, client, refresh) = grant(&ahead).await;
    revoke(&ahead, &client, &refresh).await;
    // As if the database had once been where the other one is.
    let (app, other) = (&world.app, &ahead.app);
    let refreshed = app.directory.refresh(&other.store, &other.keyring, &other.config);
    refreshed.await.unwrap();
    assert!(denies(app, revoked));
    app.refresh_directory().await.unwrap();
    assert!(!denies(app, revoked));
    assert_eq!(app.directory.revocations(), 0);
}

#[tokio::test]
async fn a_database_that_lost_revocations_unseen_and_caught_up_is_read_as_a_whole() {
    for fails in [true, false] {
        let (world, restored) = (World::new().await, World::new().await);
        let (_, client, refresh) = grant(&world).await;
        revoke(&world, &client, &refresh).await;
        // What the other database contains represents what was written after a backup was restored.
        let (revoked, client, refresh) = grant(&restored).await;
        revoke(&restored, &client, &refresh).await;
        let (_, client, refresh) = grant(&restored).await;
        revoke(&restored, &client, &refresh).await;
        let (app, other) = (&world.app, &restored.app);
        if fails {
            app.store.close().await;
            app.refresh_directory().await.unwrap_err();
        } else {
            world.clock.advance(Duration::from_secs(6));
        }
        let refreshed = app.directory.refresh(&other.store, &other.keyring, &other.config);
        refreshed.await.unwrap();
        assert!(denies(app, revoked), "fails: {fails}");
        assert_eq!(app.directory.revocations(), 2);
    }
}
