//! Accounts, their sessions and links, and members.

use std::time::Duration;

use gatewright_domain::{
    account::{AccountStatus, Email},
    account_link::{AccountLink, LinkPurpose},
    account_session::{IDLE_LIFE, MAX_LIFE, MAX_PER_ACCOUNT},
    audit::ActorKind,
    member::Role,
    password::PasswordHash,
    token_hash::TokenHash,
};
use gatewright_store::{
    PageRequest,
    account::{self, AccountWrite},
    account_link, account_session, directory, held_grants,
    member::{self, MemberWrite},
    project, project_contents, revision,
};

use crate::world::{World, commit, contract, is_taken, look};

contract!(
    an_account_is_found_by_its_address_ignoring_case,
    an_address_is_one_account,
    accounts_are_found_by_name_and_address,
    the_first_account_is_created_once,
    a_session_is_valid_until_it_ends,
    a_new_password_ends_every_session_and_link,
    a_session_begun_with_an_old_password_is_refused,
    beyond_fifty_sessions_the_oldest_are_ended,
    a_disabled_account_has_no_session_and_is_not_in_the_directory,
    the_last_instance_admin_stays,
    a_person_at_the_provider_has_one_account,
    members_are_added_changed_and_removed,
    the_last_owner_stays,
    a_link_is_used_once,
    expired_ones_are_deleted,
    a_project_takes_its_members_with_it,
    what_is_deleted_with_a_project_is_counted,
    removing_a_password_ends_every_session,
);

fn page() -> PageRequest {
    PageRequest::first(50)
}

async fn an_account_is_found_by_its_address_ignoring_case(world: World) {
    let made = world.account().await;
    let typed = Email::check("", &made.email.as_str().to_uppercase()).unwrap();
    assert_eq!(
        look!(world, tx => account::find_by_email(tx, &typed)),
        Some(made.clone())
    );
    let hash = look!(world, tx => account::find_password(tx, made.id)).unwrap();
    assert_eq!(hash.expose(), "$argon2id$first");
    assert_eq!(look!(world, tx => account::list(tx, &page())).items, [made]);
    let nobody = Email::check("", "nobody@example.com").unwrap();
    assert_eq!(look!(world, tx => account::find_by_email(tx, &nobody)), None);
}

async fn accounts_are_found_by_name_and_address(world: World) {
    let (ada, grace) = (world.account().await, world.account().await);
    let now = world.now();
    assert!(commit!(world, tx => account::rename(tx, ada.id, "Ada_Lovelace", now)));
    assert!(commit!(world, tx => account::rename(tx, grace.id, "Grace Hopper", now)));
    let address = grace.email.as_str().to_uppercase();
    for (text, found) in [
        ("ADA_", vec![ada.id]),
        ("_", vec![ada.id]),
        ("hopper", vec![grace.id]),
        (&address, vec![grace.id]),
        ("nobody", vec![]),
    ] {
        let these = look!(world, tx => account::search(tx, text, &page()));
        let ids: Vec<_> = these.items.iter().map(|account| account.id).collect();
        assert_eq!(ids, found, "{text}");
    }
    let all = look!(world, tx => account::search(tx, "", &page())).items;
    assert_eq!(all.len(), 2);
}

async fn an_address_is_one_account(world: World) {
    let made = world.account().await;
    let mut other = world.new_account();
    other.email = Email::check("", &made.email.as_str().to_uppercase()).unwrap();
    let mut tx = world.write().await;
    assert!(is_taken(&account::insert(&mut tx, &other, None).await, "email"));
}

async fn the_first_account_is_created_once(world: World) {
    assert!(!look!(world, tx => account::has_first(tx)));
    let (one, other) = (world.account().await, world.account().await);
    let now = world.now();
    assert!(commit!(world, tx => account::claim_first(tx, one.id, now)));
    assert!(!commit!(world, tx => account::claim_first(tx, other.id, now)));
    assert!(look!(world, tx => account::has_first(tx)));
}

async fn a_session_is_valid_until_it_ends(world: World) {
    let account = world.account().await;
    let session = world.session(&account).await;
    let (now, hash) = (world.now(), session.hash);
    let found = look!(world, tx => account_session::find_live(tx, hash, now));
    assert_eq!(found, Some((session.clone(), account.clone())));
    let unknown = TokenHash::of("unknown");
    assert!(look!(world, tx => account_session::find_live(tx, unknown, now)).is_none());

    let idle = now.plus(IDLE_LIFE);
    assert!(look!(world, tx => account_session::find_live(tx, hash, idle)).is_none());
    let used = idle.minus(Duration::from_secs(1));
    commit!(world, tx => account_session::note_seen(tx, session.id, used));
    assert!(look!(world, tx => account_session::find_live(tx, hash, idle)).is_some());
    let over = now.plus(MAX_LIFE);
    commit!(world, tx => account_session::note_seen(tx, session.id, over));
    assert!(look!(world, tx => account_session::find_live(tx, hash, over)).is_none());

    let other = world.account().await;
    assert!(!commit!(world, tx => account_session::end(tx, other.id, session.id)));
    let second = world.session(&account).await;
    assert_eq!(
        look!(world, tx => account_session::list(tx, account.id, now)).len(),
        2
    );
    assert_eq!(
        commit!(world, tx => account_session::end_others(tx, account.id, second.id)),
        1
    );
    assert_eq!(
        commit!(world, tx => account_session::end_by_hash(tx, second.hash)),
        Some(account.id)
    );
    assert_eq!(
        commit!(world, tx => account_session::end_by_hash(tx, second.hash)),
        None
    );
    assert!(look!(world, tx => account_session::list(tx, account.id, now)).is_empty());
}

async fn a_new_password_ends_every_session_and_link(world: World) {
    let account = world.account().await;
    let session = world.session(&account).await;
    let now = world.now();
    let link = AccountLink {
        hash: TokenHash::of("reset"),
        purpose: LinkPurpose::ResetPassword(account.id),
        created_at: now,
        expires_at: now.plus(Duration::from_hours(1)),
    };
    commit!(world, tx => account_link::insert(tx, &link, ActorKind::Operator));
    let hash = PasswordHash::new("$argon2id$second".to_owned());
    let epoch = commit!(world, tx => account::set_password(tx, account.id, &hash, now)).unwrap();
    assert_eq!(epoch, account.session_epoch + 1);
    assert!(look!(world, tx => account_session::find_live(tx, session.hash, now)).is_none());
    assert_eq!(
        commit!(world, tx => account_link::redeem(tx, link.hash, now)),
        None
    );
    // The session that changed it continues, in the new epoch.
    assert!(commit!(world, tx => account_session::keep(tx, &session, epoch)));
    assert!(look!(world, tx => account_session::find_live(tx, session.hash, now)).is_some());

    // A hash with another cost is written only over the one it replaces, and ends nothing.
    let first = PasswordHash::new("$argon2id$first".to_owned());
    assert!(!commit!(world, tx => account::rehash(tx, account.id, &first, &hash)));
    let costly = PasswordHash::new("$argon2id$costly".to_owned());
    assert!(commit!(world, tx => account::rehash(tx, account.id, &hash, &costly)));
    assert!(look!(world, tx => account_session::find_live(tx, session.hash, now)).is_some());
}

async fn a_session_begun_with_an_old_password_is_refused(world: World) {
    let account = world.account().await;
    let session = world.new_session(&account);
    commit!(world, tx => account::end_sessions(tx, account.id));
    assert!(!commit!(world, tx => account_session::begin(tx, &session)));
}

async fn beyond_fifty_sessions_the_oldest_are_ended(world: World) {
    let account = world.account().await;
    let first = world.session(&account).await;
    for _ in 0..MAX_PER_ACCOUNT {
        world.clock.advance(Duration::from_secs(1));
        world.session(&account).await;
    }
    let now = world.now();
    let live = look!(world, tx => account_session::list(tx, account.id, now));
    assert_eq!(u32::try_from(live.len()).unwrap(), MAX_PER_ACCOUNT);
    assert!(look!(world, tx => account_session::find_live(tx, first.hash, now)).is_none());
}

async fn a_disabled_account_has_no_session_and_is_not_in_the_directory(world: World) {
    let project = world.project().await;
    let account = world.member(project.id, Role::Viewer).await;
    let session = world.session(&account).await;
    let now = world.now();
    let members = look!(world, tx => directory::read(tx)).members;
    assert_eq!(members, [(project.id, account.id)]);
    let before = look!(world, tx => revision::read(tx));
    let disabled = AccountStatus::Disabled;
    assert_eq!(
        commit!(world, tx => account::set_status(tx, account.id, disabled, now)),
        AccountWrite::Done
    );
    assert!(look!(world, tx => revision::read(tx)) > before);
    assert!(look!(world, tx => account_session::find_live(tx, session.hash, now)).is_none());
    assert!(!commit!(world, tx => account_session::begin(tx, &world.new_session(&account))));
    assert!(look!(world, tx => directory::read(tx)).members.is_empty());
    let hash = PasswordHash::new("$argon2id$x".to_owned());
    assert_eq!(
        commit!(world, tx => account::set_password(tx, account.id, &hash, now)),
        None
    );
    commit!(world, tx => account::set_status(tx, account.id, AccountStatus::Active, now));
    assert_eq!(look!(world, tx => directory::read(tx)).members.len(), 1);
}

async fn the_last_instance_admin_stays(world: World) {
    let admin = world.instance_admin().await;
    let now = world.now();
    let (id, disabled) = (admin.id, AccountStatus::Disabled);
    let refused = AccountWrite::LastInstanceAdmin;
    assert_eq!(
        commit!(world, tx => account::set_instance_admin(tx, id, false, now)),
        refused
    );
    assert_eq!(
        commit!(world, tx => account::set_status(tx, id, disabled, now)),
        refused
    );
    let other = world.account().await;
    let done = AccountWrite::Done;
    assert_eq!(
        commit!(world, tx => account::set_status(tx, other.id, disabled, now)),
        done
    );
    assert_eq!(
        commit!(world, tx => account::set_status(tx, other.id, AccountStatus::Active, now)),
        done
    );
    assert_eq!(
        commit!(world, tx => account::set_instance_admin(tx, other.id, true, now)),
        done
    );
    assert_eq!(
        commit!(world, tx => account::set_instance_admin(tx, id, false, now)),
        done
    );
}

async fn a_person_at_the_provider_has_one_account(world: World) {
    let (one, other) = (world.account().await, world.account().await);
    let (issuer, now) = ("https://id.example.com", world.now());
    assert!(commit!(world, tx => account::link_identity(tx, one.id, issuer, "1", now)));
    assert!(!commit!(world, tx => account::link_identity(tx, other.id, issuer, "1", now)));
    let found = look!(world, tx => account::find_by_identity(tx, issuer, "1"));
    assert_eq!(found.map(|account| account.id), Some(one.id));
    let elsewhere = look!(world, tx => account::find_by_identity(tx, "https://id.example.com/", "1"));
    assert_eq!(elsewhere, None);
    assert!(look!(world, tx => account::has_identity(tx, one.id, issuer)));
    assert!(!look!(world, tx => account::has_identity(tx, other.id, issuer)));
}

async fn members_are_added_changed_and_removed(world: World) {
    let (project, other) = (world.project().await, world.project().await);
    let owner = world.member(project.id, Role::Owner).await;
    let viewer = world.member(project.id, Role::Viewer).await;
    let again = world.new_member(project.id, viewer.id, Role::Owner);
    assert!(!commit!(world, tx => member::insert(tx, &again)));
    let listed = look!(world, tx => member::list(tx, project.id, &page())).items;
    let roles: Vec<_> = listed
        .iter()
        .map(|(member, account)| (account.id, member.role))
        .collect();
    assert_eq!(roles, [(owner.id, Role::Owner), (viewer.id, Role::Viewer)]);
    let now = world.now();
    let change = |project, role| (project, viewer.id, role);
    for ((in_project, id, role), expected) in [
        (change(other.id, Role::Owner), MemberWrite::Missing),
        (change(project.id, Role::Viewer), MemberWrite::Same),
        (change(project.id, Role::Admin), MemberWrite::Done),
    ] {
        let write = commit!(world, tx => member::change_role(tx, in_project, id, role, now));
        assert_eq!(write, expected);
    }
    let of_viewer = look!(world, tx => member::memberships(tx, viewer.id));
    assert_eq!(of_viewer[0].role, Role::Admin);
    assert_eq!(of_viewer[0].project_name, project.name);
    let projects = look!(world, tx => project::list_of_account(tx, viewer.id, &page())).items;
    assert_eq!(projects, std::slice::from_ref(&project));
    let before = look!(world, tx => revision::read(tx));
    let removed = commit!(world, tx => member::remove(tx, project.id, viewer.id));
    assert_eq!(removed, MemberWrite::Done);
    assert!(look!(world, tx => revision::read(tx)) > before);
    assert_eq!(look!(world, tx => member::find(tx, project.id, viewer.id)), None);
    let removed = commit!(world, tx => member::remove(tx, project.id, viewer.id));
    assert_eq!(removed, MemberWrite::Missing);
}

async fn the_last_owner_stays(world: World) {
    let project = world.project().await;
    let owner = world.member(project.id, Role::Owner).await;
    let now = world.now();
    let demote = Role::Admin;
    assert_eq!(
        commit!(world, tx => member::change_role(tx, project.id, owner.id, demote, now)),
        MemberWrite::LastOwner
    );
    assert_eq!(
        commit!(world, tx => member::remove(tx, project.id, owner.id)),
        MemberWrite::LastOwner
    );
    // An owner who cannot sign in does not count as an owner left behind.
    let second = world.member(project.id, Role::Owner).await;
    commit!(world, tx => account::set_status(tx, second.id, AccountStatus::Disabled, now));
    assert_eq!(
        commit!(world, tx => member::remove(tx, project.id, owner.id)),
        MemberWrite::LastOwner
    );
    commit!(world, tx => account::set_status(tx, second.id, AccountStatus::Active, now));
    assert!(look!(world, tx => member::has_owner(tx, project.id)));
    assert_eq!(
        commit!(world, tx => member::remove(tx, project.id, owner.id)),
        MemberWrite::Done
    );
}

async fn a_link_is_used_once(world: World) {
    let now = world.now();
    let link = AccountLink {
        hash: TokenHash::of("setup"),
        purpose: LinkPurpose::Setup,
        created_at: now,
        expires_at: now.plus(Duration::from_hours(1)),
    };
    commit!(world, tx => account_link::insert(tx, &link, ActorKind::Operator));
    let (hash, late) = (link.hash, link.expires_at);
    assert_eq!(
        look!(world, tx => account_link::find(tx, hash, now)),
        Some(LinkPurpose::Setup)
    );
    assert_eq!(look!(world, tx => account_link::find(tx, hash, late)), None);
    assert_eq!(commit!(world, tx => account_link::redeem(tx, hash, late)), None);
    assert_eq!(
        commit!(world, tx => account_link::redeem(tx, hash, now)),
        Some(LinkPurpose::Setup)
    );
    assert_eq!(commit!(world, tx => account_link::redeem(tx, hash, now)), None);
}

async fn expired_ones_are_deleted(world: World) {
    let account = world.account().await;
    world.session(&account).await;
    let now = world.now();
    let link = AccountLink {
        hash: TokenHash::of("setup"),
        purpose: LinkPurpose::Setup,
        created_at: now,
        expires_at: now.plus(Duration::from_hours(1)),
    };
    commit!(world, tx => account_link::insert(tx, &link, ActorKind::Operator));
    assert_eq!(commit!(world, tx => account_session::prune(tx, now, 10)), 0);
    assert_eq!(commit!(world, tx => account_link::prune(tx, now, 10)), 0);
    let late = now.plus(IDLE_LIFE);
    assert_eq!(commit!(world, tx => account_session::prune(tx, late, 10)), 1);
    assert_eq!(commit!(world, tx => account_link::prune(tx, late, 10)), 1);
}

async fn a_project_takes_its_members_with_it(world: World) {
    let project = world.project().await;
    let owner = world.member(project.id, Role::Owner).await;
    let invitation = world.new_invitation(project.id, &owner.email);
    commit!(world, tx => gatewright_store::invitation::insert(tx, &invitation, ActorKind::Operator));
    assert!(commit!(world, tx => project::delete(tx, project.id)));
    assert!(look!(world, tx => member::memberships(tx, owner.id)).is_empty());
    let found = look!(world, tx => gatewright_store::invitation::find_by_hash(tx, invitation.hash));
    assert_eq!(found, None);
    assert!(look!(world, tx => account::find(tx, owner.id)).is_some());
}

async fn what_is_deleted_with_a_project_is_counted(world: World) {
    let setting = world.setting().await;
    let grant = setting.grant(&world).await;
    let id = setting.project.id;
    world.member(id, Role::Owner).await;
    world.server(id).await;
    world.setting().await;
    let now = world.now();
    let counted = look!(world, tx => project_contents::count(tx, id));
    assert_eq!(
        (counted.gateways, counted.user_sources, counted.servers),
        (1, 1, 1)
    );
    assert_eq!((counted.users, counted.members), (1, 1));
    assert_eq!((counted.secrets, counted.api_keys), (0, 0));
    assert_eq!(
        look!(world, tx => held_grants::count_of_project(tx, id, now)).live,
        1
    );
    let later = grant.ends_at;
    assert_eq!(
        look!(world, tx => held_grants::count_of_project(tx, id, later)).all(),
        0
    );
}

async fn removing_a_password_ends_every_session(world: World) {
    let account = world.account().await;
    let session = world.session(&account).await;
    let now = world.now();
    let epoch = commit!(world, tx => account::forget_password(tx, account.id, now));
    assert_eq!(epoch, Some(account.session_epoch + 1));
    assert!(look!(world, tx => account_session::find_live(tx, session.hash, now)).is_none());
    let found = look!(world, tx => account::find(tx, account.id)).unwrap();
    assert!(!found.has_password);
    assert_eq!(look!(world, tx => account::find_password(tx, account.id)), None);
}
