//! Creations with an `Idempotency-Key`: claimed once, answered again, deleted in time, bounded per caller.

use std::time::Duration;

use gatewright_domain::{stored_secret::SealedText, token_hash::TokenHash};
use gatewright_store::idempotency::{self, Claim, Done};

use crate::world::{World, commit, contract, look};

contract!(
    a_key_is_claimed_once_and_answered_again,
    a_claim_is_rolled_back_with_its_transaction,
    of_many_at_once_one_claims,
    expired_keys_can_be_claimed_again_and_are_deleted,
    the_oldest_responses_of_a_caller_are_deleted,
);

const DAY: Duration = Duration::from_hours(24);

fn claim(key: &str) -> Claim {
    Claim {
        key: TokenHash::of(key),
        caller: TokenHash::of("caller"),
        body: TokenHash::of("body"),
    }
}

fn sealed(text: &str) -> SealedText {
    SealedText(text.to_owned())
}

/// Claims a key and stores a response in one transaction; returns whether it was claimed.
async fn create(world: &World, claim: &Claim, answer: &str) -> bool {
    let mut tx = world.write().await;
    let now = world.now();
    let claimed = idempotency::claim(&mut tx, claim, now, now.plus(DAY))
        .await
        .unwrap();
    if claimed {
        idempotency::answer(&mut tx, claim.key, &sealed(answer))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    claimed
}

async fn a_key_is_claimed_once_and_answered_again(world: World) {
    let first = claim("first");
    assert_eq!(
        look!(world, tx => idempotency::find(tx, first.key, world.now())),
        None
    );
    assert!(create(&world, &first, "answer").await);
    let done = Done {
        body: first.body,
        answer: sealed("answer"),
    };
    let twin = Claim {
        body: TokenHash::of("another body"),
        ..first
    };
    for again in [first, twin] {
        assert!(!create(&world, &again, "another").await);
        assert_eq!(
            look!(world, tx => idempotency::find(tx, again.key, world.now())).as_ref(),
            Some(&done)
        );
    }
    assert!(create(&world, &claim("second"), "answer").await);
}

async fn a_claim_is_rolled_back_with_its_transaction(world: World) {
    let first = claim("first");
    let mut tx = world.write().await;
    let now = world.now();
    assert!(
        idempotency::claim(&mut tx, &first, now, now.plus(DAY))
            .await
            .unwrap()
    );
    drop(tx);
    assert_eq!(look!(world, tx => idempotency::find(tx, first.key, now)), None);
    assert!(create(&world, &first, "answer").await);
}

async fn of_many_at_once_one_claims(world: World) {
    let attempts: Vec<_> = (0..10)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move { create(&world, &claim("key"), &number.to_string()).await })
        })
        .collect();
    let mut claimed = 0;
    for attempt in attempts {
        claimed += usize::from(attempt.await.unwrap());
    }
    assert_eq!(claimed, 1);
}

async fn expired_keys_can_be_claimed_again_and_are_deleted(world: World) {
    let first = claim("first");
    assert!(create(&world, &first, "old").await);
    assert_eq!(commit!(world, tx => idempotency::prune(tx, world.now(), 10)), 0);
    world.clock.advance(DAY);
    assert_eq!(
        look!(world, tx => idempotency::find(tx, first.key, world.now())),
        None
    );
    assert!(create(&world, &first, "new").await);
    assert!(!create(&world, &first, "newer").await);
    world.clock.advance(DAY);
    assert!(create(&world, &claim("second"), "answer").await);
    assert_eq!(commit!(world, tx => idempotency::prune(tx, world.now(), 10)), 1);
    assert!(look!(world, tx => idempotency::find(tx, claim("second").key, world.now())).is_some());
}

async fn the_oldest_responses_of_a_caller_are_deleted(world: World) {
    let elsewhere = Claim {
        caller: TokenHash::of("another caller"),
        ..claim("elsewhere")
    };
    assert!(create(&world, &elsewhere, "answer").await);
    let mut tx = world.write().await;
    for number in 0..1_001 {
        world.clock.advance(Duration::from_millis(1));
        let (now, claim) = (world.now(), claim(&number.to_string()));
        assert!(
            idempotency::claim(&mut tx, &claim, now, now.plus(DAY))
                .await
                .unwrap()
        );
        idempotency::answer(&mut tx, claim.key, &sealed("answer"))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let is_kept =
        async |key: TokenHash| look!(world, tx => idempotency::find(tx, key, world.now())).is_some();
    assert!(!is_kept(claim("0").key).await);
    for kept in [claim("1").key, claim("1000").key, elsewhere.key] {
        assert!(is_kept(kept).await);
    }
}
