//! Grants: live while everything they depend on is, ended one by one or all at once.

use std::time::Duration;

use gatewright_domain::{
    gateway::{Authentication, GatewayStatus},
    grant::RevocationReason,
    user::UserStatus,
};
use gatewright_store::{
    PageRequest, gateway,
    grant::{self, Holder, Named},
    held_grants::{self, HeldGrants},
    refresh_token, revision,
    revocation::Denied,
    user, user_source,
};

use crate::{
    denials,
    fixtures::Setting,
    world::{World, commit, contract, look},
};

contract!(
    a_grant_is_live_with_its_user,
    a_grant_depends_on_user_source_and_gateway,
    a_revoked_grant_is_denied_and_its_tokens_are_deleted,
    all_grants_of_a_user_or_gateway_end_together,
    live_grants_of_a_user_are_listed_newest_first,
    live_grants_are_counted_with_the_people_who_hold_them,
    grants_at_inactive_gateways_and_sources_sleep_and_are_counted,
    ended_grants_are_deleted,
    a_grant_ends_when_its_refresh_token_does,
    a_grant_that_expired_a_moment_ago_can_still_be_revoked,
    a_grant_can_be_ended_whatever_it_depends_on,
);

const ALL: PageRequest = PageRequest {
    after: None,
    limit: 200,
};

async fn is_live(world: &World, setting: &Setting, id: gatewright_domain::id::GrantId) -> bool {
    look!(world, tx => grant::find_live(tx, setting.gateway.id, id, world.now())).is_some()
}

async fn a_grant_is_live_with_its_user(world: World) {
    let setting = world.setting().await;
    let stored = setting.grant(&world).await;
    let found = look!(world, tx => grant::find_live(tx, setting.gateway.id, stored.id, world.now()));
    let named = Named {
        subject: setting.user.key.subject.clone(),
        email: setting.user.email.clone(),
        display_name: setting.user.display_name.clone(),
    };
    assert_eq!(found, Some((stored.clone(), named)));
    assert_eq!(
        look!(world, tx => grant::find(tx, setting.gateway.id, stored.id)),
        Some(stored.clone())
    );
    let other = world.gateway(&setting.source).await;
    assert_eq!(
        look!(world, tx => grant::find_live(tx, other.id, stored.id, world.now())),
        None
    );
    assert_eq!(look!(world, tx => grant::find(tx, other.id, stored.id)), None);
    world.clock.advance(Duration::from_hours(90 * 24));
    assert!(!is_live(&world, &setting, stored.id).await);
}

async fn a_grant_depends_on_user_source_and_gateway(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let id = setting.grant(&world).await.id;
    assert!(commit!(world, tx => user::set_status(tx, project, setting.user.id, UserStatus::Blocked)));
    assert!(!is_live(&world, &setting, id).await);
    assert!(commit!(world, tx => user::set_status(tx, project, setting.user.id, UserStatus::Active)));
    assert!(is_live(&world, &setting, id).await);

    let mut source = setting.source.clone();
    source.identity_epoch = 2;
    assert!(commit!(world, tx => user_source::update(tx, &source, &source)));
    assert!(!is_live(&world, &setting, id).await);
    source.identity_epoch = 1;
    assert!(commit!(world, tx => user_source::update(tx, &source, &source)));
    assert!(is_live(&world, &setting, id).await);

    let second = world.source(project).await;
    let (mut off, mut moved, mut headers) = (
        setting.gateway.clone(),
        setting.gateway.clone(),
        setting.gateway.clone(),
    );
    off.status = GatewayStatus::Inactive;
    moved.authentication = Authentication::UserSource(second.id);
    headers.authentication = Authentication::Headers;
    for gateway in [off, moved, headers] {
        commit!(world, tx => gateway::update(tx, &gateway, gateway.updated_at));
        assert!(!is_live(&world, &setting, id).await);
        commit!(world, tx => gateway::update(tx, &setting.gateway, gateway.updated_at));
        assert!(is_live(&world, &setting, id).await);
    }
}

async fn a_revoked_grant_is_denied_and_its_tokens_are_deleted(world: World) {
    let setting = world.setting().await;
    let stored = setting.grant(&world).await;
    let token = world.new_token(&stored);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let found = look!(world, tx => refresh_token::find_grant(tx, setting.gateway.id, token.hash));
    assert_eq!(found.map(|grant| grant.id), Some(stored.id));
    let other = world.gateway(&setting.source).await;
    assert_eq!(
        look!(world, tx => refresh_token::find_grant(tx, other.id, token.hash)),
        None
    );

    let now = world.now();
    let reason = RevocationReason::ClientRequest;
    let stranger = world.project().await.id;
    assert!(!commit!(world, tx => grant::revoke(tx, stranger, stored.id, reason, now)));
    assert!(is_live(&world, &setting, stored.id).await);
    let before = look!(world, tx => revision::read_latest(tx));
    assert!(commit!(world, tx => grant::revoke(tx, setting.project.id, stored.id, reason, now)));
    let after = look!(world, tx => revision::read_latest(tx));
    assert_eq!(after.revocations, before.revocations + 1);
    assert_eq!(
        after.configuration, before.configuration,
        "no one reads that again"
    );
    assert!(!commit!(world, tx => grant::revoke(tx, setting.project.id, stored.id, reason, now)));
    assert!(!is_live(&world, &setting, stored.id).await);
    let ended = look!(world, tx => grant::find(tx, setting.gateway.id, stored.id)).unwrap();
    assert_eq!(ended.revoked, Some((now, reason)));
    assert_eq!(look!(world, tx => refresh_token::find(tx, token.hash)), None);
    assert_eq!(
        look!(world, tx => denials::denied(tx, now)),
        [Denied::Grant(stored.id)]
    );
}

async fn all_grants_of_a_user_or_gateway_end_together(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let neighbour = Setting {
        user: world.user(&setting.source).await,
        ..setting.clone()
    };
    let mine = [setting.grant(&world).await.id, setting.grant(&world).await.id];
    let theirs = neighbour.grant(&world).await.id;
    let now = world.now();
    let reason = RevocationReason::UserRemoved;
    let user = setting.user.id;
    assert_eq!(
        commit!(world, tx => grant::revoke_of(tx, project, Holder::User(user), reason, now)),
        2
    );
    assert_eq!(
        commit!(world, tx => grant::revoke_of(tx, project, Holder::User(user), reason, now)),
        0
    );
    for id in mine {
        assert!(!is_live(&world, &setting, id).await);
    }
    assert!(is_live(&world, &setting, theirs).await);
    let reason = RevocationReason::GatewayChanged;
    let gateway = setting.gateway.id;
    let stranger = world.project().await.id;
    assert_eq!(
        commit!(world, tx => grant::revoke_of_gateway(tx, stranger, gateway, reason, now)),
        0
    );
    assert_eq!(
        commit!(world, tx => grant::revoke_of_gateway(tx, project, gateway, reason, now)),
        1
    );
    assert!(!is_live(&world, &setting, theirs).await);
    assert_eq!(look!(world, tx => denials::denied(tx, now)).len(), 3);
}

async fn live_grants_of_a_user_are_listed_newest_first(world: World) {
    let setting = world.setting().await;
    let (project, user) = (setting.project.id, setting.user.id);
    let mut ids = Vec::new();
    for _ in 0..4 {
        world.clock.advance(Duration::from_millis(1));
        ids.push(setting.grant(&world).await.id);
    }
    let now = world.now();
    let reason = RevocationReason::Administrator;
    assert!(commit!(world, tx => grant::revoke(tx, project, ids.remove(1), reason, now)));
    ids.reverse();
    let listed = look!(world, tx => grant::list_of(tx, project, Holder::User(user), now, &ALL));
    assert_eq!(listed.items.iter().map(|grant| grant.id).collect::<Vec<_>>(), ids);
    assert_eq!(listed.next, None);
    let first = PageRequest::first(2);
    let first = look!(world, tx => grant::list_of(tx, project, Holder::User(user), now, &first));
    let rest = PageRequest {
        after: first.next,
        limit: 2,
    };
    let rest = look!(world, tx => grant::list_of(tx, project, Holder::User(user), now, &rest));
    assert_eq!(
        rest.items.iter().map(|grant| grant.id).collect::<Vec<_>>(),
        ids[2..]
    );
    assert_eq!(rest.next, None);
    let stranger = world.project().await.id;
    assert!(
        look!(world, tx => grant::list_of(tx, stranger, Holder::User(user), now, &ALL))
            .items
            .is_empty()
    );
}

async fn live_grants_are_counted_with_the_people_who_hold_them(world: World) {
    let setting = world.setting().await;
    let elsewhere = Setting {
        gateway: world.gateway(&setting.source).await,
        ..setting.clone()
    };
    let other_person = Setting {
        user: world.user(&setting.source).await,
        ..setting.clone()
    };
    for of in [&setting, &setting, &elsewhere, &other_person] {
        of.grant(&world).await;
    }
    let foreign = world.setting().await;
    foreign.grant(&world).await;
    let (project, source, gateway) = (setting.project.id, setting.source.id, setting.gateway.id);
    let now = world.now();
    let of_source = look!(world, tx => held_grants::count_of_user_source(tx, project, source, now));
    assert_eq!((of_source.live, of_source.users), (4, 2));
    let of_gateway = look!(world, tx => held_grants::count_of_gateway(tx, project, gateway, now));
    assert_eq!(
        of_gateway,
        HeldGrants {
            live: 3,
            asleep: 0,
            users: 2,
            gateways: 1,
        }
    );
    let users = look!(world, tx => user::count_of_user_source(tx, project, source));
    assert_eq!((users.present, users.former), (2, 0));
    let used_by = look!(world, tx => gateway::list_of_user_source(tx, project, source));
    let ids: Vec<_> = used_by.iter().map(|(id, _, _)| *id).collect();
    let mut made = [gateway, elsewhere.gateway.id];
    made.sort();
    assert_eq!(ids, made);

    let stranger = foreign.project.id;
    let none = HeldGrants::default();
    assert_eq!(
        look!(world, tx => held_grants::count_of_user_source(tx, stranger, source, now)),
        none
    );
    assert_eq!(
        look!(world, tx => held_grants::count_of_gateway(tx, stranger, gateway, now)),
        none
    );
    assert_eq!(
        look!(world, tx => user::count_of_user_source(tx, stranger, source)),
        user::UserCount::default()
    );
    assert_eq!(
        look!(world, tx => gateway::list_of_user_source(tx, stranger, source)),
        []
    );
    let late = now.plus(Duration::from_hours(100 * 24));
    assert_eq!(
        look!(world, tx => held_grants::count_of_user_source(tx, project, source, late)),
        none
    );
}

async fn grants_at_inactive_gateways_and_sources_sleep_and_are_counted(world: World) {
    let setting = world.setting().await;
    let kept = setting.grant(&world).await;
    let ended = setting.grant(&world).await;
    let (project, gateway, source) = (setting.project.id, setting.gateway.id, setting.source.id);
    let now = world.now();
    let counts = async || {
        let held = [
            look!(world, tx => held_grants::count_of_gateway(tx, project, gateway, now)),
            look!(world, tx => held_grants::count_of_user_source(tx, project, source, now)),
            look!(world, tx => held_grants::count_of_user(tx, project, setting.user.id, now)),
            look!(world, tx => held_grants::count_of_project(tx, project, now)),
        ];
        let first = held[0];
        assert!(held.iter().all(|other| *other == first), "{held:?}");
        (first.live, first.asleep, first.users, first.gateways)
    };
    assert_eq!(counts().await, (2, 0, 1, 1));
    let mut off = setting.gateway.clone();
    off.status = GatewayStatus::Inactive;
    let done = commit!(world, tx => gateway::update(tx, &off, off.updated_at));
    assert_eq!(done, gateway::GatewayWrite::Done);
    assert_eq!(counts().await, (0, 2, 1, 1));
    // A sleeping source changes nothing more, and revoked grants do not sleep.
    commit!(world, tx => user_source::deactivate(tx, project, source, now));
    assert_eq!(counts().await, (0, 2, 1, 1));
    let reason = RevocationReason::Administrator;
    assert!(commit!(world, tx => grant::revoke(tx, project, ended.id, reason, now)));
    assert_eq!(counts().await, (0, 1, 1, 1));
    assert!(commit!(world, tx => user_source::activate(tx, project, source, now)));
    commit!(world, tx => gateway::update(tx, &setting.gateway, off.updated_at));
    assert_eq!(counts().await, (1, 0, 1, 1), "{}", kept.id);
    // Under another identity they stay asleep.
    let mut moved = look!(world, tx => user_source::find(tx, project, source)).unwrap();
    let seen = moved.clone();
    moved.identity_epoch = 2;
    assert!(commit!(world, tx => user_source::update(tx, &moved, &seen)));
    assert_eq!(counts().await, (0, 0, 0, 0));
}

async fn ended_grants_are_deleted(world: World) {
    let setting = world.setting().await;
    let (revoked, ended) = (setting.grant(&world).await, setting.grant(&world).await);
    let token = world.new_token(&ended);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let now = world.now();
    let reason = RevocationReason::Administrator;
    assert!(commit!(world, tx => grant::revoke(tx, setting.project.id, revoked.id, reason, now)));
    assert_eq!(commit!(world, tx => grant::prune(tx, now, 10)), 0);
    let soon = now.plus(Duration::from_millis(1));
    assert_eq!(commit!(world, tx => grant::prune(tx, soon, 10)), 1);
    assert_eq!(
        look!(world, tx => grant::find(tx, setting.gateway.id, revoked.id)),
        None
    );
    assert!(is_live(&world, &setting, ended.id).await);
    let late = ended.ends_at.plus(Duration::from_millis(1));
    assert_eq!(commit!(world, tx => grant::prune(tx, late, 10)), 1);
    assert_eq!(look!(world, tx => refresh_token::find(tx, token.hash)), None);
}

async fn a_grant_ends_when_its_refresh_token_does(world: World) {
    let setting = world.setting().await;
    let stored = setting.grant(&world).await;
    let token = world.new_token(&stored);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    world
        .clock
        .advance(Duration::from_hours(30 * 24) - Duration::from_secs(1));
    assert!(is_live(&world, &setting, stored.id).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!is_live(&world, &setting, stored.id).await);
    let listed = look!(world, tx => {
        grant::list_of(tx, setting.project.id, Holder::User(setting.user.id), world.now(), &ALL)
    });
    assert!(listed.items.is_empty());
    let late = world.now().plus(Duration::from_millis(1));
    assert_eq!(commit!(world, tx => refresh_token::prune(tx, late, 10)), 1);
    assert_eq!(commit!(world, tx => grant::prune(tx, late, 10)), 1);
}

async fn a_grant_that_expired_a_moment_ago_can_still_be_revoked(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let neighbour = Setting {
        user: world.user(&setting.source).await,
        ..setting.clone()
    };
    let [one, of_user, of_gateway, old] = [
        setting.grant(&world).await,
        setting.grant(&world).await,
        neighbour.grant(&world).await,
        neighbour.grant(&world).await,
    ];
    let later = world.now().plus(Duration::from_hours(30 * 24 + 1));
    for grant in [&one, &of_user, &of_gateway] {
        let token = world.new_token(grant);
        commit!(world, tx => refresh_token::insert(tx, &token, later));
    }
    let mut token = world.new_token(&old);
    token.expires_at = world.now().plus(Duration::from_hours(29 * 24));
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    // They expired without use; access tokens of three of them have not.
    world.clock.advance(Duration::from_hours(30 * 24));
    assert!(!is_live(&world, &setting, one.id).await);
    let now = world.now();
    let reason = RevocationReason::Administrator;
    assert!(commit!(world, tx => grant::revoke(tx, project, one.id, reason, now)));
    assert!(!commit!(world, tx => grant::revoke(tx, project, old.id, reason, now)));
    let (user, gateway) = (setting.user.id, setting.gateway.id);
    assert_eq!(
        commit!(world, tx => grant::revoke_of(tx, project, Holder::User(user), reason, now)),
        1
    );
    assert_eq!(
        commit!(world, tx => grant::revoke_of_gateway(tx, project, gateway, reason, now)),
        1
    );
    let denied = look!(world, tx => denials::denied(tx, now));
    for grant in [one, of_user, of_gateway] {
        assert!(denied.contains(&Denied::Grant(grant.id)));
    }
    assert!(!denied.contains(&Denied::Grant(old.id)));
}

async fn a_grant_can_be_ended_whatever_it_depends_on(world: World) {
    let setting = world.setting().await;
    let (project, user) = (setting.project.id, setting.user.id);
    let stored = setting.grant(&world).await;
    let mut off = setting.gateway.clone();
    off.status = GatewayStatus::Inactive;
    commit!(world, tx => gateway::update(tx, &off, setting.gateway.updated_at));
    assert!(!is_live(&world, &setting, stored.id).await);
    assert_eq!(
        look!(world, tx => grant::find_unrevoked(tx, project, Holder::User(user), stored.id)),
        Some(stored.clone())
    );
    let stranger = world.user(&setting.source).await.id;
    assert_eq!(
        look!(world, tx => grant::find_unrevoked(tx, project, Holder::User(stranger), stored.id)),
        None
    );
    let (now, reason) = (world.now(), RevocationReason::Administrator);
    assert!(commit!(world, tx => grant::revoke(tx, project, stored.id, reason, now)));
    assert_eq!(
        look!(world, tx => grant::find_unrevoked(tx, project, Holder::User(user), stored.id)),
        None
    );
}
