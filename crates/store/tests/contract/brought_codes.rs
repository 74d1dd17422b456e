//! Codes that providers issued: their sign-in stays known whatever else is deleted.

use std::time::Duration;

use gatewright_domain::token_hash::TokenHash;
use gatewright_store::{brought_code, gateway, project, user_source};
use tokio::task::JoinSet;

use crate::world::{World, commit, contract};

contract!(
    a_code_belongs_to_the_sign_in_it_came_with_first,
    no_deletion_removes_a_code,
    one_of_many_sign_ins_on_two_replicas_gets_a_code,
    codes_are_removed_only_by_age,
);

impl World {
    /// Brings a code back; returns whether it belongs to this state.
    async fn bring(&self, code: &str, state: &str) -> bool {
        let (code, state) = (TokenHash::of(code), TokenHash::of(state));
        commit!(self, tx => brought_code::bring(tx, code, state, self.now())) == state
    }
}

async fn a_code_belongs_to_the_sign_in_it_came_with_first(world: World) {
    assert!(world.bring("code", "state").await);
    assert!(world.bring("code", "state").await);
    assert!(!world.bring("code", "another state").await);
    assert!(world.bring("code", "state").await);
    assert!(world.bring("another code", "another state").await);
}

async fn no_deletion_removes_a_code(world: World) {
    let setting = world.setting().await;
    assert!(world.bring("code", "state").await);
    let (project, source) = (setting.project.id, setting.source.id);
    assert!(commit!(world, tx => gateway::delete(tx, project, setting.gateway.id)));
    assert!(!world.bring("code", "another state").await);
    let deleted = commit!(world, tx => user_source::delete(tx, project, source));
    assert_eq!(deleted, user_source::Guarded::Done);
    assert!(!world.bring("code", "another state").await);
    assert!(commit!(world, tx => project::delete(tx, project)));
    assert!(!world.bring("code", "another state").await);
    assert!(world.bring("code", "state").await);
}

async fn one_of_many_sign_ins_on_two_replicas_gets_a_code(world: World) {
    let replica = world.replica().await;
    let now = world.now();
    let mut arrivals = JoinSet::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { &world.store } else { &replica };
        let store = store.clone();
        arrivals.spawn(async move {
            let state = TokenHash::of(&format!("state {number}"));
            let mut tx = store.write().await.unwrap();
            let owner = brought_code::bring(&mut tx, TokenHash::of("code"), state, now).await;
            tx.commit().await.unwrap();
            owner.unwrap() == state
        });
    }
    let outcomes = arrivals.join_all().await;
    assert_eq!(outcomes.into_iter().filter(|is_owner| *is_owner).count(), 1);
    replica.close().await;
}

async fn codes_are_removed_only_by_age(world: World) {
    assert!(world.bring("code", "state").await);
    let brought_at = world.now();
    assert_eq!(commit!(world, tx => brought_code::prune(tx, brought_at, 10)), 0);
    assert!(!world.bring("code", "another state").await);
    world.clock.advance(Duration::from_millis(1));
    for number in 0..3 {
        assert!(world.bring(&format!("code {number}"), "state").await);
    }
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(commit!(world, tx => brought_code::prune(tx, world.now(), 3)), 3);
    assert!(world.bring("code", "another state").await);
}
