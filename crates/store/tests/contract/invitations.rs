//! Invitations.

use gatewright_domain::{account::Email, audit::ActorKind, invitation::InvitationStatus};
use gatewright_store::{PageRequest, invitation};

use crate::world::{World, commit, contract, look};

contract!(
    an_invitation_is_accepted_once_and_by_its_address_only,
    revoked_and_expired_invitations_are_not_accepted,
    a_newer_invitation_takes_the_place_of_an_older_one,
    another_project_sees_nothing,
);

async fn an_invitation_is_accepted_once_and_by_its_address_only(world: World) {
    let project = world.project().await;
    let (ada, eve) = (world.account().await, world.account().await);
    let made = world.new_invitation(project.id, &ada.email);
    commit!(world, tx => invitation::insert(tx, &made, ActorKind::Operator));
    let (hash, now) = (made.hash, world.now());
    assert!(look!(world, tx => invitation::is_invited(tx, &ada.email, now)));
    assert_eq!(
        commit!(world, tx => invitation::accept(tx, hash, &eve.email, eve.id, now)),
        None
    );
    let shouted = Email::check("", &ada.email.as_str().to_uppercase()).unwrap();
    let accepted = commit!(world, tx => invitation::accept(tx, hash, &shouted, ada.id, now)).unwrap();
    assert_eq!(accepted.accepted, Some((now, ada.id)));
    assert_eq!(accepted.role, made.role);
    assert_eq!(
        commit!(world, tx => invitation::accept(tx, hash, &ada.email, ada.id, now)),
        None
    );
    assert!(!look!(world, tx => invitation::is_invited(tx, &ada.email, now)));
    assert!(!commit!(world, tx => invitation::revoke(tx, project.id, made.id, now)));
}

async fn revoked_and_expired_invitations_are_not_accepted(world: World) {
    let project = world.project().await;
    let ada = world.account().await;
    let made = world.new_invitation(project.id, &ada.email);
    commit!(world, tx => invitation::insert(tx, &made, ActorKind::Operator));
    let (hash, now, late) = (made.hash, world.now(), made.expires_at);
    assert_eq!(
        commit!(world, tx => invitation::accept(tx, hash, &ada.email, ada.id, late)),
        None
    );
    assert!(!look!(world, tx => invitation::is_invited(tx, &ada.email, late)));
    assert!(commit!(world, tx => invitation::revoke(tx, project.id, made.id, now)));
    assert!(!commit!(world, tx => invitation::revoke(tx, project.id, made.id, now)));
    assert_eq!(
        commit!(world, tx => invitation::accept(tx, hash, &ada.email, ada.id, now)),
        None
    );
    assert_eq!(commit!(world, tx => invitation::prune(tx, now, 10)), 0);
    let later = late.plus(std::time::Duration::from_millis(1));
    assert_eq!(commit!(world, tx => invitation::prune(tx, later, 10)), 1);
}

async fn a_newer_invitation_takes_the_place_of_an_older_one(world: World) {
    let project = world.project().await;
    let ada = world.account().await;
    let (first, second) = (
        world.new_invitation(project.id, &ada.email),
        world.new_invitation(project.id, &ada.email),
    );
    commit!(world, tx => invitation::insert(tx, &first, ActorKind::Operator));
    commit!(world, tx => invitation::insert(tx, &second, ActorKind::Operator));
    let now = world.now();
    assert_eq!(
        commit!(world, tx => invitation::accept(tx, first.hash, &ada.email, ada.id, now)),
        None
    );
    let page = PageRequest::first(50);
    let listed = look!(world, tx => invitation::list(tx, project.id, &page)).items;
    let statuses: Vec<_> = listed.iter().map(|one| (one.id, one.status(now))).collect();
    assert_eq!(
        statuses,
        [
            (second.id, InvitationStatus::Open),
            (first.id, InvitationStatus::Revoked)
        ]
    );
    assert!(commit!(world, tx => invitation::accept(tx, second.hash, &ada.email, ada.id, now)).is_some());
}

async fn another_project_sees_nothing(world: World) {
    let (project, other) = (world.project().await, world.project().await);
    let ada = world.account().await;
    let made = world.new_invitation(project.id, &ada.email);
    commit!(world, tx => invitation::insert(tx, &made, ActorKind::Operator));
    let now = world.now();
    assert!(look!(world, tx => invitation::find(tx, project.id, made.id)).is_some());
    assert_eq!(look!(world, tx => invitation::find(tx, other.id, made.id)), None);
    assert!(!commit!(world, tx => invitation::revoke(tx, other.id, made.id, now)));
}
