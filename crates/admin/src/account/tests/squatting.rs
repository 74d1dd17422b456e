//! Addresses that are not proven: anyone who holds the link of an invitation chooses a password, and gets that project and no
//! other.

use gatewright_domain::{
    account::AccountStatus,
    audit::Origin,
    id::{AccountId, ProjectId},
    member::Role,
    secret::Secret,
};

use super::world::{OWNER, PASSWORD, World, token_of, visitor};
use crate::service::{
    Authority, IfMatch, Patch, ServiceError,
    account_sessions::Begun,
    accounts::{self, AccountPatch},
    invitations::{self, Holder, NewInvitation},
    password_reset,
    projects::{self, NewProject},
    sign_in::SignInError,
};

const ADDRESS: &str = "grace@example.com";
const OTHER_PASSWORD: &str = "quiet lantern seventeen";

impl World {
    async fn other_project(&self) -> ProjectId {
        self.other_named("Other").await
    }

    async fn other_named(&self, name: &str) -> ProjectId {
        let new = NewProject {
            name: name.to_owned(),
        };
        projects::create(self.app(), &self.as_owner().await, new)
            .await
            .unwrap()
            .id
    }

    async fn invite_to(&self, project: ProjectId, email: &str) -> String {
        let new = NewInvitation {
            email: email.to_owned(),
            role: Some(Role::Admin),
        };
        let made = invitations::create(self.app(), &self.as_owner().await, project, new).await;
        token_of(made.unwrap().link.expose())
    }

    async fn newcomer(&self, token: &str, password: &str) -> Result<Begun, ServiceError> {
        invitations::accept_as_newcomer(self.app(), &visitor(1), token, "Grace", &Secret::new(password)).await
    }

    async fn join(&self, who: &Begun, token: &str, password: &str) -> Result<ProjectId, ServiceError> {
        let session = self.session(&who.token).await.unwrap();
        let authority = self.authority(&who.token).await;
        let (password, address) = (Secret::new(password), visitor(1).address);
        invitations::accept(self.app(), &authority, &session, token, &password, address).await
    }

    async fn projects_of(&self, who: &Begun) -> Vec<ProjectId> {
        let session = self.session(&who.token).await.unwrap();
        session
            .memberships
            .iter()
            .map(|membership| membership.project_id)
            .collect()
    }

    async fn change(&self, id: AccountId, patch: AccountPatch) -> Result<(), ServiceError> {
        let owner = self.as_owner().await;
        accounts::update(self.app(), &owner, id, patch, &IfMatch::Any)
            .await
            .map(drop)
    }

    /// Marks the address as proven, and lets its owner choose a password by a link.
    async fn prove(&self, who: &Begun, password: &str) -> Begun {
        let patch = AccountPatch {
            address_proven: Patch::Set(true),
            ..AccountPatch::default()
        };
        let id = who.account.id;
        self.change(id, patch).await.unwrap();
        assert!(self.session(&who.token).await.is_none());
        let link = accounts::offer_password(self.app(), &self.as_owner().await, id)
            .await
            .unwrap();
        let password = Secret::new(password);
        password_reset::complete(self.app(), &visitor(1), &token_of(&link), &password)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn the_first_to_come_gets_nothing_of_a_second_project_nor_the_second_of_the_first() {
    let world = World::new().await;
    let other = world.other_project().await;
    let first = world.member(ADDRESS, Role::Owner).await;
    assert!(!first.account.address_proven && world.owner.account.address_proven);
    let token = world.invite_to(other, ADDRESS).await;
    let offer = invitations::look(world.app(), &token).await.unwrap().unwrap();
    assert_eq!(offer.holder, Holder::Unproven);
    let second = world.newcomer(&token, OTHER_PASSWORD).await.unwrap();
    assert_ne!(first.account.id, second.account.id);
    assert_eq!(world.projects_of(&first).await, [world.project]);
    assert_eq!(world.projects_of(&second).await, [other]);
    // Each signs in with their own password to their own account.
    for (password, account) in [(PASSWORD, &first), (OTHER_PASSWORD, &second)] {
        let begun = world.sign_in(ADDRESS, password).await.unwrap();
        assert_eq!(begun.account.id, account.account.id);
    }
    let wrong = world.sign_in(ADDRESS, "wrong wrong wrong").await;
    assert!(matches!(wrong, Err(SignInError::Wrong)));
}

#[tokio::test]
async fn the_holder_of_an_account_that_is_not_proven_joins_by_its_password() {
    let world = World::new().await;
    let other = world.other_project().await;
    let first = world.member(ADDRESS, Role::Viewer).await;
    let token = world.invite_to(other, ADDRESS).await;
    for wrong in ["", OTHER_PASSWORD] {
        let refused = world.join(&first, &token, wrong).await;
        assert!(matches!(refused, Err(ServiceError::Invalid(_))));
    }
    assert_eq!(world.join(&first, &token, PASSWORD).await.unwrap(), other);
    assert_eq!(world.projects_of(&first).await.len(), 2);
}

#[tokio::test]
async fn an_account_that_opens_nothing_makes_way() {
    let world = World::new().await;
    let squatter = world.member(ADDRESS, Role::Viewer).await;
    let owner = world.as_owner().await;
    crate::service::members::remove(
        world.app(),
        &owner,
        world.project,
        squatter.account.id,
        &IfMatch::Any,
    )
    .await
    .unwrap();
    let squatter = world.sign_in(ADDRESS, PASSWORD).await.unwrap();
    let token = world.invite_to(world.project, ADDRESS).await;
    let grace = world.newcomer(&token, OTHER_PASSWORD).await.unwrap();
    assert_eq!(world.projects_of(&grace).await, [world.project]);
    assert!(world.session(&squatter.token).await.is_none());
    let gone = world.sign_in(ADDRESS, PASSWORD).await;
    assert!(matches!(gone, Err(SignInError::Wrong)));
}

#[tokio::test]
async fn proving_one_account_gives_it_the_projects_of_its_address_and_ends_the_others() {
    let world = World::new().await;
    let other = world.other_project().await;
    let squatter = world.member(ADDRESS, Role::Owner).await;
    let token = world.invite_to(other, ADDRESS).await;
    let grace = world.newcomer(&token, OTHER_PASSWORD).await.unwrap();
    // The squatter's own invitations stop working too.
    let as_squatter = world.authority(&squatter.token).await;
    let new = NewInvitation {
        email: "eve@example.com".to_owned(),
        role: Some(Role::Owner),
    };
    let made = invitations::create(world.app(), &as_squatter, world.project, new)
        .await
        .unwrap();
    let grace = world.prove(&grace, "marble window thirteen").await;
    assert!(world.session(&squatter.token).await.is_none());
    for before in [PASSWORD, OTHER_PASSWORD] {
        let gone = world.sign_in(ADDRESS, before).await;
        assert!(matches!(gone, Err(SignInError::Wrong)));
    }
    let refused = world.newcomer(&token_of(made.link.expose()), PASSWORD).await;
    assert!(matches!(refused, Err(ServiceError::NotFound { .. })));
    let mut opened = world.projects_of(&grace).await;
    opened.sort();
    let mut expected = [world.project, other];
    expected.sort();
    assert_eq!(opened, expected);
    let actions = world.actions(Some(world.project)).await;
    assert!(actions.iter().any(|action| action == "account.updated"));
    // From now on an invitation is for this account alone.
    let third = world.other_named("Third").await;
    let token = world.invite_to(third, ADDRESS).await;
    let offer = invitations::look(world.app(), &token).await.unwrap().unwrap();
    assert_eq!(offer.holder, Holder::Known);
    let refused = world.newcomer(&token, PASSWORD).await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))));
    // No password is asked for, because the address is known to be hers.
    assert_eq!(world.join(&grace, &token, "").await.unwrap(), third);
}

#[tokio::test]
async fn a_project_cannot_take_over_a_proven_account_or_admit_a_disabled_one() {
    let world = World::new().await;
    let other = world.other_project().await;
    let proven = world.member("alan@example.com", Role::Viewer).await;
    world.prove(&proven, PASSWORD).await;
    // A project that invites the address of someone else and keeps the link gets no account of theirs.
    let token = world.invite_to(other, "alan@example.com").await;
    let refused = world.newcomer(&token, OTHER_PASSWORD).await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))));
    let member = world.member(ADDRESS, Role::Viewer).await;
    let patch = AccountPatch {
        status: Patch::Set(AccountStatus::Disabled),
        ..AccountPatch::default()
    };
    world.change(member.account.id, patch).await.unwrap();
    let token = world.invite_to(other, ADDRESS).await;
    let refused = world.newcomer(&token, OTHER_PASSWORD).await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))));
}

#[tokio::test]
async fn accounts_of_an_address_are_few_and_the_operator_sees_them() {
    let world = World::new().await;
    world.member(ADDRESS, Role::Viewer).await;
    for number in 0..3 {
        let project = world.other_named(&format!("Project {number}")).await;
        let token = world.invite_to(project, ADDRESS).await;
        let password = format!("{OTHER_PASSWORD} {number}");
        world.newcomer(&token, &password).await.unwrap();
    }
    let project = world.other_named("One more").await;
    let token = world.invite_to(project, ADDRESS).await;
    let refused = world.newcomer(&token, "one password too many").await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))));
    // A link would be for one of them, and it is unknown which.
    let refused = password_reset::offer(world.app(), ADDRESS, false).await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))));
    assert!(
        password_reset::offer(world.app(), OWNER, false)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_account_that_shares_an_address_guesses_at_its_passwords_from_nowhere() {
    let world = World::new().await;
    let other = world.other_project().await;
    world.member(ADDRESS, Role::Viewer).await;
    world.sign_in_from(&visitor(9), ADDRESS, PASSWORD).await.unwrap();
    let token = world.invite_to(other, ADDRESS).await;
    world.newcomer(&token, OTHER_PASSWORD).await.unwrap();
    for number in 0..10 {
        let from = visitor(number + 10);
        let wrong = world.sign_in_from(&from, ADDRESS, "wrong wrong wrong").await;
        assert!(matches!(wrong, Err(SignInError::Wrong)));
    }
    // The squatter's network has no separate attempts.
    let limited = world
        .sign_in_from(&visitor(9), ADDRESS, "wrong wrong wrong")
        .await;
    assert!(matches!(limited, Err(SignInError::Limited { .. })));
}

#[tokio::test]
async fn an_administrator_never_has_a_password_that_someone_else_may_know() {
    let world = World::new().await;
    let squatter = world.member(ADDRESS, Role::Viewer).await;
    let admin = |address_proven| AccountPatch {
        is_instance_admin: Patch::Set(true),
        address_proven,
        ..AccountPatch::default()
    };
    let refused = world.change(squatter.account.id, admin(Patch::Keep)).await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))));
    let still = world.session(&squatter.token).await.unwrap();
    assert!(!still.account.is_instance_admin && !still.account.address_proven);
    // The operator's way forgets the password and ends the sessions before the link is used.
    let offered = password_reset::offer_fully(world.app(), ADDRESS, true).await;
    let offered = offered.unwrap().unwrap();
    assert!(offered.forgot_password);
    assert!(world.session(&squatter.token).await.is_none());
    let gone = world.sign_in(ADDRESS, PASSWORD).await;
    assert!(matches!(gone, Err(SignInError::Wrong)));
    let (owner, new) = (token_of(&offered.link), Secret::new(OTHER_PASSWORD));
    let begun = password_reset::complete(world.app(), &visitor(2), &owner, &new)
        .await
        .unwrap();
    assert!(begun.account.is_instance_admin && begun.account.address_proven);
    // In one change with the proof it is allowed: the password is removed with it.
    let other = world.member("alan@example.com", Role::Viewer).await;
    world
        .change(other.account.id, admin(Patch::Set(true)))
        .await
        .unwrap();
    let gone = world.sign_in("alan@example.com", PASSWORD).await;
    assert!(matches!(gone, Err(SignInError::Wrong)));
    // Whose address is proven keeps the password until the link is used.
    let again = password_reset::offer_fully(world.app(), OWNER, true).await;
    assert!(!again.unwrap().unwrap().forgot_password);
    world.sign_in(OWNER, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_link_to_set_a_password_ends_with_the_power_of_its_maker() {
    let world = World::new().await;
    let grace = world.member(ADDRESS, Role::Viewer).await;
    let second = world.member("alan@example.com", Role::Viewer).await;
    let admin = |is_admin| AccountPatch {
        is_instance_admin: Patch::Set(is_admin),
        ..AccountPatch::default()
    };
    let second = world.prove(&second, PASSWORD).await;
    world.change(second.account.id, admin(true)).await.unwrap();
    let alan = world.sign_in("alan@example.com", PASSWORD).await.unwrap();
    assert!(alan.account.address_proven);
    let as_alan = world.authority(&alan.token).await;
    let id = grace.account.id;
    let made = accounts::offer_password(world.app(), &as_alan, id).await.unwrap();
    let is_open = async |link: &str| {
        let found = password_reset::look(world.app(), &token_of(link)).await.unwrap();
        found.is_some()
    };
    assert!(is_open(&made).await);
    world.change(second.account.id, admin(false)).await.unwrap();
    assert!(!is_open(&made).await);
    let by_operator = password_reset::offer(world.app(), ADDRESS, false)
        .await
        .unwrap()
        .unwrap();
    assert!(is_open(&by_operator).await);
    let operator = Authority::operator(Origin::Cli);
    assert!(accounts::offer_password(world.app(), &operator, id).await.is_ok());
}

#[tokio::test]
async fn an_owner_who_is_removed_does_not_come_back_by_their_own_invitation() {
    let world = World::new().await;
    let mallory = world.member("mallory@example.com", Role::Owner).await;
    let as_mallory = world.authority(&mallory.token).await;
    let invite = async |email: &str| {
        let new = NewInvitation {
            email: email.to_owned(),
            role: Some(Role::Owner),
        };
        let made = invitations::create(world.app(), &as_mallory, world.project, new)
            .await
            .unwrap();
        token_of(made.link.expose())
    };
    let door = invite("mallory+2@example.com").await;
    let kept = world.invite("alan@example.com", Role::Viewer).await.unwrap();
    let owner = world.as_owner().await;
    crate::service::members::remove(
        world.app(),
        &owner,
        world.project,
        mallory.account.id,
        &IfMatch::Any,
    )
    .await
    .unwrap();
    let refused = world.newcomer(&door, PASSWORD).await;
    assert!(matches!(refused, Err(ServiceError::NotFound { .. })));
    // Those of others stay.
    assert!(world.newcomer(&kept, PASSWORD).await.is_ok());
}
