//! Races about accounts: many at once, over two stores on the same data, like two replicas.

use gatewright_domain::{account::AccountStatus, audit::ActorKind, member::Role, password::PasswordHash};
use gatewright_store::{
    PageRequest,
    account::{self, AccountWrite},
    account_session, invitation,
    member::{self, MemberWrite},
};

use crate::{
    races::all_at_once,
    world::{World, commit, contract, look},
};

contract!(
    first_starts_make_one_account,
    an_invitation_is_accepted_by_one_of_many,
    two_owners_cannot_both_be_removed,
    two_instance_admins_cannot_both_be_removed,
    no_session_survives_a_change_of_password,
);

async fn first_starts_make_one_account(world: World) {
    let candidates: Vec<_> = (0..20).map(|_| world.new_account()).collect();
    let now = world.now();
    let outcomes = all_at_once(&world, candidates.len(), |number, store| {
        let candidate = candidates[number].clone();
        async move {
            let mut tx = store.write().await.unwrap();
            account::insert(&mut tx, &candidate, None).await.unwrap();
            let is_first = account::claim_first(&mut tx, candidate.id, now).await.unwrap();
            // The second one has created nothing.
            if is_first {
                tx.commit().await.unwrap();
            }
            is_first
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|is_first| **is_first).count(), 1);
    let page = PageRequest::first(50);
    assert_eq!(look!(world, tx => account::list(tx, &page)).items.len(), 1);
}

async fn an_invitation_is_accepted_by_one_of_many(world: World) {
    let project = world.project().await;
    let ada = world.account().await;
    let made = world.new_invitation(project.id, &ada.email);
    commit!(world, tx => invitation::insert(tx, &made, ActorKind::Operator));
    let (now, hash) = (world.now(), made.hash);
    let outcomes = all_at_once(&world, 20, |_, store| {
        let ada = ada.clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let accepted = invitation::accept(&mut tx, hash, &ada.email, ada.id, now)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            accepted.is_some()
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|accepted| **accepted).count(), 1);
}

async fn two_owners_cannot_both_be_removed(world: World) {
    let now = world.now();
    for _ in 0..10 {
        let project = world.project().await;
        let owners = [
            world.member(project.id, Role::Owner).await.id,
            world.member(project.id, Role::Owner).await.id,
        ];
        let outcomes = all_at_once(&world, 2, |number, store| async move {
            let mut tx = store.write().await.unwrap();
            let outcome = if number == 0 {
                member::remove(&mut tx, project.id, owners[number]).await
            } else {
                member::change_role(&mut tx, project.id, owners[number], Role::Viewer, now).await
            };
            tx.commit().await.unwrap();
            outcome.unwrap()
        })
        .await;
        let gone = outcomes.iter().filter(|outcome| **outcome == MemberWrite::Done);
        assert_eq!(gone.count(), 1, "{outcomes:?}");
        assert!(look!(world, tx => member::has_owner(tx, project.id)));
    }
}

async fn two_instance_admins_cannot_both_be_removed(world: World) {
    let now = world.now();
    let admins = [world.instance_admin().await.id, world.instance_admin().await.id];
    let outcomes = all_at_once(&world, 2, |number, store| async move {
        let mut tx = store.write().await.unwrap();
        let outcome = if number == 0 {
            account::set_status(&mut tx, admins[number], AccountStatus::Disabled, now).await
        } else {
            account::set_instance_admin(&mut tx, admins[number], false, now).await
        };
        tx.commit().await.unwrap();
        outcome.unwrap()
    })
    .await;
    let gone = outcomes.iter().filter(|outcome| **outcome == AccountWrite::Done);
    assert_eq!(gone.count(), 1, "{outcomes:?}");
}

/// Sign-ins verified the old password before it was changed, and finish in any order.
async fn no_session_survives_a_change_of_password(world: World) {
    let account = world.account().await;
    let sessions: Vec<_> = (0..10).map(|_| world.new_session(&account)).collect();
    let (now, id) = (world.now(), account.id);
    all_at_once(&world, 11, |number, store| {
        let session = sessions.get(number).cloned();
        async move {
            let mut tx = store.write().await.unwrap();
            if let Some(session) = session {
                account_session::begin(&mut tx, &session).await.unwrap();
            } else {
                let hash = PasswordHash::new("$argon2id$new".to_owned());
                account::set_password(&mut tx, id, &hash, now).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
    })
    .await;
    for session in sessions {
        let live = look!(world, tx => account_session::find_live(tx, session.hash, now));
        assert_eq!(live, None);
    }
}
