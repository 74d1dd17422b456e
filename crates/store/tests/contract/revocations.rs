//! Revocations: how long each is kept, and how a replica reads only those it has not seen.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    gateway::REVOCATION_LEEWAY,
    grant::{Grant, RevocationReason},
    stored_secret::SealedText,
    token_hash::TokenHash,
};
use gatewright_store::{
    Store, grant,
    refresh_token::{self, Proposal, Rotation},
    revision,
    revocation::{self, Denied},
    user,
};

use crate::{
    denials,
    fixtures::{CLIENT, Setting},
    world::{World, commit, contract, look},
};

contract!(
    a_revocation_is_kept_until_the_last_access_token_has_expired,
    a_repeated_successor_keeps_it_as_long,
    a_grant_whose_access_tokens_have_expired_leaves_no_revocation,
    a_deleted_user_is_denied_as_long_as_their_last_access_token,
    only_what_was_added_is_read,
    a_transaction_that_commits_later_is_not_missed,
    many_are_read_page_by_page,
    expired_ones_are_deleted_in_one_statement,
);

const REASON: RevocationReason = RevocationReason::Administrator;
const HOUR: Duration = Duration::from_hours(1);

/// A grant with a refresh token whose access token expires after `life`.
async fn begin(world: &World, setting: &Setting, life: Duration) -> (Grant, TokenHash) {
    let stored = setting.grant(world).await;
    let token = world.new_token(&stored);
    let ends_at = world.now().plus(life);
    commit!(world, tx => refresh_token::insert(tx, &token, ends_at));
    (stored, token.hash)
}

/// Refreshes, with an access token that expires after `life`.
async fn refresh(world: &World, setting: &Setting, token: TokenHash, life: Duration) -> Rotation {
    let sealed = SealedText("t1.next".to_owned());
    let proposal = Proposal {
        hash: TokenHash::of("next"),
        sealed: &sealed,
        expires_at: world.now().plus(Duration::from_hours(30 * 24)),
        generation: 2,
        access_token_ends_at: world.now().plus(life),
        from: "192.0.2.0/24",
    };
    commit!(world, tx => refresh_token::rotate(tx, setting.gateway.id, CLIENT, token, &proposal, world.now()))
}

async fn revoke(world: &World, setting: &Setting, grant: &Grant) {
    assert!(commit!(world, tx => grant::revoke(tx, setting.project.id, grant.id, REASON, world.now())));
}

/// What a replica reads that has seen everything up to `since`.
async fn since(store: &Store, since: Option<i64>, now: Timestamp) -> Vec<(Denied, Timestamp)> {
    let mut tx = store.read().await.unwrap();
    denials::revoked_since(&mut tx, since, now).await.unwrap()
}

async fn number(world: &World) -> i64 {
    look!(world, tx => revision::read_latest(tx)).revocations
}

async fn a_revocation_is_kept_until_the_last_access_token_has_expired(world: World) {
    let setting = world.setting().await;
    let began = world.now();
    let (short, _) = begin(&world, &setting, HOUR).await;
    let (longer_before, token) = begin(&world, &setting, 24 * HOUR).await;
    world.clock.advance(Duration::from_mins(10));
    // The gateway now issues shorter ones; the earlier one still counts.
    let rotated = refresh(&world, &setting, token, Duration::from_mins(5)).await;
    assert!(matches!(rotated, Rotation::Rotated(_)));
    revoke(&world, &setting, &short).await;
    revoke(&world, &setting, &longer_before).await;
    let read = since(&world.store, None, world.now()).await;
    let until = |life| began.plus(life).plus(REVOCATION_LEEWAY);
    assert_eq!(
        read,
        [
            (Denied::Grant(short.id), until(HOUR)),
            (Denied::Grant(longer_before.id), until(24 * HOUR)),
        ]
    );
}

async fn a_repeated_successor_keeps_it_as_long(world: World) {
    let setting = world.setting().await;
    let (stored, token) = begin(&world, &setting, HOUR).await;
    assert!(matches!(
        refresh(&world, &setting, token, HOUR).await,
        Rotation::Rotated(_)
    ));
    world.clock.advance(Duration::from_mins(50));
    assert!(matches!(
        refresh(&world, &setting, token, HOUR).await,
        Rotation::Repeated { .. }
    ));
    world.clock.advance(Duration::from_mins(20));
    revoke(&world, &setting, &stored).await;
    let until = world.now().plus(Duration::from_mins(40)).plus(REVOCATION_LEEWAY);
    assert_eq!(
        since(&world.store, None, world.now()).await,
        [(Denied::Grant(stored.id), until)]
    );
}

async fn a_grant_whose_access_tokens_have_expired_leaves_no_revocation(world: World) {
    let setting = world.setting().await;
    let (stored, token) = begin(&world, &setting, HOUR).await;
    let (other, _) = begin(&world, &setting, HOUR).await;
    world.clock.advance(HOUR + REVOCATION_LEEWAY);
    let before = number(&world).await;
    revoke(&world, &setting, &stored).await;
    assert_eq!(since(&world.store, None, world.now()).await, []);
    assert_eq!(number(&world).await, before, "no replica has anything to read");
    assert_eq!(
        refresh(&world, &setting, token, HOUR).await,
        Rotation::Refused,
        "it is revoked all the same"
    );
    // One millisecond earlier, there is one.
    world.clock.set_back(Duration::from_millis(1));
    revoke(&world, &setting, &other).await;
    assert_eq!(since(&world.store, None, world.now()).await.len(), 1);
    assert_eq!(number(&world).await, before + 1);
}

async fn a_deleted_user_is_denied_as_long_as_their_last_access_token(world: World) {
    let setting = world.setting().await;
    let began = world.now();
    begin(&world, &setting, HOUR).await;
    begin(&world, &setting, 2 * HOUR).await;
    let (project, user) = (setting.project.id, setting.user.id);
    assert!(commit!(world, tx => user::delete(tx, project, user, world.now())));
    let until = began.plus(2 * HOUR).plus(REVOCATION_LEEWAY);
    assert_eq!(
        since(&world.store, None, world.now()).await,
        [(Denied::User(user), until)]
    );
    let without_grants = world.user(&setting.source).await.id;
    assert!(commit!(world, tx => user::delete(tx, project, without_grants, world.now())));
    assert_eq!(since(&world.store, None, world.now()).await.len(), 1);
}

async fn only_what_was_added_is_read(world: World) {
    let setting = world.setting().await;
    let replica = world.replica().await;
    let [one, two, three] = [
        begin(&world, &setting, HOUR).await.0,
        begin(&world, &setting, HOUR).await.0,
        begin(&world, &setting, HOUR).await.0,
    ];
    revoke(&world, &setting, &one).await;
    let seen = number(&world).await;
    revoke(&world, &setting, &two).await;
    revoke(&world, &setting, &three).await;
    let ids = |read: Vec<(Denied, Timestamp)>| read.into_iter().map(|(what, _)| what).collect::<Vec<_>>();
    let news = ids(since(&replica, Some(seen), world.now()).await);
    assert_eq!(news, [Denied::Grant(two.id), Denied::Grant(three.id)]);
    assert_eq!(ids(since(&replica, None, world.now()).await).len(), 3);
    assert_eq!(since(&replica, Some(seen + 2), world.now()).await, []);
    replica.close().await;
}

async fn a_transaction_that_commits_later_is_not_missed(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let (first, _) = begin(&world, &setting, HOUR).await;
    let (second, _) = begin(&world, &setting, HOUR).await;
    let (start, now) = (number(&world).await, world.now());
    let mut slow = world.write().await;
    assert!(
        grant::revoke(&mut slow, project, first.id, REASON, now)
            .await
            .unwrap()
    );
    // SQLite has one writer, so the slow one goes first there.
    if world.is_sqlite() {
        slow.commit().await.unwrap();
        revoke(&world, &setting, &second).await;
    } else {
        revoke(&world, &setting, &second).await;
        let seen = number(&world).await;
        let read = since(&world.store, Some(start), now).await;
        assert_eq!(read.len(), 1, "only the one that has committed: {read:?}");
        slow.commit().await.unwrap();
        let read = since(&world.store, Some(seen), now).await;
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].0, Denied::Grant(first.id));
    }
    assert_eq!(since(&world.store, Some(start), now).await.len(), 2);
}

async fn many_are_read_page_by_page(world: World) {
    // One transaction assigns all its revocations one number, and a page may end in the middle of them.
    let setting = world.setting().await;
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let mut tx = world.write().await;
    for _ in 0..10_050 {
        grant::insert(&mut tx, &setting.new_grant(&world)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let revoked = commit!(world, tx => grant::revoke_of_gateway(tx, project, gateway, REASON, world.now()));
    assert_eq!(revoked, 10_050);
    let read = since(&world.store, None, world.now()).await;
    let different: std::collections::HashSet<_> = read.iter().map(|(what, _)| *what).collect();
    assert_eq!((read.len(), different.len()), (10_050, 10_050));
}

async fn expired_ones_are_deleted_in_one_statement(world: World) {
    let setting = world.setting().await;
    for _ in 0..3 {
        let (stored, _) = begin(&world, &setting, HOUR).await;
        revoke(&world, &setting, &stored).await;
    }
    let (lasting, _) = begin(&world, &setting, 3 * HOUR).await;
    revoke(&world, &setting, &lasting).await;
    assert_eq!(commit!(world, tx => revocation::prune(tx, world.now(), 10)), 0);
    world.clock.advance(2 * HOUR);
    assert_eq!(commit!(world, tx => revocation::prune(tx, world.now(), 2)), 2);
    assert_eq!(commit!(world, tx => revocation::prune(tx, world.now(), 10)), 1);
    assert_eq!(since(&world.store, None, world.now()).await.len(), 1);
}
