//! Codes and grants of members: they depend on the membership, the account and the mode of the gateway.

use gatewright_domain::{
    account::{Account, AccountStatus},
    gateway::{Authentication, Gateway},
    grant::{AuthorizationCode, Grant, Person, RevocationReason},
    member::Role,
};
use gatewright_store::{
    PageRequest, account, account_address,
    authorization_code::{self, Redemption},
    gateway::{self, GatewayWrite},
    grant::{self, Holder},
    member::{self, MemberWrite},
    refresh_token::{self, Proposal, Rotation},
    revocation::Denied,
};

use crate::{
    denials,
    fixtures::{CLIENT, Setting},
    world::{World, commit, contract, look},
};

contract!(
    a_members_code_is_issued_and_redeemed_during_membership,
    a_grant_depends_on_membership_account_and_mode,
    grants_of_members_and_users_are_listed_and_ended_separately,
    owners_are_named_for_strangers,
);

/// A gateway for the members of a project, and an owner and a member of it.
async fn members_gateway(world: &World, setting: &Setting) -> (Gateway, Account) {
    world.member(setting.project.id, Role::Owner).await;
    let person = world.member(setting.project.id, Role::Viewer).await;
    let mut gateway = world.new_gateway(setting.project.id, setting.source.id);
    gateway.authentication = Authentication::ProjectMembers;
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &gateway)),
        GatewayWrite::Done
    );
    (gateway, person)
}

fn code_of(world: &World, setting: &Setting, gateway: &Gateway, person: &Account) -> AuthorizationCode {
    AuthorizationCode {
        gateway_id: gateway.id,
        person: Person::Member(person.id),
        ..setting.new_code(world)
    }
}

async fn grant_of(world: &World, setting: &Setting, gateway: &Gateway, person: &Account) -> Grant {
    let made = Grant {
        gateway_id: gateway.id,
        person: Person::Member(person.id),
        ..setting.new_grant(world)
    };
    commit!(world, tx => grant::insert(tx, &made));
    made
}

async fn is_live(world: &World, made: &Grant) -> bool {
    let found = look!(world, tx => grant::find_live(tx, made.gateway_id, made.id, world.now()));
    found.is_some()
}

async fn a_members_code_is_issued_and_redeemed_during_membership(world: World) {
    let setting = world.setting().await;
    let (gateway, person) = members_gateway(&world, &setting).await;
    let code = code_of(&world, &setting, &gateway, &person);
    assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
    let redeemed = commit!(world, tx => authorization_code::redeem(tx, gateway.id, code.hash, world.now()));
    assert_eq!(redeemed, Redemption::Redeemed(Box::new(code)));

    // Not at a gateway for users of a source, and a user of a source cannot have one here.
    let misplaced = code_of(&world, &setting, &setting.gateway, &person);
    assert!(!commit!(world, tx => authorization_code::insert(tx, &misplaced)).is_done());
    let mut of_user = setting.new_code(&world);
    of_user.gateway_id = gateway.id;
    assert!(!commit!(world, tx => authorization_code::insert(tx, &of_user)).is_done());
    let stranger = world.account().await;
    let of_stranger = code_of(&world, &setting, &gateway, &stranger);
    assert!(!commit!(world, tx => authorization_code::insert(tx, &of_stranger)).is_done());

    let late = code_of(&world, &setting, &gateway, &person);
    assert!(commit!(world, tx => authorization_code::insert(tx, &late)).is_done());
    let removed = commit!(world, tx => member::remove(tx, setting.project.id, person.id));
    assert_eq!(removed, MemberWrite::Done);
    let redeemed = commit!(world, tx => authorization_code::redeem(tx, gateway.id, late.hash, world.now()));
    assert_eq!(redeemed, Redemption::Refused);
}

async fn a_grant_depends_on_membership_account_and_mode(world: World) {
    let setting = world.setting().await;
    let (gateway, person) = members_gateway(&world, &setting).await;
    let made = grant_of(&world, &setting, &gateway, &person).await;
    let (found, named) = look!(world, tx => grant::find_live(tx, gateway.id, made.id, world.now())).unwrap();
    assert_eq!(found, made);
    assert_eq!(named.subject, person.id.to_string());
    assert_eq!(named.email, None, "an inviter typed it");
    assert_eq!(named.display_name, Some(person.name.clone()));
    assert!(commit!(world, tx => account_address::prove(tx, person.id, world.now())));
    let (_, named) = look!(world, tx => grant::find_live(tx, gateway.id, made.id, world.now())).unwrap();
    assert_eq!(named.email.as_deref(), Some(person.email.as_str()));

    let token = world.new_token(&made);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let disable = AccountStatus::Disabled;
    commit!(world, tx => account::set_status(tx, person.id, disable, world.now()));
    assert!(!is_live(&world, &made).await);
    let next = world.new_token(&made);
    let sealed = gatewright_domain::stored_secret::SealedText("v1.k.next".to_owned());
    let proposal = Proposal {
        hash: next.hash,
        sealed: &sealed,
        expires_at: next.expires_at,
        generation: 2,
        access_token_ends_at: world.soon(),
        from: "192.0.2.0/24",
    };
    let rotate = async || {
        let (gateway, now) = (gateway.id, world.now());
        commit!(world, tx => refresh_token::rotate(tx, gateway, CLIENT, token.hash, &proposal, now))
    };
    assert_eq!(rotate().await, Rotation::Refused);
    commit!(world, tx => account::set_status(tx, person.id, AccountStatus::Active, world.now()));
    assert!(is_live(&world, &made).await);
    assert!(matches!(rotate().await, Rotation::Rotated(_)));

    let mut other = gateway.clone();
    other.authentication = Authentication::UserSource(setting.source.id);
    commit!(world, tx => gateway::update(tx, &other, gateway.updated_at));
    assert!(!is_live(&world, &made).await);
    commit!(world, tx => gateway::update(tx, &gateway, other.updated_at));
    assert!(is_live(&world, &made).await);
    commit!(world, tx => member::remove(tx, setting.project.id, person.id));
    assert!(!is_live(&world, &made).await);
}

async fn grants_of_members_and_users_are_listed_and_ended_separately(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let (gateway, person) = members_gateway(&world, &setting).await;
    let of_user = setting.grant(&world).await;
    let of_member = grant_of(&world, &setting, &gateway, &person).await;
    let page = PageRequest::first(50);
    let (user, member) = (Holder::User(setting.user.id), Holder::Member(person.id));
    let now = world.now();
    let listed = look!(world, tx => grant::list_of(tx, project, member, now, &page));
    assert_eq!(listed.items, std::slice::from_ref(&of_member));
    let listed = look!(world, tx => grant::list_of(tx, project, user, now, &page));
    assert_eq!(listed.items, std::slice::from_ref(&of_user));
    let found = look!(world, tx => grant::find_unrevoked(tx, project, user, of_member.id));
    assert_eq!(found, None);
    let found = look!(world, tx => grant::find_unrevoked(tx, project, member, of_member.id));
    assert_eq!(found, Some(of_member.clone()));

    let reason = RevocationReason::MemberRemoved;
    let stranger = world.project().await.id;
    let ended = commit!(world, tx => grant::revoke_of(tx, stranger, member, reason, now));
    assert_eq!(ended, 0);
    let ended = commit!(world, tx => grant::revoke_of(tx, project, member, reason, now));
    assert_eq!(ended, 1);
    assert!(!is_live(&world, &of_member).await && is_live(&world, &of_user).await);
    let denied = look!(world, tx => denials::denied(tx, now));
    assert!(denied.contains(&Denied::Grant(of_member.id)));
}

async fn owners_are_named_for_strangers(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    assert!(look!(world, tx => member::owner_names(tx, project, 3)).is_empty());
    let owner = world.member(project, Role::Owner).await;
    world.member(project, Role::Admin).await;
    let gone = world.member(project, Role::Owner).await;
    commit!(world, tx => account::set_status(tx, gone.id, AccountStatus::Disabled, world.now()));
    let named = look!(world, tx => member::owner_names(tx, project, 3));
    assert_eq!(named, [owner.name]);
}
