//! Rotation of API keys: one transition, once, for keys that work.

use std::time::Duration;

use gatewright_domain::{
    api_key::{ApiKey, KeyScope},
    id::ApiKeyId,
};
use gatewright_store::api_key;

use crate::world::{World, commit, contract, look};

contract!(
    a_key_is_rotated_once_and_ends_with_the_overlap,
    keys_that_work_no_longer_are_not_rotated,
    of_many_rotations_at_once_one_wins,
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

async fn keys_that_work_no_longer_are_not_rotated(world: World) {
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
