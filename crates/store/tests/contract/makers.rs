//! Links and invitations end with their creators.

use std::time::Duration;

use gatewright_domain::{
    account::AccountStatus,
    account_link::{AccountLink, LinkPurpose},
    api_key::KeyScope,
    audit::ActorKind,
    id::AccountId,
    invitation::InvitationStatus,
    token_hash::TokenHash,
};
use gatewright_store::{account, account_link, invitation};

use crate::world::{World, commit, contract, look};

contract!(
    a_password_link_ends_with_the_power_of_its_maker,
    invitations_of_a_maker_are_revoked_in_one_project_or_in_all,
    invitations_of_a_maker_expire_no_later_than_it,
);

async fn link_for(world: &World, account: AccountId, maker: ActorKind) -> TokenHash {
    let now = world.now();
    let link = AccountLink {
        hash: TokenHash::of(&format!("link {account} {maker}")),
        purpose: LinkPurpose::ResetPassword(account),
        created_at: now,
        expires_at: now.plus(Duration::from_hours(1)),
    };
    commit!(world, tx => account_link::insert(tx, &link, maker));
    link.hash
}

async fn a_password_link_ends_with_the_power_of_its_maker(world: World) {
    // Another administrator stays, so that the instance keeps one.
    world.instance_admin().await;
    let now = world.now();
    for case in ["disabled", "no administrator", "sessions ended", "untouched"] {
        let (maker, owner) = (world.instance_admin().await, world.account().await);
        let hash = link_for(&world, owner.id, ActorKind::Account(maker.id)).await;
        match case {
            "disabled" => {
                commit!(world, tx => account::set_status(tx, maker.id, AccountStatus::Disabled, now));
            }
            "no administrator" => {
                commit!(world, tx => account::set_instance_admin(tx, maker.id, false, now));
            }
            "sessions ended" => {
                commit!(world, tx => account::end_sessions(tx, maker.id));
            }
            _ => {}
        }
        let taken = commit!(world, tx => account_link::redeem(tx, hash, now));
        let expected = (case == "untouched").then_some(LinkPurpose::ResetPassword(owner.id));
        assert_eq!(taken, expected, "{case}");
    }
    // A link created by the operator depends on no account.
    let owner = world.account().await;
    let hash = link_for(&world, owner.id, ActorKind::Operator).await;
    assert!(commit!(world, tx => account_link::redeem(tx, hash, now)).is_some());
}

async fn invitations_of_a_maker_are_revoked_in_one_project_or_in_all(world: World) {
    let (here, there) = (world.project().await, world.project().await);
    let (maker, other) = (world.account().await, world.account().await);
    let (by, by_other) = (ActorKind::Account(maker.id), ActorKind::Account(other.id));
    let invited = world.new_account();
    let (first, second) = (
        world.new_invitation(here.id, &invited.email),
        world.new_invitation(there.id, &invited.email),
    );
    let third = world.new_invitation(here.id, &other.email);
    commit!(world, tx => invitation::insert(tx, &first, by));
    commit!(world, tx => invitation::insert(tx, &second, by));
    commit!(world, tx => invitation::insert(tx, &third, by_other));
    let now = world.now();
    let revoked = commit!(world, tx => invitation::revoke_of(tx, Some(here.id), by, now));
    let ids: Vec<_> = revoked.iter().map(|one| one.id).collect();
    assert_eq!(ids, [first.id]);
    assert!(look!(world, tx => invitation::is_invited(tx, &invited.email, now)));
    let revoked = commit!(world, tx => invitation::revoke_of(tx, None, by, now));
    assert_eq!(revoked.len(), 1);
    assert!(!look!(world, tx => invitation::is_invited(tx, &invited.email, now)));
    let status = look!(world, tx => invitation::find(tx, here.id, third.id))
        .unwrap()
        .status(now);
    assert_eq!(status, InvitationStatus::Open);
}

async fn invitations_of_a_maker_expire_no_later_than_it(world: World) {
    let project = world.project().await;
    let key = world.new_key(KeyScope::Instance);
    let by = ActorKind::ApiKey(key.id);
    let made = world.new_invitation(project.id, &world.new_account().email);
    commit!(world, tx => invitation::insert(tx, &made, by));
    let end = world.now().plus(Duration::from_hours(1));
    for at in [end, made.expires_at] {
        commit!(world, tx => invitation::shorten_of(tx, by, at));
        let found = look!(world, tx => invitation::find(tx, project.id, made.id)).unwrap();
        assert_eq!(found.expires_at, end);
    }
}
