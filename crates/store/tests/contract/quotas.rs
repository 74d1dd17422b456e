//! Counting what a project has, in the transaction that adds to it.

use std::time::Duration;

use gatewright_domain::{
    account::Email,
    api_key::{KeyRole, KeyScope},
    audit::ActorKind,
};
use gatewright_store::{
    api_key, invitation,
    quota::{Counted, count},
    revision, server,
};

use crate::world::{World, commit, contract, look};

contract!(
    each_project_counts_its_own,
    of_many_transactions_at_once_only_as_many_as_fit_are_written,
    invitations_count_while_they_are_open,
    a_rotated_key_counts_where_its_successor_does_not_work,
);

fn email(text: &str) -> Email {
    Email::check("/email", text).unwrap()
}

async fn each_project_counts_its_own(world: World) {
    let (one, other) = (world.project().await.id, world.project().await.id);
    let source = world.source(one).await;
    world.server(one).await;
    world.server(one).await;
    world.server(other).await;
    world.gateway(&source).await;
    for (what, ours, theirs) in [
        (Counted::Servers, 2, 1),
        (Counted::Gateways, 1, 0),
        (Counted::UserSources, 1, 0),
        (Counted::Slugs, 1, 0),
        (Counted::Secrets, 0, 0),
        (Counted::ApiKeys, 0, 0),
        (Counted::Members, 0, 0),
        (Counted::Clients, 0, 0),
    ] {
        let now = world.now();
        assert_eq!(look!(world, tx => count(tx, one, what, now)), ours, "{what:?}");
        assert_eq!(
            look!(world, tx => count(tx, other, what, now)),
            theirs,
            "{what:?}"
        );
    }
}

async fn of_many_transactions_at_once_only_as_many_as_fit_are_written(world: World) {
    const QUOTA: i64 = 3;
    let project = world.project().await.id;
    let mut adding = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (world, new) = (world.clone(), world.new_server(project));
        adding.spawn(async move {
            let mut tx = world.write().await;
            revision::bump(&mut tx).await.unwrap();
            server::insert(&mut tx, &new).await.unwrap();
            let fits = count(&mut tx, project, Counted::Servers, world.now())
                .await
                .unwrap()
                <= QUOTA;
            if fits {
                tx.commit().await.unwrap();
            }
            fits
        });
    }
    let written = adding.join_all().await.into_iter().filter(|fits| *fits).count();
    assert_eq!(i64::try_from(written).unwrap(), QUOTA);
    let now = world.now();
    assert_eq!(
        look!(world, tx => count(tx, project, Counted::Servers, now)),
        QUOTA
    );
}

async fn invitations_count_while_they_are_open(world: World) {
    let project = world.project().await.id;
    let open = world.new_invitation(project, &email("ada@example.com"));
    let revoked = world.new_invitation(project, &email("bob@example.com"));
    commit!(world, tx => invitation::insert(tx, &open, ActorKind::Operator));
    commit!(world, tx => invitation::insert(tx, &revoked, ActorKind::Operator));
    let now = world.now();
    assert_eq!(look!(world, tx => count(tx, project, Counted::Members, now)), 2);
    commit!(world, tx => invitation::revoke(tx, project, revoked.id, now));
    assert_eq!(look!(world, tx => count(tx, project, Counted::Members, now)), 1);
    world.clock.advance(Duration::from_hours(24 * 365));
    let later = world.now();
    assert_eq!(look!(world, tx => count(tx, project, Counted::Members, later)), 0);
}

async fn a_rotated_key_counts_where_its_successor_does_not_work(world: World) {
    let project = world.project().await.id;
    let scope = KeyScope::Project {
        project_id: project,
        role: KeyRole::Viewer,
        gateway_id: None,
    };
    let (old, new) = (world.new_key(scope), world.new_key(scope));
    commit!(world, tx => api_key::insert(tx, &old));
    commit!(world, tx => api_key::insert(tx, &new));
    let now = world.now();
    let end = now.plus(Duration::from_hours(24));
    assert_eq!(look!(world, tx => count(tx, project, Counted::ApiKeys, now)), 2);
    commit!(world, tx => api_key::rotate(tx, Some(project), old.id, new.id, end, now));
    assert_eq!(look!(world, tx => count(tx, project, Counted::ApiKeys, now)), 1);
    // Otherwise one could revoke the new one, create another, and so on.
    commit!(world, tx => api_key::revoke(tx, Some(project), new.id, now));
    assert_eq!(look!(world, tx => count(tx, project, Counted::ApiKeys, now)), 1);
    assert_eq!(look!(world, tx => count(tx, project, Counted::ApiKeys, end)), 0);
}
