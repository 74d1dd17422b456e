//! Refresh tokens: one successor each, repeated while that is unused, and late reuse distinguished from stragglers.

use std::{collections::BTreeMap, time::Duration};

use gatewright_domain::{
    Timestamp,
    grant::{Grant, RevocationReason},
    stored_secret::SealedText,
    token_hash::TokenHash,
    user::UserStatus,
};
use gatewright_store::{
    grant::{self, Seen},
    refresh_token::{self, Proposal, Rotation},
    user, user_source,
};

use crate::{
    fixtures::{CLIENT, Setting},
    world::{World, commit, contract, look},
};

contract!(
    a_token_is_replaced_and_the_use_of_the_grant_recorded,
    an_unused_successor_is_returned_again,
    the_overlap_lasts_a_day,
    stragglers_are_refused_and_late_reuse_is_reported,
    a_successor_is_repeated_ten_times,
    the_overlap_ends_when_an_access_token_of_the_successor_is_used,
    a_repeat_from_another_network_is_reported,
    a_grant_keeps_rows_of_its_latest_tokens_only,
    a_token_without_a_number_keeps_its_row,
    the_overlap_of_a_token_without_a_number_ends_by_use_too,
    tokens_of_others_are_refused,
    tokens_of_what_ended_are_refused,
    a_grant_never_outlives_its_end,
);

const IDLE: Duration = Duration::from_hours(30 * 24);
const NETWORK: &str = "192.0.2.0/24";

/// A grant and its first refresh token.
async fn begin(world: &World) -> (Setting, Grant, TokenHash) {
    let setting = world.setting().await;
    let grant = setting.grant(world).await;
    let token = world.new_token(&grant);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    (setting, grant, token.hash)
}

/// Presents a token and proposes a successor with this name.
async fn present(world: &World, setting: &Setting, token: TokenHash, successor: &str) -> Rotation {
    present_from(world, setting, token, successor, NETWORK).await
}

async fn present_from(
    world: &World,
    setting: &Setting,
    token: TokenHash,
    successor: &str,
    from: &str,
) -> Rotation {
    let gateway = setting.gateway.id;
    let known = look!(world, tx => refresh_token::find_known(tx, gateway, token));
    let generation = known.map_or(1, |(_, next)| next);
    let sealed = SealedText(format!("t1.{successor}"));
    let proposal = Proposal {
        hash: TokenHash::of(successor),
        sealed: &sealed,
        expires_at: world.now().plus(IDLE),
        generation,
        access_token_ends_at: world.soon(),
        from,
    };
    commit!(world, tx => refresh_token::rotate(tx, gateway, CLIENT, token, &proposal, world.now()))
}

fn used_at(mut grant: Grant, at: Timestamp) -> Box<Grant> {
    grant.last_used_at = at;
    Box::new(grant)
}

async fn a_token_is_replaced_and_the_use_of_the_grant_recorded(world: World) {
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
    // The copy sealed under the first token is no longer needed.
    let row = look!(world, tx => refresh_token::find(tx, first)).unwrap();
    assert_eq!(row.successor, None);
}

async fn an_unused_successor_is_returned_again(world: World) {
    let (setting, stored, first) = begin(&world).await;
    assert!(matches!(
        present(&world, &setting, first, "second").await,
        Rotation::Rotated(_)
    ));
    world.clock.advance(Duration::from_mins(10));
    for (proposed, last_used) in [("another", stored.created_at), ("one more", world.now())] {
        let repeated = present(&world, &setting, first, proposed).await;
        let expected = Rotation::Repeated {
            grant: used_at(stored.clone(), last_used),
            sealed: SealedText("t1.second".to_owned()),
            generation: Some(2),
            expires_at: stored.created_at.plus(IDLE),
            first_from: None,
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
    // The successor itself is still valid.
    let second = TokenHash::of("second");
    assert!(matches!(
        present(&world, &setting, second, "third").await,
        Rotation::Rotated(_)
    ));
}

async fn stragglers_are_refused_and_late_reuse_is_reported(world: World) {
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
        panic!("a token whose successor was used long ago must be reported");
    };
    assert_eq!(grant.id, stored.id);
    // Reporting it changes nothing: the caller ends the grant.
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
        generation: 2,
        access_token_ends_at: world.soon(),
        from: "192.0.2.0/24",
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
    assert!(commit!(world, tx => grant::revoke(tx, setting.project.id, stored.id, reason, now)));
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

async fn a_successor_is_repeated_ten_times(world: World) {
    let (setting, _, first) = begin(&world).await;
    present(&world, &setting, first, "second").await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(12));
        let repeated = present(&world, &setting, first, "x").await;
        assert!(matches!(repeated, Rotation::Repeated { .. }), "{repeated:?}");
    }
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Straggler);
    world.clock.advance(Duration::from_millis(1));
    let late = present(&world, &setting, first, "x").await;
    assert!(matches!(late, Rotation::Reused(_)), "{late:?}");
}

async fn the_overlap_ends_when_an_access_token_of_the_successor_is_used(world: World) {
    let (setting, stored, first) = begin(&world).await;
    present(&world, &setting, first, "second").await;
    let see = async |generation| {
        let at = world.now();
        let seen = BTreeMap::from([(stored.id, Seen { generation, at })]);
        commit!(world, tx => grant::note_seen(tx, &seen));
    };
    // An access token issued with the token itself ends nothing.
    see(1).await;
    world.clock.advance(Duration::from_mins(10));
    let repeated = present(&world, &setting, first, "x").await;
    assert!(matches!(repeated, Rotation::Repeated { .. }), "{repeated:?}");
    see(2).await;
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Straggler);
    world.clock.advance(Duration::from_mins(2));
    // Seen again by another replica: the first time counts.
    see(2).await;
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Straggler);
    world.clock.advance(Duration::from_millis(1));
    let late = present(&world, &setting, first, "x").await;
    assert!(matches!(late, Rotation::Reused(_)), "{late:?}");

    // In a burst of one client, the first response is in use while the others arrive.
    let (setting, stored, first) = begin(&world).await;
    present(&world, &setting, first, "the second").await;
    let seen = BTreeMap::from([(
        stored.id,
        Seen {
            generation: 2,
            at: world.now(),
        },
    )]);
    commit!(world, tx => grant::note_seen(tx, &seen));
    world.clock.advance(Duration::from_secs(90));
    let burst = present(&world, &setting, first, "x").await;
    assert!(matches!(burst, Rotation::Repeated { .. }), "{burst:?}");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(present(&world, &setting, first, "x").await, Rotation::Straggler);
}

async fn a_repeat_from_another_network_is_reported(world: World) {
    let (setting, _, first) = begin(&world).await;
    present(&world, &setting, first, "second").await;
    let first_from = |rotation| match rotation {
        Rotation::Repeated { first_from, .. } => first_from,
        other => panic!("{other:?}"),
    };
    let same = present(&world, &setting, first, "x").await;
    assert_eq!(first_from(same), None);
    let other = present_from(&world, &setting, first, "x", "198.51.100.0/24").await;
    assert_eq!(first_from(other).as_deref(), Some(NETWORK));
}

async fn a_grant_keeps_rows_of_its_latest_tokens_only(world: World) {
    let (setting, stored, first) = begin(&world).await;
    let mut tokens = vec![first];
    for number in 2..=50 {
        world.clock.advance(Duration::from_hours(1));
        let name = format!("token {number}");
        let last = tokens[tokens.len() - 1];
        let rotated = present(&world, &setting, last, &name).await;
        assert!(matches!(rotated, Rotation::Rotated(_)), "{rotated:?}");
        tokens.push(TokenHash::of(&name));
    }
    let mut kept = 0;
    for token in &tokens {
        kept += usize::from(look!(world, tx => refresh_token::find(tx, *token)).is_some());
    }
    assert_eq!(
        kept, 3,
        "the current one, the one before, and the one whose successor was just used"
    );
    let (gateway, now) = (setting.gateway.id, world.now());
    let outlived = async |client: &str, generation| commit!(world, tx => refresh_token::outlived(tx, gateway, client, (stored.id, generation), now));
    for generation in [1, 2, 49] {
        let told = outlived(CLIENT, generation).await;
        assert!(matches!(told, Rotation::Reused(_)), "{generation}: {told:?}");
    }
    for (client, generation) in [(CLIENT, 50), (CLIENT, 51), ("another-client", 1)] {
        assert_eq!(outlived(client, generation).await, Rotation::Refused);
    }
    let reason = RevocationReason::RefreshReused;
    assert!(commit!(world, tx => grant::revoke(tx, setting.project.id, stored.id, reason, now)));
    assert_eq!(outlived(CLIENT, 1).await, Rotation::Refused);
}

async fn a_token_without_a_number_keeps_its_row(world: World) {
    let setting = world.setting().await;
    let stored = setting.grant(&world).await;
    let mut old = world.new_token(&stored);
    old.generation = None;
    commit!(world, tx => refresh_token::insert(tx, &old, world.soon()));
    let mut last = old.hash;
    for number in 1..=5 {
        let name = format!("number {number}");
        assert!(matches!(
            present(&world, &setting, last, &name).await,
            Rotation::Rotated(_)
        ));
        last = TokenHash::of(&name);
        let row = look!(world, tx => refresh_token::find(tx, last)).unwrap();
        assert_eq!(row.generation, Some(number + 1));
        world.clock.advance(Duration::from_hours(1));
    }
    let late = present(&world, &setting, old.hash, "x").await;
    assert!(matches!(late, Rotation::Reused(_)), "{late:?}");
}

async fn the_overlap_of_a_token_without_a_number_ends_by_use_too(world: World) {
    let setting = world.setting().await;
    let stored = setting.grant(&world).await;
    let mut old = world.new_token(&stored);
    old.generation = None;
    commit!(world, tx => refresh_token::insert(tx, &old, world.soon()));
    let rotated = present(&world, &setting, old.hash, "second").await;
    assert!(matches!(rotated, Rotation::Rotated(_)), "{rotated:?}");
    let row = look!(world, tx => refresh_token::find(tx, TokenHash::of("second"))).unwrap();
    // First uses of a first generation are not recorded.
    assert_eq!(row.generation, Some(2));
    let seen = Seen {
        generation: 2,
        at: world.now(),
    };
    let seen = BTreeMap::from([(stored.id, seen)]);
    commit!(world, tx => grant::note_seen(tx, &seen));
    world.clock.advance(Duration::from_mins(2));
    assert_eq!(
        present(&world, &setting, old.hash, "x").await,
        Rotation::Straggler
    );
}
