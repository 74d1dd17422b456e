//! Invitations: for one address, once, for a week.

use gatewright_domain::{
    invitation::{InvitationStatus, LIFE},
    member::Role,
    secret::Secret,
};

use super::world::{PASSWORD, World, page, visitor};
use crate::service::{
    ServiceError,
    invitations::{self, Holder, NewInvitation},
};

#[tokio::test]
async fn a_newcomer_accepts_once_and_becomes_a_member_of_that_role() {
    let world = World::new().await;
    let token = world.invite("grace@example.com", Role::Admin).await.unwrap();
    let offer = invitations::look(world.app(), &token).await.unwrap().unwrap();
    assert_eq!(
        (offer.status, offer.holder),
        (InvitationStatus::Open, Holder::None)
    );
    assert_eq!(offer.project.name, "Acme");
    assert!(invitations::look(world.app(), "guessed").await.unwrap().is_none());
    let accept = async |token: &str, password: &str| {
        invitations::accept_as_newcomer(world.app(), &visitor(1), token, "Grace", &Secret::new(password))
            .await
    };
    assert!(matches!(
        accept("guessed", PASSWORD).await,
        Err(ServiceError::NotFound { .. })
    ));
    assert!(matches!(
        accept(&token, "short").await,
        Err(ServiceError::Invalid(_))
    ));
    let begun = accept(&token, PASSWORD).await.unwrap();
    let session = world.session(&begun.token).await.unwrap();
    assert_eq!(session.role_in(world.project), Some(Role::Admin));
    assert!(!session.account.is_instance_admin);
    assert!(matches!(
        accept(&token, PASSWORD).await,
        Err(ServiceError::NotFound { .. })
    ));
    let offer = invitations::look(world.app(), &token).await.unwrap().unwrap();
    assert_eq!(offer.status, InvitationStatus::Accepted);
    let mut actions = world.actions(Some(world.project)).await;
    actions.sort();
    assert_eq!(
        actions,
        ["invitation.accepted", "invitation.created", "member.added"]
    );
}

#[tokio::test]
async fn another_account_cannot_accept_and_the_invited_account_can() {
    let world = World::new().await;
    let eve = world.member("eve@example.com", Role::Viewer).await;
    let token = world.invite("grace@example.com", Role::Owner).await.unwrap();
    let accept = async |cookie: &Secret| {
        let session = world.session(cookie).await.unwrap();
        let authority = world.authority(cookie).await;
        invitations::accept(
            world.app(),
            &authority,
            &session,
            &token,
            &Secret::new(PASSWORD),
            visitor(1).address,
        )
        .await
    };
    let stolen = accept(&eve.token).await;
    assert!(matches!(stolen, Err(ServiceError::Forbidden(_))));
    let session = world.session(&eve.token).await.unwrap();
    assert_eq!(session.role_in(world.project), Some(Role::Viewer));
    let offer = invitations::look(world.app(), &token).await.unwrap().unwrap();
    assert_eq!(offer.status, InvitationStatus::Open);
}

#[tokio::test]
async fn what_was_revoked_replaced_or_ran_out_opens_nothing() {
    let world = World::new().await;
    let owner = world.as_owner().await;
    let replaced = world.invite("grace@example.com", Role::Admin).await.unwrap();
    let revoked = world.invite("grace@example.com", Role::Viewer).await.unwrap();
    let newest = invitations::list(world.app(), &owner, world.project, &page())
        .await
        .unwrap()
        .items[0]
        .id;
    invitations::revoke(world.app(), &owner, world.project, newest)
        .await
        .unwrap();
    let late = world.invite("late@example.com", Role::Viewer).await.unwrap();
    world.test.clock.advance(LIFE);
    for token in [replaced, revoked, late] {
        let refused = invitations::accept_as_newcomer(
            world.app(),
            &visitor(1),
            &token,
            "Grace",
            &Secret::new(PASSWORD),
        )
        .await;
        assert!(matches!(refused, Err(ServiceError::NotFound { .. })));
    }
}

#[tokio::test]
async fn only_owners_invite_and_members_are_not_invited_again() {
    let world = World::new().await;
    let admin = world.member("grace@example.com", Role::Admin).await;
    let as_admin = world.authority(&admin.token).await;
    let new = |email: &str| NewInvitation {
        email: email.to_owned(),
        role: Some(Role::Viewer),
    };
    let refused = invitations::create(world.app(), &as_admin, world.project, new("new@example.com")).await;
    assert!(matches!(refused, Err(ServiceError::Forbidden(_))));
    let owner = world.as_owner().await;
    let again = invitations::create(world.app(), &owner, world.project, new("GRACE@example.com")).await;
    assert!(matches!(again, Err(ServiceError::Invalid(_))));
    let nothing = NewInvitation::default();
    let Err(ServiceError::Invalid(invalid)) =
        invitations::create(world.app(), &owner, world.project, nothing).await
    else {
        panic!("an empty invitation must be refused");
    };
    let pointers: Vec<_> = invalid
        .violations()
        .iter()
        .map(|one| one.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/email", "/role"]);
}
