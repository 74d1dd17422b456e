//! Ended sessions of MCP clients.

use std::time::Duration;

use gatewright_domain::Timestamp;
use gatewright_store::ended_session::{EndedSession, MAX_PER_CALLER, insert, list_since, prune};

use crate::world::{World, commit, contract, look};

contract!(
    another_replica_reads_what_was_ended_since_it_last_looked,
    one_person_fills_only_their_own_quota,
);

fn ended(number: u128, caller: u8, at: Timestamp) -> EndedSession {
    EndedSession {
        session: number.to_be_bytes(),
        caller: [caller; 16],
        ended_at: at,
        expires_at: at.plus(Duration::from_hours(1)),
    }
}

async fn another_replica_reads_what_was_ended_since_it_last_looked(world: World) {
    let replica = world.replica().await;
    let first = ended(1, 1, world.now());
    commit!(world, tx => insert(tx, &first));
    commit!(world, tx => insert(tx, &first));
    world.clock.advance(Duration::from_secs(5));
    let (now, second) = (world.now(), ended(u128::MAX, 1, world.now()));
    commit!(world, tx => insert(tx, &second));
    let mut tx = replica.read().await.unwrap();
    let all = list_since(&mut tx, Timestamp::from_millis(0), now, 10)
        .await
        .unwrap();
    assert_eq!(
        all,
        [(second.session, second.ended_at), (first.session, first.ended_at)]
    );
    let newer = list_since(&mut tx, now, now, 10).await.unwrap();
    assert_eq!(newer, [(second.session, second.ended_at)]);
    drop(tx);
    world.clock.advance(Duration::from_hours(1));
    let later = world.now();
    let start = Timestamp::from_millis(0);
    assert_eq!(look!(world, tx => list_since(tx, start, later, 10)), []);
    assert_eq!(commit!(world, tx => prune(tx, later, 1)), 1);
    assert_eq!(commit!(world, tx => prune(tx, later, 10)), 1);
    replica.close().await;
}

async fn one_person_fills_only_their_own_quota(world: World) {
    let start = world.now();
    let theirs = ended(1_000_000, 2, start);
    commit!(world, tx => insert(tx, &theirs));
    let mut tx = world.write().await;
    for number in 0..u128::from(MAX_PER_CALLER) + 5 {
        world.clock.advance(Duration::from_millis(1));
        insert(&mut tx, &ended(number, 1, world.now())).await.unwrap();
    }
    tx.commit().await.unwrap();
    let now = world.now();
    let kept = look!(world, tx => list_since(tx, start, now, 10_000));
    assert_eq!(kept.len(), MAX_PER_CALLER as usize + 1);
    assert!(kept.contains(&(theirs.session, theirs.ended_at)));
    assert!(!kept.iter().any(|(session, _)| *session == 0_u128.to_be_bytes()));
}
