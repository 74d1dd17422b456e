//! Refresh tokens: one successor each, repeated while that is unused, and late reuse told apart from stragglers.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    grant::{Grant, RevocationReason},
    stored_secret::SealedText,
    token_hash::TokenHash,
    user::UserStatus,
};
use gatewright_store::{
    grant,
    refresh_token::{self, Proposal, Rotation},
    user, user_source,
};

use crate::{
    fixtures::{CLIENT, Setting},
    world::{World, commit, contract, look},
};

contract!(
    a_token_is_replaced_and_the_grant_noted_as_used,
    an_unused_successor_answers_again,
    the_overlap_lasts_a_day,
    stragglers_are_refused_and_late_reuse_is_told,
    tokens_of_others_are_refused,
    tokens_of_what_ended_are_refused,
    a_grant_never_outlives_its_end,
);

const IDLE: Duration = Duration::from_hours(30 * 24);

/// A grant and its first refresh token.
async fn begin(world: &World) -> (Setting, Grant, TokenHash) {
    let setting = world.setting().await;
    let grant = setting.grant(world).await;
    let token = world.new_token(&grant);
    commit!(world, tx => refresh_token::insert(tx, &token));
    (setting, grant, token.hash)
}

/// Presents a token and proposes a successor of this name.
async fn present(world: &World, setting: &Setting, token: TokenHash, successor: &str) -> Rotation {
    let sealed = SealedText(format!("t1.{successor}"));
    let proposal = Proposal {
        hash: TokenHash::of(successor),
        sealed: &sealed,
        expires_at: world.now().plus(IDLE),
    };
    commit!(world, tx => refresh_token::rotate(tx, setting.gateway.id, CLIENT, token, &proposal, world.now()))
}

fn used_at(mut grant: Grant, at: Timestamp) -> Box<Grant> {
    grant.last_used_at = at;
    Box::new(grant)
}

async fn a_token_is_replaced_and_the_grant_noted_as_used(world: World) {
    let (setting, stored, first) = begin(&world).await;
    world.clock.advance(Duration::from_hours(1));
    let rotated = present(&world, &setting, first, "second").await;
    let expected = used_at(stored.clone(), world.now());
    assert_eq!(rotated, Rotation::Rotated(expected.clone()));
    assert_eq!(
        look!(world, tx => grant::find(tx, setting.gateway.id, stored.id)),
        Some(*expected)
    );
    let row = look!(world, tx => refresh_token::find(tx, first)).unwrap();
    assert_eq!(row.used_at, Some(world.now()));
    let successor = row.successor.unwrap();
    assert_eq!(successor.hash, TokenHash::of("second"));
    assert_eq!(successor.used_at, None);

    world.clock.advance(Duration::from_hours(1));
    let second = TokenHash::of("second");
    assert!(matches!(
        present(&world, &setting, second, "third").await,
        Rotation::Rotated(_)
    ));
    // The copy that was sealed under the first token has served.
    let row = look!(world, tx => refresh_token::find(tx, first)).unwrap();
    assert_eq!(row.successor, None);
}

async fn an_unused_successor_answers_again(world: World) {
    let (setting, stored, first) = begin(&world).await;
    assert!(matches!(
        present(&world, &setting, first, "second").await,
        Rotation::Rotated(_)
    ));
    world.clock.advance(Duration::from_mins(10));
    for proposed in ["another", "one more"] {
        let repeated = present(&world, &setting, first, proposed).await;
        let expected = Rotation::Repeated {
            grant: Box::new(stored.clone()),
            sealed: SealedText("t1.second".to_owned()),
            expires_at: stored.created_at.plus(IDLE),
        };
        assert_eq!(repeated, expected);
        assert_eq!(
            look!(world, tx => refresh_token::find(tx, TokenHash::of(proposed))),
            None
        );
    }
}

async fn the_overlap_lasts_a_day(world: World) {
    let (setting, _, first) = begin(&world).await;
    present(&world, &setting, first, "second").await;
    world.clock.advance(Duration::from_hours(24));
    let last_moment = present(&world, &setting, first, "x").await;
    assert!(matches!(last_moment, Rotation::Repeated { .. }));
    world.clock.advance(Duration::from_millis(1));
    assert!(matches!(
        present(&world, &setting, first, "x").await,
        Rotation::Reused(_)
    ));
    // The successor itself is as good as ever.
    let second = TokenHash::of("second");
    assert!(matches!(
        present(&world, &setting, second, "third").await,
        Rotation::Rotated(_)
    ));
}

async fn stragglers_are_refused_and_late_reuse_is_told(world: World) {
    let (setting, stored, first) = begin(&world).await;
    present(&world, &setting, first, "second").await;
    let second = TokenHash::of("second");
    assert!(matches!(
        present(&world, &setting, second, "third").await,
        Rotation::Rotated(_)
    ));
    world.clock.advance(Duration::from_mins(2));
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Straggler);
    world.clock.advance(Duration::from_millis(1));
    let Rotation::Reused(grant) = present(&world, &setting, first, "x").await else {
        panic!("a token whose successor was used long ago must be told");
    };
    assert_eq!(grant.id, stored.id);
    // Telling changes nothing: ending the grant is the caller's.
    let third = TokenHash::of("third");
    assert!(matches!(
        present(&world, &setting, third, "fourth").await,
        Rotation::Rotated(_)
    ));
}

async fn tokens_of_others_are_refused(world: World) {
    let (setting, _, first) = begin(&world).await;
    let other_gateway = Setting {
        gateway: world.gateway(&setting.source).await,
        ..setting.clone()
    };
    assert_eq!(
        present(&world, &other_gateway, first, "x").await,
        Rotation::Refused
    );
    assert_eq!(
        present(&world, &setting, TokenHash::of("unknown"), "x").await,
        Rotation::Refused
    );
    let sealed = SealedText("t1.x".to_owned());
    let proposal = Proposal {
        hash: TokenHash::of("x"),
        sealed: &sealed,
        expires_at: world.now().plus(IDLE),
    };
    let gateway = setting.gateway.id;
    let thief = commit!(world, tx => {
        refresh_token::rotate(tx, gateway, "another-client", first, &proposal, world.now())
    });
    assert_eq!(thief, Rotation::Refused);
    assert!(matches!(
        present(&world, &setting, first, "second").await,
        Rotation::Rotated(_)
    ));
}

async fn tokens_of_what_ended_are_refused(world: World) {
    // Idle for too long.
    let (setting, _, first) = begin(&world).await;
    world.clock.advance(IDLE);
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Refused);
    // Revoked.
    let (setting, stored, first) = begin(&world).await;
    let reason = RevocationReason::Administrator;
    let now = world.now();
    assert!(commit!(world, tx => grant::revoke(tx, setting.project.id, stored.id, reason, now, now)));
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Refused);
    // The user blocked.
    let (setting, _, first) = begin(&world).await;
    let (project, user) = (setting.project.id, setting.user.id);
    assert!(commit!(world, tx => user::set_status(tx, project, user, UserStatus::Blocked)));
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Refused);
    assert!(commit!(world, tx => user::set_status(tx, project, user, UserStatus::Active)));
    assert!(matches!(
        present(&world, &setting, first, "y").await,
        Rotation::Rotated(_)
    ));
    // The source edited.
    let (setting, _, first) = begin(&world).await;
    let mut source = setting.source.clone();
    source.identity_epoch += 1;
    assert!(commit!(world, tx => user_source::update(tx, &source, &source)));
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Refused);
}

async fn a_grant_never_outlives_its_end(world: World) {
    let (setting, stored, first) = begin(&world).await;
    let mut token = first;
    for successor in ["1", "2", "3", "4"] {
        world.clock.advance(Duration::from_hours(29 * 24));
        let rotation = present(&world, &setting, token, successor).await;
        if world.now() < stored.ends_at {
            assert!(matches!(rotation, Rotation::Rotated(_)), "{successor}");
        } else {
            assert_eq!(rotation, Rotation::Refused, "{successor}");
        }
        token = TokenHash::of(successor);
    }
    assert!(world.now() > stored.ends_at);
}
