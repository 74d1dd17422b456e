//! The chain of audit events: whole after everything the program does, and every change from outside is found.

use std::time::Duration;

use gatewright_domain::{
    Clock, Entropy, Timestamp,
    audit::{
        Actor, ActorKind, AuditEvent, FieldChange, Origin, TALLY_WINDOW,
        chain::{Personal, Stamp},
    },
    id::{AccountId, ProjectId},
};
use gatewright_store::{
    PageRequest, StoreError,
    audit::{self, AuditFilter, Fault, Known, Report, Selector},
};

use crate::{
    start::by_hand,
    world::{World, commit, contract, look},
};

contract!(
    every_event_continues_the_one_before_in_its_chain,
    counted_events_are_added_when_their_window_has_ended,
    events_of_an_older_version_are_added_and_an_event_says_so,
    deletion_by_age_leaves_a_chain_that_can_be_checked,
    erased_values_are_deleted_and_the_chain_is_intact,
    many_writers_at_the_same_time_make_one_chain,
    one_process_checks_a_chain_in_a_day,
);

pub(crate) type Random<'a> = (&'a dyn Clock, &'a dyn Entropy);

pub(crate) fn random(world: &World) -> Random<'_> {
    (&*world.clock, &*world.entropy)
}

/// An event with every kind of column filled in.
pub(crate) fn event(world: &World, project: Option<ProjectId>) -> AuditEvent {
    world.clock.advance(Duration::from_millis(1));
    let Stamp { id, proofs } = Stamp::generate(&*world.clock, &*world.entropy);
    AuditEvent {
        id,
        project_id: project,
        at: world.now(),
        actor: Actor {
            kind: ActorKind::Account(AccountId::generate(&*world.clock, &*world.entropy)),
            address: Some("192.0.2.7".to_owned()),
            origin: Origin::Api,
        },
        action: "gateway.updated".to_owned(),
        object_type: "gateway".to_owned(),
        object_id: format!("object-{}", world.number()),
        object_name: "Payments of Ann".to_owned(),
        changes: vec![FieldChange {
            field: "email".to_owned(),
            before: Some("ann@example.com".into()),
            after: None,
        }],
        occurrences: 1,
        last_at: world.now(),
        proofs: Some(proofs),
        seal: None,
    }
}

/// Writes events of a project, one in each transaction.
pub(crate) async fn written(world: &World, project: ProjectId, count: usize) -> Vec<AuditEvent> {
    let mut events = Vec::new();
    for _ in 0..count {
        let event = event(world, Some(project));
        commit!(world, tx => audit::insert(tx, &event));
        events.push(event);
    }
    events
}

pub(crate) async fn check(world: &World, chain: &str) -> Report {
    audit::check(&world.store, chain, Known::at(world.now()))
        .await
        .unwrap()
}

pub(crate) async fn is_whole(world: &World, chain: &str) -> Report {
    let report = check(world, chain).await;
    assert_eq!(report.faults, [], "{report:?}");
    report
}

/// All events of a project, oldest first in the order of their IDs.
async fn all(world: &World, project: Option<ProjectId>) -> Vec<AuditEvent> {
    let page = PageRequest::first(200);
    let filter = AuditFilter::default();
    let listed = look!(world, tx => audit::list(tx, project, &filter, &page));
    let mut events = listed.items;
    events.reverse();
    events
}

async fn every_event_continues_the_one_before_in_its_chain(world: World) {
    let project = world.project().await.id;
    let other = world.project().await.id;
    // One transaction with events of several chains, and a second event of one of them.
    let events: Vec<_> = [Some(project), None, Some(other), Some(project)]
        .map(|project| event(&world, project))
        .into();
    let mut tx = world.write().await;
    for event in &events {
        audit::insert(&mut tx, event).await.unwrap();
    }
    tx.commit().await.unwrap();
    written(&world, project, 2).await;
    for (chain, count) in [
        (project.to_string(), 4_u64),
        (String::new(), 1),
        (other.to_string(), 1),
    ] {
        let report = is_whole(&world, &chain).await;
        assert_eq!(
            (report.events, report.seq),
            (count, i64::try_from(count).unwrap())
        );
    }
    let seals: Vec<_> = all(&world, Some(project))
        .await
        .into_iter()
        .map(|event| event.seal.unwrap())
        .collect();
    assert_eq!(
        seals.iter().map(|seal| seal.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    for pair in seals.windows(2) {
        assert_eq!(pair[1].previous, pair[0].digest);
    }
    // A transaction that is dropped leaves no gap.
    let mut tx = world.write().await;
    audit::insert(&mut tx, &event(&world, Some(project)))
        .await
        .unwrap();
    drop(tx);
    written(&world, project, 1).await;
    assert_eq!(is_whole(&world, &project.to_string()).await.seq, 5);
    let chains = look!(world, tx => audit::chains(tx));
    assert_eq!(chains.len(), 3);
}

async fn counted_events_are_added_when_their_window_has_ended(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    for _ in 0..3 {
        let counted = event(&world, Some(project));
        commit!(world, tx => audit::tally(tx, &counted, "subject"));
    }
    let seal = async || {
        let (clock, entropy) = random(&world);
        audit::seal_due(&world.store, clock, entropy).await.unwrap()
    };
    assert_eq!(seal().await, 0, "the window is not over");
    let report = is_whole(&world, &chain).await;
    assert_eq!((report.events, report.waiting), (0, 1));
    world.clock.advance(TALLY_WINDOW);
    let late = event(&world, Some(project));
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(seal().await, 1);
    let report = is_whole(&world, &chain).await;
    assert_eq!((report.events, report.waiting), (1, 0));
    let sealed = all(&world, Some(project)).await.remove(0);
    assert_eq!((sealed.occurrences, sealed.seal.unwrap().seq), (3, 1));
    // One that arrives nevertheless, from a process whose clock is behind, changes nothing in the chain.
    let behind = AuditEvent {
        at: late.at.minus(TALLY_WINDOW),
        ..late
    };
    assert_eq!(commit!(world, tx => audit::tally(tx, &behind, "subject")), 1);
    assert_eq!(is_whole(&world, &chain).await.waiting, 1);
    assert_eq!(seal().await, 1);
    assert_eq!(is_whole(&world, &chain).await.events, 2);
}

async fn events_of_an_older_version_are_added_and_an_event_says_so(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    written(&world, project, 3).await;
    let forget = "UPDATE audit_events SET seq = NULL, previous = NULL, digest = NULL, address_proof = NULL, \
                  object_name_proof = NULL, changes_proof = NULL";
    by_hand(&world, forget).await;
    by_hand(&world, "DELETE FROM audit_heads").await;
    assert_eq!(check(&world, &chain).await.fault_count, 3);
    let (clock, entropy) = random(&world);
    assert_eq!(audit::adopt(&world.store, clock, entropy).await.unwrap(), 3);
    assert_eq!(audit::adopt(&world.store, clock, entropy).await.unwrap(), 0);
    let report = is_whole(&world, &chain).await;
    assert_eq!((report.events, report.adopted), (4, 3));
    let told = all(&world, Some(project)).await.pop().unwrap();
    assert_eq!(told.action, "audit_trail.adopted");
    assert_eq!(told.changes[0].after, Some(3.into()));
}

async fn deletion_by_age_leaves_a_chain_that_can_be_checked(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    let events = written(&world, project, 5).await;
    let prune = async |before: Timestamp, limit| commit!(world, tx => audit::prune(tx, before, limit, random(&world)));
    assert_eq!(prune(events[3].at, 2).await, 2);
    is_whole(&world, &chain).await;
    assert_eq!(prune(events[3].at, 100).await, 1);
    assert_eq!(prune(events[3].at, 100).await, 0);
    let report = is_whole(&world, &chain).await;
    assert_eq!((report.events, report.seq), (4, 7));
    // After everything became too old, the event about the last deletion is left.
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(prune(world.now(), 100).await, 4);
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(prune(world.now(), 100).await, 0);
    assert_eq!(is_whole(&world, &chain).await.events, 1);
    written(&world, project, 2).await;
    is_whole(&world, &chain).await;
    // Removing the oldest events by hand is found, even with the head corrected.
    let sql = format!("DELETE FROM audit_events WHERE project_id = '{chain}' AND seq = 8");
    by_hand(&world, &sql).await;
    let sql = format!(
        "UPDATE audit_heads SET base_seq = 8, base_digest = (SELECT previous FROM audit_events WHERE \
         project_id = '{chain}' AND seq = 9) WHERE project_id = '{chain}'"
    );
    by_hand(&world, &sql).await;
    assert_eq!(check(&world, &chain).await.faults, [Fault::Base { seq: 8 }]);
}

async fn erased_values_are_deleted_and_the_chain_is_intact(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    let events = written(&world, project, 130).await;
    let ActorKind::Account(account) = events[0].actor.kind else {
        panic!("the events are of accounts");
    };
    let counted = event(&world, Some(project));
    commit!(world, tx => audit::tally(tx, &counted, "subject"));
    let actor = Actor {
        kind: ActorKind::Operator,
        address: None,
        origin: Origin::Cli,
    };
    let erase = async |selector: Selector| {
        let erased = audit::erase(&world.store, &chain, &selector, &actor, random(&world)).await;
        erased.unwrap()
    };
    let of_account = erase(Selector::Account(account)).await;
    assert_eq!((of_account.events, of_account.waiting), (1, 0));
    let report = is_whole(&world, &chain).await;
    assert_eq!(report.erased, 1);
    let first = look!(world, tx => audit::find(tx, Some(project), events[0].id)).unwrap();
    assert_eq!(
        (first.actor.address.as_ref(), first.erased()),
        (None, vec![Personal::Address])
    );
    assert_eq!(first.object_name, "Payments of Ann");

    let by_address = erase(Selector::Address("192.0.2.7".to_owned())).await;
    assert_eq!((by_address.events, by_address.waiting), (129, 1));
    let by_text = erase(Selector::Text("ANN@example.com".to_owned())).await;
    assert_eq!(by_text.events, 130);
    let report = is_whole(&world, &chain).await;
    assert_eq!(report.erased, 130);
    for event in all(&world, Some(project)).await {
        let told = format!("{event:?}");
        let is_trail = event.object_type == "audit_trail";
        assert!(
            is_trail || event.seal.is_none() || !told.contains("192.0.2.7"),
            "{told}"
        );
        assert!(event.seal.is_none() || !told.contains("ann@"), "{told}");
    }
    assert_eq!(
        erase(Selector::Text("ann@example.com".to_owned())).await.events,
        0
    );
    // Erasing by hand, with the right digest in the place of the salt, is found: no event records it.
    let last = written(&world, project, 1).await.remove(0);
    let digest = last.proofs.unwrap().object_name;
    let digest = digest
        .digest(Personal::ObjectName, Some("Payments of Ann"))
        .unwrap();
    let sql = format!(
        "UPDATE audit_events SET object_name = '', object_name_proof = 'erased.{digest}' WHERE id = '{}'",
        last.id
    );
    by_hand(&world, &sql).await;
    let faults = check(&world, &chain).await.faults;
    assert!(
        matches!(&faults[..], [Fault::Erased { id, .. }] if *id == last.id.to_string()),
        "{faults:?}"
    );
}

async fn many_writers_at_the_same_time_make_one_chain(world: World) {
    let projects = [world.project().await.id, world.project().await.id];
    let writers: Vec<_> = (0..8_usize)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move {
                for round in 0..6_usize {
                    let (one, other) = (projects[number % 2], projects[(number + 1) % 2]);
                    let mut tx = world.write().await;
                    // In either order, so that transactions would wait for each other in a circle.
                    for project in [Some(one), None, Some(other)] {
                        audit::insert(&mut tx, &event(&world, project)).await.unwrap();
                    }
                    tx.commit().await.unwrap();
                    let counted = event(&world, Some(one));
                    commit!(world, tx => audit::tally(tx, &counted, "subject"));
                    if round % 3 == 0 {
                        world.clock.advance(TALLY_WINDOW);
                        let (clock, entropy) = random(&world);
                        // While this many write, it may get no turn; what is due is added later.
                        match audit::seal_due(&world.store, clock, entropy).await {
                            Ok(_) | Err(StoreError::Busy) => {}
                            Err(error) => panic!("{error}"),
                        }
                        let before = world.now().minus(TALLY_WINDOW * 8);
                        commit!(world, tx => audit::prune(tx, before, 7, random(&world)));
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for chain in look!(world, tx => audit::chains(tx)) {
        is_whole(&world, &chain).await;
    }
    let of_instance = look!(world, tx => audit::find_head(tx, None)).unwrap();
    assert!(of_instance.seq >= 8 * 6);
}

async fn one_process_checks_a_chain_in_a_day(world: World) {
    let project = world.project().await.id;
    written(&world, project, 1).await;
    let day = Duration::from_hours(24);
    let now = world.now();
    let claim = async |now: Timestamp| commit!(world, tx => audit::claim_check(tx, now, day));
    assert_eq!(claim(now).await, Some(project.to_string()));
    assert_eq!(claim(now).await, None);
    let check = audit::Check {
        at: now,
        seq: 1,
        faults: 0,
    };
    commit!(world, tx => audit::note_check(tx, &project.to_string(), check));
    let head = look!(world, tx => audit::find_head(tx, Some(project))).unwrap();
    assert_eq!(head.check, Some(check));
    assert_eq!(claim(now.plus(day)).await, None);
    let later = now.plus(day).plus(Duration::from_millis(1));
    assert_eq!(claim(later).await, Some(project.to_string()));
    let heads = look!(world, tx => audit::heads(tx));
    assert_eq!(heads.len(), 1);
}
