//! Sessions of users on the connections page of a gateway: bound to it, bounded, and over with what they depend on.

use std::time::Duration;

use gatewright_domain::{
    token_hash::TokenHash,
    user::{User, UserStatus},
};
use gatewright_store::{
    connection_session::{self, ConnectionSession, MAX_PER_USER},
    gateway, grant,
    grant::Holder,
    user, user_source,
};

use crate::{
    fixtures::Setting,
    world::{World, commit, contract, look},
};

contract!(
    a_session_is_found_at_its_gateway_until_it_expires,
    a_session_ends_when_the_user_is_blocked_and_goes_with_the_user,
    a_session_does_not_begin_when_the_source_has_changed,
    the_oldest_sessions_of_a_user_give_way,
    expired_sessions_are_deleted,
    grants_of_a_person_are_listed_at_one_gateway,
);

fn new_session(world: &World, setting: &Setting) -> ConnectionSession {
    ConnectionSession {
        hash: TokenHash::of(&format!("cookie {}", world.number())),
        project_id: setting.project.id,
        gateway_id: setting.gateway.id,
        user_id: setting.user.id,
        user_source_id: setting.source.id,
        identity_epoch: setting.source.identity_epoch,
        created_at: world.now(),
        expires_at: world.now().plus(Duration::from_mins(15)),
    }
}

async fn begun(world: &World, setting: &Setting) -> ConnectionSession {
    let session = new_session(world, setting);
    assert!(commit!(world, tx => connection_session::begin(tx, &session)));
    session
}

async fn found(world: &World, session: &ConnectionSession) -> Option<User> {
    let ConnectionSession {
        project_id,
        gateway_id,
        hash,
        ..
    } = *session;
    look!(world, tx => connection_session::find_live(tx, project_id, gateway_id, hash, world.now()))
}

async fn a_session_is_found_at_its_gateway_until_it_expires(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    let session = begun(&world, &setting).await;
    assert_eq!(
        found(&world, &session).await.map(|user| user.id),
        Some(setting.user.id)
    );
    for wrong in [
        ConnectionSession {
            gateway_id: other.gateway.id,
            ..session
        },
        ConnectionSession {
            project_id: other.project.id,
            ..session
        },
        ConnectionSession {
            hash: TokenHash::of("another"),
            ..session
        },
    ] {
        assert_eq!(found(&world, &wrong).await, None);
        let ended =
            commit!(world, tx => connection_session::end(tx, wrong.project_id, wrong.gateway_id, wrong.hash));
        assert!(!ended);
    }
    world
        .clock
        .advance(Duration::from_mins(15) - Duration::from_millis(1));
    assert!(found(&world, &session).await.is_some());
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(found(&world, &session).await, None);
    let (project, gateway) = (session.project_id, session.gateway_id);
    assert!(commit!(world, tx => connection_session::end(tx, project, gateway, session.hash)));
    assert!(!commit!(world, tx => connection_session::end(tx, project, gateway, session.hash)));
}

async fn a_session_ends_when_the_user_is_blocked_and_goes_with_the_user(world: World) {
    let setting = world.setting().await;
    let session = begun(&world, &setting).await;
    let (project, user) = (setting.project.id, setting.user.id);
    commit!(world, tx => user::set_status(tx, project, user, UserStatus::Blocked));
    assert_eq!(found(&world, &session).await, None);
    commit!(world, tx => user::set_status(tx, project, user, UserStatus::Active));
    assert!(found(&world, &session).await.is_some());
    commit!(world, tx => gateway::delete(tx, project, setting.gateway.id));
    assert_eq!(found(&world, &session).await, None);
    assert_eq!(
        commit!(world, tx => connection_session::prune(tx, session.expires_at, 9)),
        0
    );
}

async fn a_session_does_not_begin_when_the_source_has_changed(world: World) {
    let setting = world.setting().await;
    let earlier = ConnectionSession {
        identity_epoch: setting.source.identity_epoch - 1,
        ..new_session(&world, &setting)
    };
    assert!(!commit!(world, tx => connection_session::begin(tx, &earlier)));
    let session = begun(&world, &setting).await;
    let mut changed = setting.source.clone();
    changed.identity_epoch += 1;
    changed.updated_at = changed.updated_at.plus(Duration::from_millis(1));
    assert!(commit!(world, tx => user_source::update(tx, &changed, &setting.source)));
    assert_eq!(found(&world, &session).await, None);
    assert!(!commit!(world, tx => connection_session::begin(tx, &new_session(&world, &setting))));
}

async fn the_oldest_sessions_of_a_user_give_way(world: World) {
    let setting = world.setting().await;
    let mut sessions = Vec::new();
    for _ in 0..MAX_PER_USER + 2 {
        sessions.push(begun(&world, &setting).await);
        world.clock.advance(Duration::from_secs(1));
    }
    let mut open = Vec::new();
    for session in &sessions {
        open.push(found(&world, session).await.is_some());
    }
    assert_eq!(open, [false, false, true, true, true, true, true]);
}

async fn expired_sessions_are_deleted(world: World) {
    let setting = world.setting().await;
    let session = begun(&world, &setting).await;
    let before = session.expires_at.minus(Duration::from_millis(1));
    assert_eq!(commit!(world, tx => connection_session::prune(tx, before, 9)), 0);
    assert_eq!(
        commit!(world, tx => connection_session::prune(tx, session.expires_at, 9)),
        1
    );
}

async fn grants_of_a_person_are_listed_at_one_gateway(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    let first = setting.grant(&world).await;
    world.clock.advance(Duration::from_millis(2));
    let second = setting.grant(&world).await;
    other.grant(&world).await;
    let list = async |project, gateway, holder, limit| look!(world, tx => grant::list_at(tx, project, gateway, holder, world.now(), limit));
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let holder = Holder::User(setting.user.id);
    assert_eq!(list(project, gateway, holder, 9).await, [second.clone(), first]);
    assert_eq!(list(project, gateway, holder, 1).await, [second]);
    assert_eq!(list(project, other.gateway.id, holder, 9).await, []);
    assert_eq!(list(other.project.id, gateway, holder, 9).await, []);
    assert_eq!(list(project, gateway, Holder::User(other.user.id), 9).await, []);
}
