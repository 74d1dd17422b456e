//! Accounts of one address: several until one of them is proven.

use gatewright_domain::{
    account::{Account, AccountStatus, Email},
    id::ProjectId,
    member::Role,
    password::PasswordHash,
};
use gatewright_store::{account, account_address, member};

use crate::world::{World, commit, contract, is_taken, look};

contract!(
    several_unproven_accounts_can_have_one_address,
    a_proven_address_is_one_account,
    proving_gathers_the_memberships_of_an_address,
    only_an_account_without_access_is_deleted,
);

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

fn of(world: &World, email: &Email) -> Account {
    Account {
        email: email.clone(),
        ..world.new_account()
    }
}

async fn beside(world: &World, email: &Email, password: &str) -> Account {
    let made = of(world, email);
    let hash = hash(password);
    commit!(world, tx => account_address::insert_unproven(tx, &made, &hash));
    made
}

async fn join(world: &World, project: ProjectId, account: &Account, role: Role) {
    let member = world.new_member(project, account.id, role);
    assert!(commit!(world, tx => member::insert(tx, &member)));
}

async fn several_unproven_accounts_can_have_one_address(world: World) {
    let email = world.new_account().email;
    let shouted = Email::check("", &email.as_str().to_uppercase()).unwrap();
    let first = beside(&world, &email, "one").await;
    let second = beside(&world, &shouted, "two").await;
    let neighbour = world.account().await;
    let listed = look!(world, tx => account_address::list(tx, &email));
    assert_eq!(listed, [first.clone(), second.clone()]);
    let found = look!(world, tx => account_address::credentials(tx, &shouted));
    let hashes: Vec<_> = found
        .iter()
        .map(|(_, hash)| hash.as_ref().unwrap().expose())
        .collect();
    assert_eq!(hashes, ["one", "two"]);
    let alone = look!(world, tx => account_address::list(tx, &neighbour.email));
    assert_eq!(alone, [neighbour]);
    for _ in 2..account_address::MAX_OF_ADDRESS {
        beside(&world, &email, "more").await;
    }
    let (one_more, hash) = (of(&world, &email), hash("more"));
    let mut tx = world.write().await;
    let refused = account_address::insert_unproven(&mut tx, &one_more, &hash).await;
    assert!(is_taken(&refused, "email"));
}

async fn a_proven_address_is_one_account(world: World) {
    let email = world.new_account().email;
    let first = beside(&world, &email, "one").await;
    let now = world.now();
    assert!(commit!(world, tx => account_address::prove(tx, first.id, now)));
    assert!(!commit!(world, tx => account_address::prove(tx, first.id, now)));
    let (second, hash) = (of(&world, &email), hash("two"));
    let mut tx = world.write().await;
    let beside = account_address::insert_unproven(&mut tx, &second, &hash).await;
    assert!(is_taken(&beside, "email"));
    assert!(is_taken(&account::insert(&mut tx, &second, None).await, "email"));
}

async fn proving_gathers_the_memberships_of_an_address(world: World) {
    let (here, there) = (world.project().await, world.project().await);
    let email = world.new_account().email;
    let first = beside(&world, &email, "one").await;
    let second = beside(&world, &email, "two").await;
    let session = world.session(&first).await;
    join(&world, here.id, &first, Role::Owner).await;
    join(&world, there.id, &second, Role::Viewer).await;
    let now = world.now();
    assert!(commit!(world, tx => account_address::prove(tx, second.id, now)));
    let listed = look!(world, tx => account_address::list(tx, &email));
    assert_eq!(listed.len(), 1);
    assert!(listed[0].id == second.id && listed[0].address_proven);
    assert_eq!(
        look!(world, tx => account::find_by_email(tx, &email)).map(|found| found.id),
        Some(second.id)
    );
    let memberships = look!(world, tx => member::memberships(tx, second.id));
    let mut roles: Vec<_> = memberships.iter().map(|one| (one.project_id, one.role)).collect();
    roles.sort_unstable();
    assert_eq!(roles, [(here.id, Role::Owner), (there.id, Role::Viewer)]);
    assert!(look!(world, tx => account::find(tx, first.id)).is_none());
    let found = look!(world, tx => gatewright_store::account_session::find_live(tx, session.hash, now));
    assert!(found.is_none());
}

async fn only_an_account_without_access_is_deleted(world: World) {
    let project = world.project().await;
    let email = world.new_account().email;
    beside(&world, &email, "empty").await;
    let member = beside(&world, &email, "member").await;
    let disabled = beside(&world, &email, "disabled").await;
    join(&world, project.id, &member, Role::Viewer).await;
    let now = world.now();
    commit!(world, tx => account::set_status(tx, disabled.id, AccountStatus::Disabled, now));
    assert_eq!(commit!(world, tx => account_address::delete_empty(tx, &email)), 1);
    let listed = look!(world, tx => account_address::list(tx, &email));
    let ids: Vec<_> = listed.iter().map(|found| found.id).collect();
    assert_eq!(ids, [member.id, disabled.id]);
}
