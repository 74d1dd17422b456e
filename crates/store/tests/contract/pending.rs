//! Pending sign-ins: claimed once, answered again, capped and forgotten.

use std::time::Duration;

use gatewright_domain::{
    authorization::{PendingSignIn, SignInProgress},
    stored_secret::SealedText,
    token_hash::TokenHash,
};
use gatewright_store::{
    gateway,
    pending_sign_in::{self, PendingCaps},
    project,
};

use crate::world::{World, commit, contract, look};

contract!(
    a_sign_in_is_claimed_once_and_answered_again,
    only_its_own_browser_claims_a_sign_in,
    a_provider_code_claims_one_sign_in,
    a_prefix_gives_up_its_own_oldest,
    the_fullest_prefix_gives_way_when_all_is_full,
    open_sign_ins_give_way_before_claimed_ones,
    answered_sign_ins_give_way_first,
    expired_sign_ins_are_gone_and_do_not_count,
    what_is_deleted_does_not_count,
);

const ROOMY: PendingCaps = PendingCaps {
    per_prefix: 100,
    total: 1000,
};

impl World {
    async fn exists(&self, pending: &PendingSignIn) -> bool {
        look!(self, tx => pending_sign_in::find(tx, pending.state_hash, self.now())).is_some()
    }
}

async fn a_sign_in_is_claimed_once_and_answered_again(world: World) {
    let setting = world.setting().await;
    let pending = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &pending, ROOMY));
    let (state, cookie) = (pending.state_hash, pending.cookie_hash);
    assert_eq!(
        look!(world, tx => pending_sign_in::find(tx, state, world.now())),
        Some(pending.clone())
    );
    let (code, answer) = (
        TokenHash::of("provider code"),
        SealedText("v1.k.answer".to_owned()),
    );
    assert!(!commit!(world, tx => pending_sign_in::answer(tx, state, code, &answer)));

    let claimed = commit!(world, tx => pending_sign_in::claim(tx, state, cookie, code, world.now()));
    let at = world.now();
    let progress = SignInProgress::Claimed { code_hash: code, at };
    let expected = PendingSignIn {
        progress,
        ..pending.clone()
    };
    assert_eq!(claimed, Some(expected));
    assert_eq!(
        commit!(world, tx => pending_sign_in::claim(tx, state, cookie, code, world.now())),
        None
    );

    let other = TokenHash::of("another code");
    assert!(!commit!(world, tx => pending_sign_in::answer(tx, state, other, &answer)));
    assert!(commit!(world, tx => pending_sign_in::answer(tx, state, code, &answer)));
    let second = SealedText("v1.k.second".to_owned());
    assert!(!commit!(world, tx => pending_sign_in::answer(tx, state, code, &second)));
    let found = look!(world, tx => pending_sign_in::find(tx, state, world.now())).unwrap();
    let expected = SignInProgress::Answered {
        code_hash: code,
        answer,
    };
    assert_eq!(found.progress, expected);
}

async fn only_its_own_browser_claims_a_sign_in(world: World) {
    let setting = world.setting().await;
    let pending = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &pending, ROOMY));
    let (state, code) = (pending.state_hash, TokenHash::of("provider code"));
    let stranger = TokenHash::of("another cookie");
    assert_eq!(
        commit!(world, tx => pending_sign_in::claim(tx, state, stranger, code, world.now())),
        None
    );
    world
        .clock
        .advance(Duration::from_mins(10) - Duration::from_millis(1));
    let cookie = pending.cookie_hash;
    let mut tx = world.write().await;
    let claimed = pending_sign_in::claim(&mut tx, state, cookie, code, world.now()).await;
    assert!(claimed.unwrap().is_some());
    drop(tx);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(
        commit!(world, tx => pending_sign_in::claim(tx, state, cookie, code, world.now())),
        None
    );
    assert!(!world.exists(&pending).await);
}

async fn a_provider_code_claims_one_sign_in(world: World) {
    let setting = world.setting().await;
    let (one, other) = (
        setting.new_pending(&world, "192.0.2.0/24"),
        setting.new_pending(&world, "198.51.100.0/24"),
    );
    for pending in [&one, &other] {
        commit!(world, tx => pending_sign_in::insert(tx, pending, ROOMY));
    }
    let code = TokenHash::of("provider code");
    let claim = |pending: &PendingSignIn| (pending.state_hash, pending.cookie_hash);
    let (state, cookie) = claim(&one);
    assert!(commit!(world, tx => pending_sign_in::claim(tx, state, cookie, code, world.now())).is_some());
    let (state, cookie) = claim(&other);
    assert!(commit!(world, tx => pending_sign_in::claim(tx, state, cookie, code, world.now())).is_none());
    let found = look!(world, tx => pending_sign_in::find(tx, state, world.now()));
    assert_eq!(found.unwrap().progress, SignInProgress::Open);
    let fresh = TokenHash::of("its own code");
    assert!(commit!(world, tx => pending_sign_in::claim(tx, state, cookie, fresh, world.now())).is_some());
}

async fn a_prefix_gives_up_its_own_oldest(world: World) {
    let setting = world.setting().await;
    let caps = PendingCaps {
        per_prefix: 3,
        total: 100,
    };
    let neighbour = setting.new_pending(&world, "198.51.100.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &neighbour, caps));
    let mut rows = Vec::new();
    for _ in 0..5 {
        world.clock.advance(Duration::from_millis(1));
        let row = setting.new_pending(&world, "192.0.2.0/24");
        commit!(world, tx => pending_sign_in::insert(tx, &row, caps));
        rows.push(row);
    }
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(world.exists(row).await, index >= 2, "{index}");
    }
    assert!(world.exists(&neighbour).await);
}

async fn the_fullest_prefix_gives_way_when_all_is_full(world: World) {
    let setting = world.setting().await;
    let caps = PendingCaps {
        per_prefix: 10,
        total: 6,
    };
    let mut flood = Vec::new();
    let visitor = setting.new_pending(&world, "198.51.100.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &visitor, caps));
    for _ in 0..5 {
        world.clock.advance(Duration::from_millis(1));
        let row = setting.new_pending(&world, "192.0.2.0/24");
        commit!(world, tx => pending_sign_in::insert(tx, &row, caps));
        flood.push(row);
    }
    for number in 0..3 {
        let late = setting.new_pending(&world, &format!("203.0.113.{number}/32"));
        commit!(world, tx => pending_sign_in::insert(tx, &late, caps));
        assert!(world.exists(&late).await);
    }
    assert!(world.exists(&visitor).await);
    for (index, row) in flood.iter().enumerate() {
        assert_eq!(world.exists(row).await, index >= 3, "{index}");
    }
}

async fn open_sign_ins_give_way_before_claimed_ones(world: World) {
    let setting = world.setting().await;
    let caps = PendingCaps {
        per_prefix: 2,
        total: 100,
    };
    let mut rows = Vec::new();
    for _ in 0..2 {
        world.clock.advance(Duration::from_millis(1));
        let row = setting.new_pending(&world, "192.0.2.0/24");
        commit!(world, tx => pending_sign_in::insert(tx, &row, caps));
        rows.push(row);
    }
    let code = TokenHash::of("provider code");
    let (state, cookie) = (rows[0].state_hash, rows[0].cookie_hash);
    let claimed = commit!(world, tx => pending_sign_in::claim(tx, state, cookie, code, world.now()));
    assert!(claimed.is_some());
    let third = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &third, caps));
    assert!(world.exists(&rows[0]).await);
    assert!(!world.exists(&rows[1]).await);
    // With none open the oldest goes all the same: claiming is no way around the cap.
    let other = TokenHash::of("another provider code");
    let (state, cookie) = (third.state_hash, third.cookie_hash);
    commit!(world, tx => pending_sign_in::claim(tx, state, cookie, other, world.now()));
    world.clock.advance(Duration::from_millis(1));
    let fourth = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &fourth, caps));
    assert!(!world.exists(&rows[0]).await);
    assert!(world.exists(&fourth).await);
}

async fn answered_sign_ins_give_way_first(world: World) {
    let setting = world.setting().await;
    let caps = PendingCaps {
        per_prefix: 2,
        total: 100,
    };
    let open = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &open, caps));
    world.clock.advance(Duration::from_millis(1));
    let done = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &done, caps));
    let (code, answer) = (
        TokenHash::of("provider code"),
        SealedText("v1.k.answer".to_owned()),
    );
    let (state, cookie) = (done.state_hash, done.cookie_hash);
    commit!(world, tx => pending_sign_in::claim(tx, state, cookie, code, world.now()));
    assert!(commit!(world, tx => pending_sign_in::answer(tx, state, code, &answer)));
    let late = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &late, caps));
    assert!(world.exists(&open).await);
    assert!(!world.exists(&done).await);
    assert!(world.exists(&late).await);
}

async fn expired_sign_ins_are_gone_and_do_not_count(world: World) {
    let setting = world.setting().await;
    let caps = PendingCaps {
        per_prefix: 2,
        total: 3,
    };
    for number in 0..3 {
        let row = setting.new_pending(&world, &format!("192.0.{number}.0/24"));
        commit!(world, tx => pending_sign_in::insert(tx, &row, caps));
    }
    world.clock.advance(Duration::from_mins(10));
    let mut rows = Vec::new();
    for number in 0..3 {
        let row = setting.new_pending(&world, &format!("198.51.{number}.0/24"));
        commit!(world, tx => pending_sign_in::insert(tx, &row, caps));
        rows.push(row);
    }
    for row in &rows {
        assert!(world.exists(row).await);
    }
    assert_eq!(
        commit!(world, tx => pending_sign_in::prune(tx, world.now(), 10)),
        0
    );
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(
        commit!(world, tx => pending_sign_in::prune(tx, world.now(), 2)),
        2
    );
    assert_eq!(
        commit!(world, tx => pending_sign_in::prune(tx, world.now(), 2)),
        1
    );
}

async fn what_is_deleted_does_not_count(world: World) {
    let setting = world.setting().await;
    let doomed = world.setting().await;
    let caps = PendingCaps {
        per_prefix: 2,
        total: 2,
    };
    for _ in 0..2 {
        let row = doomed.new_pending(&world, "192.0.2.0/24");
        commit!(world, tx => pending_sign_in::insert(tx, &row, caps));
    }
    assert!(commit!(world, tx => gateway::delete(tx, doomed.project.id, doomed.gateway.id)));
    let row = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &row, caps));
    let other = world.setting().await;
    let gone = other.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &gone, caps));
    assert!(commit!(world, tx => project::delete(tx, other.project.id)));
    assert!(!world.exists(&gone).await);
    let last = setting.new_pending(&world, "192.0.2.0/24");
    commit!(world, tx => pending_sign_in::insert(tx, &last, caps));
    assert!(world.exists(&row).await);
    assert!(world.exists(&last).await);
}
