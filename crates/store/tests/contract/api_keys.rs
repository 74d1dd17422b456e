//! Rotation of API keys: one transition, once, for valid keys.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    api_key::{ApiKey, KeyScope},
    id::ApiKeyId,
};
use gatewright_store::api_key;

use crate::world::{World, commit, contract, look};

contract!(
    a_key_is_rotated_once_and_ends_with_the_overlap,
    invalid_keys_are_not_rotated,
    of_many_rotations_at_once_one_wins,
    a_predecessor_is_found_while_it_works,
    ended_keys_are_deleted_the_oldest_of_a_chain_first,
);

const DAY: Duration = Duration::from_hours(24);

async fn stored(world: &World, change: impl FnOnce(&mut ApiKey)) -> ApiKey {
    let mut key = world.new_key(KeyScope::Instance);
    change(&mut key);
    commit!(world, tx => api_key::insert(tx, &key));
    key
}

fn new_id(world: &World) -> ApiKeyId {
    ApiKeyId::generate(&*world.clock, &*world.entropy)
}

async fn a_key_is_rotated_once_and_ends_with_the_overlap(world: World) {
    let now = world.now();
    let overlap = now.plus(DAY);
    let soon = now.plus(DAY / 2);
    for (expires_at, ends_at) in [
        (None, overlap),
        (Some(now.plus(DAY * 2)), overlap),
        (Some(soon), soon),
    ] {
        let key = stored(&world, |key| key.expires_at = expires_at).await;
        let successor = new_id(&world);
        assert!(commit!(world, tx => api_key::rotate(tx, None, key.id, successor, overlap, now)));
        let rotated = ApiKey {
            expires_at: Some(ends_at),
            successor_id: Some(successor),
            ..key.clone()
        };
        let again = commit!(world, tx => api_key::rotate(tx, None, key.id, new_id(&world), overlap, now));
        assert!(!again);
        assert_eq!(look!(world, tx => api_key::find(tx, None, key.id)), Some(rotated));
    }
}

async fn invalid_keys_are_not_rotated(world: World) {
    let now = world.now();
    let project = world.project().await.id;
    let expired = stored(&world, |key| key.expires_at = Some(now)).await;
    let revoked = stored(&world, |key| key.revoked_at = Some(now)).await;
    let elsewhere = stored(&world, |_| ()).await;
    for (scope, key) in [(None, expired), (None, revoked), (Some(project), elsewhere)] {
        let rotated =
            commit!(world, tx => api_key::rotate(tx, scope, key.id, new_id(&world), now.plus(DAY), now));
        assert!(!rotated);
        assert_eq!(look!(world, tx => api_key::find(tx, None, key.id)), Some(key));
    }
}

async fn of_many_rotations_at_once_one_wins(world: World) {
    let key = stored(&world, |_| ()).await;
    let attempts: Vec<_> = (0..10)
        .map(|_| {
            let (world, successor) = (world.clone(), new_id(&world));
            let now = world.now();
            tokio::spawn(async move {
                commit!(world, tx => api_key::rotate(tx, None, key.id, successor, now.plus(DAY), now))
                    .then_some(successor)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for attempt in attempts {
        winners.extend(attempt.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    let stored = look!(world, tx => api_key::find(tx, None, key.id)).unwrap();
    assert_eq!(stored.successor_id, Some(winners[0]));
}

async fn a_predecessor_is_found_while_it_works(world: World) {
    let now = world.now();
    let end = now.plus(DAY);
    let newest = stored(&world, |_| ()).await;
    let old = stored(&world, |key| {
        key.expires_at = Some(end);
        key.successor_id = Some(newest.id);
    })
    .await;
    let found = async |id: ApiKeyId, at: Timestamp| {
        let found = look!(world, tx => api_key::find_predecessor(tx, None, id, at));
        found.map(|key| key.id)
    };
    assert_eq!(found(newest.id, now).await, Some(old.id));
    assert_eq!(found(old.id, now).await, None);
    assert_eq!(found(newest.id, end).await, None);
    commit!(world, tx => api_key::revoke(tx, None, old.id, now));
    assert_eq!(found(newest.id, now).await, None);
}

async fn ended_keys_are_deleted_the_oldest_of_a_chain_first(world: World) {
    let now = world.now();
    let revoked = stored(&world, |key| key.revoked_at = Some(now)).await;
    let lasting = stored(&world, |_| ()).await;
    let lent = stored(&world, |key| key.expires_at = Some(now.plus(DAY))).await;
    let second = stored(&world, |key| key.expires_at = Some(now)).await;
    let first = stored(&world, |key| {
        key.expires_at = Some(now);
        key.successor_id = Some(second.id);
    })
    .await;
    let is_there = async |key: &ApiKey| look!(world, tx => api_key::find(tx, None, key.id)).is_some();
    assert_eq!(commit!(world, tx => api_key::prune(tx, now, 10)), 2);
    assert!(!is_there(&revoked).await && !is_there(&first).await);
    assert!(is_there(&second).await, "its predecessor names it");
    assert_eq!(commit!(world, tx => api_key::prune(tx, now, 10)), 1);
    assert!(!is_there(&second).await);
    assert!(is_there(&lasting).await && is_there(&lent).await);
}
