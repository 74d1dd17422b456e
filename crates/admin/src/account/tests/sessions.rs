//! What ends a session, and what a member may do at this moment.

use std::time::Duration;

use gatewright_domain::{
    account::AccountStatus,
    account_session::{IDLE_LIFE, MAX_LIFE, SEEN_RESOLUTION},
    member::Role,
    secret::Secret,
};

use super::world::{OWNER, PASSWORD, World, page, visitor};
use crate::{
    account::visitor::Visitor,
    service::{
        IfMatch, ServiceError, account_sessions,
        accounts::{self, AccountPatch, PasswordChange},
        api_keys,
        members::{self, MemberPatch},
        patch::Patch,
        projects,
    },
};

fn role(role: Role) -> MemberPatch {
    MemberPatch {
        role: Patch::Set(role),
    }
}

#[tokio::test]
async fn a_session_ends_when_idle_after_a_week_and_at_sign_out() {
    let world = World::new().await;
    let clock = &world.test.clock;
    let idle = world.sign_in(OWNER, PASSWORD).await.unwrap();
    // The one that is used continues, and after a week it expires nevertheless.
    let used = &world.owner;
    let mut passed = Duration::ZERO;
    while passed + IDLE_LIFE / 2 < MAX_LIFE {
        clock.advance(IDLE_LIFE / 2);
        passed += IDLE_LIFE / 2;
        assert!(world.session(&used.token).await.is_some(), "{passed:?}");
    }
    assert!(world.session(&idle.token).await.is_none());
    clock.advance(IDLE_LIFE / 2);
    assert!(world.session(&used.token).await.is_none());

    let again = world.sign_in(OWNER, PASSWORD).await.unwrap();
    let leaving = Visitor {
        session: Some(again.token.clone()),
        ..visitor(0)
    };
    account_sessions::sign_out(world.app(), &leaving).await.unwrap();
    assert!(world.session(&again.token).await.is_none());
    account_sessions::sign_out(world.app(), &leaving).await.unwrap();
    assert!(world.session(&Secret::new("forged")).await.is_none());
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_only() {
    let world = World::new().await;
    let grace = world.member("grace@example.com", Role::Viewer).await;
    let second = world.sign_in(OWNER, PASSWORD).await.unwrap();
    world.test.clock.advance(SEEN_RESOLUTION);
    let owner = world.as_owner().await;
    let listed = account_sessions::list(world.app(), &owner).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        listed[0].id, world.owner.session.id,
        "the one used last comes first"
    );
    let as_grace = world.authority(&grace.token).await;
    let stolen = account_sessions::end(world.app(), &as_grace, second.session.id).await;
    assert!(matches!(stolen, Err(ServiceError::NotFound { .. })));
    assert!(world.session(&second.token).await.is_some());
    account_sessions::end(world.app(), &owner, second.session.id)
        .await
        .unwrap();
    assert!(world.session(&second.token).await.is_none());
    world.sign_in(OWNER, PASSWORD).await.unwrap();
    assert_eq!(
        account_sessions::end_others(world.app(), &owner).await.unwrap(),
        1
    );
    assert!(world.session(&world.owner.token).await.is_some());
    assert!(world.session(&grace.token).await.is_some());
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_every_other_session() {
    let world = World::new().await;
    let other = world.sign_in(OWNER, PASSWORD).await.unwrap();
    let owner = world.as_owner().await;
    let change = |current: Option<&str>, new: &str| PasswordChange {
        current_password: current.map(Secret::new),
        new_password: Some(Secret::new(new)),
    };
    for (current, new) in [
        (None, "amber quarry seventeen"),
        (Some("wrong"), "amber quarry seventeen"),
        (Some(PASSWORD), "password1234"),
    ] {
        let refused =
            accounts::change_password(world.app(), &owner, &visitor(0), &change(current, new)).await;
        assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{new}");
    }
    assert!(world.session(&other.token).await.is_some());
    let input = change(Some(PASSWORD), "amber quarry seventeen");
    let here = Visitor {
        session: Some(world.owner.token.clone()),
        ..visitor(0)
    };
    let begun = accounts::change_password(world.app(), &owner, &here, &input)
        .await
        .unwrap();
    assert!(world.session(&other.token).await.is_none());
    assert!(world.session(&world.owner.token).await.is_none());
    assert!(world.session(&begun.token).await.is_some());
    assert!(world.sign_in(OWNER, PASSWORD).await.is_err());
    world.sign_in(OWNER, "amber quarry seventeen").await.unwrap();
    let trail = format!("{:?}", world.trail(None).await);
    assert!(trail.contains("account.password_changed") && !trail.contains("amber"));
}

#[tokio::test]
async fn a_changed_role_ends_sessions_and_acts_on_the_next_request() {
    let world = World::new().await;
    let grace = world.member("grace@example.com", Role::Owner).await;
    let owner = world.as_owner().await;
    assert!(
        world
            .app()
            .gateways()
            .directory
            .current()
            .unwrap()
            .is_member(world.project, grace.account.id)
    );
    members::update(
        world.app(),
        &owner,
        world.project,
        grace.account.id,
        role(Role::Viewer),
        &IfMatch::Any,
    )
    .await
    .unwrap();
    assert!(world.session(&grace.token).await.is_none());
    let grace = world.sign_in("grace@example.com", PASSWORD).await.unwrap();
    let as_grace = world.authority(&grace.token).await;
    // People cannot promote themselves.
    let promoted = members::update(
        world.app(),
        &as_grace,
        world.project,
        grace.account.id,
        role(Role::Owner),
        &IfMatch::Any,
    )
    .await;
    assert!(matches!(promoted, Err(ServiceError::Forbidden(_))));
    let admin = AccountPatch {
        is_instance_admin: Patch::Set(true),
        ..AccountPatch::default()
    };
    let promoted = accounts::update(world.app(), &as_grace, grace.account.id, admin, &IfMatch::Any).await;
    assert!(matches!(promoted, Err(ServiceError::Forbidden(_))));
    let joined = members::join(world.app(), &as_grace, world.project).await;
    assert!(matches!(joined, Err(ServiceError::Forbidden(_))));
    let (member, _) = members::find(world.app(), &as_grace, world.project, grace.account.id)
        .await
        .unwrap();
    assert_eq!(member.role, Role::Viewer);

    members::remove(
        world.app(),
        &owner,
        world.project,
        grace.account.id,
        &IfMatch::Any,
    )
    .await
    .unwrap();
    assert!(
        !world
            .app()
            .gateways()
            .directory
            .current()
            .unwrap()
            .is_member(world.project, grace.account.id)
    );
    assert!(world.session(&grace.token).await.is_none());
    let grace = world.sign_in("grace@example.com", PASSWORD).await.unwrap();
    let as_grace = world.authority(&grace.token).await;
    let gone = projects::find(world.app(), &as_grace, world.project).await;
    assert!(matches!(gone, Err(ServiceError::NotFound { .. })));
    assert!(
        projects::list(world.app(), &as_grace, &page())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn the_last_owner_can_neither_go_nor_step_down() {
    let world = World::new().await;
    let (id, owner) = (world.owner.account.id, world.as_owner().await);
    let demoted = members::update(
        world.app(),
        &owner,
        world.project,
        id,
        role(Role::Admin),
        &IfMatch::Any,
    )
    .await;
    assert!(matches!(demoted, Err(ServiceError::Conflict(_))));
    let left = members::remove(world.app(), &owner, world.project, id, &IfMatch::Any).await;
    assert!(matches!(left, Err(ServiceError::Conflict(_))));
    assert!(world.session(&world.owner.token).await.is_some());
    let mut refusals = world.actions(Some(world.project)).await;
    refusals.sort();
    assert_eq!(refusals, ["member.removal_refused", "member.role_refused"]);
    world.member("grace@example.com", Role::Owner).await;
    // One's own session outlives a change of one's own role.
    members::update(
        world.app(),
        &owner,
        world.project,
        id,
        role(Role::Admin),
        &IfMatch::Any,
    )
    .await
    .unwrap();
    let owner = world.as_owner().await;
    assert!(
        api_keys::list(world.app(), &owner, Some(world.project), &page())
            .await
            .is_ok()
    );
    members::remove(world.app(), &owner, world.project, id, &IfMatch::Any)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_administrator_of_the_instance_is_a_stranger_inside_until_they_join() {
    let world = World::new().await;
    world.member("grace@example.com", Role::Owner).await;
    let (id, owner) = (world.owner.account.id, world.as_owner().await);
    members::remove(world.app(), &owner, world.project, id, &IfMatch::Any)
        .await
        .unwrap();
    let owner = world.as_owner().await;
    assert!(projects::find(world.app(), &owner, world.project).await.is_ok());
    let inside = members::list(world.app(), &owner, world.project, &page()).await;
    assert!(matches!(inside, Err(ServiceError::Forbidden(_))));
    members::join(world.app(), &owner, world.project).await.unwrap();
    let actions = world.actions(Some(world.project)).await;
    assert!(actions.contains(&"member.joined".to_owned()), "{actions:?}");
    let owner = world.as_owner().await;
    assert_eq!(
        members::list(world.app(), &owner, world.project, &page())
            .await
            .unwrap()
            .items
            .len(),
        2
    );
    let twice = members::join(world.app(), &owner, world.project).await;
    assert!(matches!(twice, Err(ServiceError::Conflict(_))));
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_the_last_administrator_stays() {
    let world = World::new().await;
    let grace = world.member("grace@example.com", Role::Viewer).await;
    let owner = world.as_owner().await;
    let disable = || AccountPatch {
        status: Patch::Set(AccountStatus::Disabled),
        ..AccountPatch::default()
    };
    accounts::update(world.app(), &owner, grace.account.id, disable(), &IfMatch::Any)
        .await
        .unwrap();
    assert!(world.session(&grace.token).await.is_none());
    assert!(
        !world
            .app()
            .gateways()
            .directory
            .current()
            .unwrap()
            .is_member(world.project, grace.account.id)
    );
    let refused = world.sign_in("grace@example.com", PASSWORD).await;
    assert!(matches!(
        refused,
        Err(crate::service::sign_in::SignInError::Disabled)
    ));
    let id = world.owner.account.id;
    let oneself = accounts::update(world.app(), &owner, id, disable(), &IfMatch::Any).await;
    assert!(matches!(oneself, Err(ServiceError::Conflict(_))));
    let step_down = AccountPatch {
        is_instance_admin: Patch::Set(false),
        ..AccountPatch::default()
    };
    let last = accounts::update(world.app(), &owner, id, step_down, &IfMatch::Any).await;
    assert!(matches!(last, Err(ServiceError::Conflict(_))));
    assert!(world.session(&world.owner.token).await.is_some());
}
