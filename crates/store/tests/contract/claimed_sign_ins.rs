//! Sign-ins that came back: claimed once, answered again, and kept until their cookie is useless.

use std::time::Duration;

use gatewright_domain::{authorization::ClaimedSignIn, stored_secret::SealedText, token_hash::TokenHash};
use gatewright_store::{claimed_sign_in, gateway, project};
use tokio::task::JoinSet;

use crate::world::{World, commit, contract, look};

contract!(
    a_sign_in_is_claimed_once_and_answered_again,
    one_of_many_arrivals_on_two_replicas_claims_a_sign_in,
    no_deletion_lets_a_sign_in_be_claimed_again,
    a_claimed_sign_in_is_deleted_after_it_expires,
);

impl World {
    fn new_claim(&self, code: &str) -> ClaimedSignIn {
        ClaimedSignIn {
            state_hash: TokenHash::of(&format!("state {}", self.number())),
            code_hash: TokenHash::of(code),
            claimed_at: self.now(),
            expires_at: self.now().plus(Duration::from_mins(10)),
            answer: None,
        }
    }
}

async fn a_sign_in_is_claimed_once_and_answered_again(world: World) {
    let claim = world.new_claim("provider code");
    let (state, code) = (claim.state_hash, claim.code_hash);
    assert_eq!(look!(world, tx => claimed_sign_in::find(tx, state)), None);
    let answer = SealedText("v1.k.answer".to_owned());
    assert!(!commit!(world, tx => claimed_sign_in::answer(tx, state, code, &answer)));
    assert!(commit!(world, tx => claimed_sign_in::claim(tx, &claim)));
    let again = ClaimedSignIn {
        code_hash: TokenHash::of("another code"),
        ..claim.clone()
    };
    for second in [&claim, &again] {
        assert!(!commit!(world, tx => claimed_sign_in::claim(tx, second)));
    }
    assert_eq!(
        look!(world, tx => claimed_sign_in::find(tx, state)),
        Some(claim.clone())
    );

    let other = TokenHash::of("another code");
    assert!(!commit!(world, tx => claimed_sign_in::answer(tx, state, other, &answer)));
    assert!(commit!(world, tx => claimed_sign_in::answer(tx, state, code, &answer)));
    let second = SealedText("v1.k.second".to_owned());
    assert!(!commit!(world, tx => claimed_sign_in::answer(tx, state, code, &second)));
    let found = look!(world, tx => claimed_sign_in::find(tx, state)).unwrap();
    assert_eq!(found.answer, Some(answer));
}

async fn one_of_many_arrivals_on_two_replicas_claims_a_sign_in(world: World) {
    let replica = world.replica().await;
    let claim = world.new_claim("provider code");
    let mut arrivals = JoinSet::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { &world.store } else { &replica };
        let (store, claim) = (store.clone(), claim.clone());
        arrivals.spawn(async move {
            let mut tx = store.write().await.unwrap();
            let claimed = claimed_sign_in::claim(&mut tx, &claim).await.unwrap();
            tx.commit().await.unwrap();
            claimed
        });
    }
    let outcomes = arrivals.join_all().await;
    assert_eq!(outcomes.into_iter().filter(|claimed| *claimed).count(), 1);
    replica.close().await;
}

async fn no_deletion_lets_a_sign_in_be_claimed_again(world: World) {
    let setting = world.setting().await;
    let claim = world.new_claim("provider code");
    assert!(commit!(world, tx => claimed_sign_in::claim(tx, &claim)));
    let project = setting.project.id;
    assert!(commit!(world, tx => gateway::delete(tx, project, setting.gateway.id)));
    assert!(commit!(world, tx => project::delete(tx, project)));
    assert!(!commit!(world, tx => claimed_sign_in::claim(tx, &claim)));
}

async fn a_claimed_sign_in_is_deleted_after_it_expires(world: World) {
    let claims = ["one", "two", "three"].map(|code| world.new_claim(code));
    for claim in &claims {
        assert!(commit!(world, tx => claimed_sign_in::claim(tx, claim)));
    }
    let expiry = claims[0].expires_at;
    assert_eq!(commit!(world, tx => claimed_sign_in::prune(tx, expiry, 10)), 0);
    let late = expiry.plus(Duration::from_millis(1));
    assert_eq!(commit!(world, tx => claimed_sign_in::prune(tx, late, 2)), 2);
    assert_eq!(commit!(world, tx => claimed_sign_in::prune(tx, late, 2)), 1);
    assert_eq!(
        look!(world, tx => claimed_sign_in::find(tx, claims[0].state_hash)),
        None
    );
}
