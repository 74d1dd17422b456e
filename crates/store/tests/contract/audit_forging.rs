//! Rows that something other than the program removes, inserts or moves, and chains that are cut off or written again.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    audit::{Actor, ActorKind, Origin},
    id::EventId,
};
use gatewright_store::{
    PageRequest,
    audit::{self, Anchored, AuditFilter, Fault, Known, Selector},
};

use crate::{
    audit_chain::{check, event, is_whole, random, written},
    start::by_hand,
    world::{World, commit, contract, look},
};

contract!(
    removed_inserted_and_swapped_rows_are_found,
    what_an_anchor_knows_cannot_be_removed_from_the_end,
    counted_rows_that_no_one_could_be_counting_are_found,
    a_tampered_event_stops_no_erasure,
);

/// Puts the six events back that were kept, with their head.
async fn restore(world: &World, chain: &str) {
    let of_chain = format!("project_id = '{chain}'");
    by_hand(
        world,
        &format!("DELETE FROM audit_events WHERE {of_chain} OR project_id = 'prj_other'"),
    )
    .await;
    by_hand(world, "INSERT INTO audit_events SELECT * FROM kept").await;
    by_hand(world, &format!("DELETE FROM audit_heads WHERE {of_chain}")).await;
    let kept = |seq: i64, column: &str| format!("(SELECT {column} FROM kept WHERE seq = {seq})");
    let sql = format!(
        "INSERT INTO audit_heads (project_id, seq, digest, base_seq, base_digest) VALUES ('{chain}', 6, {}, 0, {})",
        kept(6, "digest"),
        kept(1, "previous")
    );
    by_hand(world, &sql).await;
}

async fn removed_inserted_and_swapped_rows_are_found(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    written(&world, project, 6).await;
    is_whole(&world, &chain).await;
    let rows = format!("FROM audit_events WHERE project_id = '{chain}'");
    let keep = format!("CREATE TABLE kept AS SELECT * {rows}");
    by_hand(&world, &keep).await;
    let of = |seq: i64, column: &str| format!("(SELECT {column} {rows} AND seq = {seq})");
    let id = EventId::generate(&*world.clock, &*world.entropy);
    let copy = |seq: &str| {
        format!(
            "INSERT INTO audit_events (id, project_id, at, actor, origin, action, object_type, object_id, object_name, changes, \
             address_proof, object_name_proof, changes_proof, seq, previous, digest) SELECT '{id}', project_id, at, actor, origin, \
             action, object_type, object_id, object_name, changes, address_proof, object_name_proof, changes_proof, {seq}, \
             previous, digest {rows} AND seq = 6"
        )
    };
    let deleted = |which: &str| format!("DELETE {rows} AND {which}");
    let update = |set: &str, which: &str| {
        format!("UPDATE audit_events SET {set} WHERE project_id = '{chain}' AND {which}")
    };
    let head = |set: &str| format!("UPDATE audit_heads SET {set} WHERE project_id = '{chain}'");
    let no_head = format!("DELETE FROM audit_heads WHERE project_id = '{chain}'");
    let without_last = format!("seq = 5, digest = {}", of(5, "digest"));
    let tampered: Vec<(&str, Vec<String>)> = vec![
        ("one in the middle", vec![deleted("seq = 3")]),
        ("the first", vec![deleted("seq = 1")]),
        ("the last", vec![deleted("seq = 6")]),
        ("two", vec![deleted("seq IN (2, 5)")]),
        ("all", vec![deleted("seq > 0")]),
        (
            "one, with the later ones moved up",
            vec![
                deleted("seq = 3"),
                update("seq = 3", "seq = 4"),
                update("seq = 4", "seq = 5"),
                update("seq = 5", "seq = 6"),
                head("seq = 5"),
            ],
        ),
        ("the head", vec![no_head.clone()]),
        ("a row outside the chain", vec![copy("NULL")]),
        ("a row after the last", vec![copy("7")]),
        (
            "a row after the last, and the head",
            vec![copy("7"), head("seq = 7")],
        ),
        ("a row before the first", vec![copy("0")]),
        ("a row far away", vec![copy("-5")]),
        (
            "two rows swapped",
            vec![
                update("seq = 100", "seq = 2"),
                update("seq = 2", "seq = 3"),
                update("seq = 3", "seq = 100"),
            ],
        ),
        (
            "two rows swapped with their links",
            vec![
                update("seq = 100", "seq = 2"),
                update("seq = 2, previous = 'v1.x'", "seq = 3"),
                update("seq = 3", "seq = 100"),
            ],
        ),
        (
            "a row in another chain",
            vec![update("project_id = 'prj_other'", "seq = 2")],
        ),
        ("the head's number", vec![head("seq = 5")]),
        (
            "the head's digest",
            vec![head(&format!("digest = {}", of(5, "digest")))],
        ),
        ("the beginning", vec![head("base_seq = 1")]),
        ("the beginning's digest", vec![head("base_digest = 'v1.x'")]),
    ];
    for (what, statements) in tampered {
        for sql in &statements {
            by_hand(&world, sql).await;
        }
        let report = check(&world, &chain).await;
        assert_ne!(report.fault_count, 0, "{what} is not found");
        restore(&world, &chain).await;
        is_whole(&world, &chain).await;
    }
    // A chain whose end was removed with the head corrected is whole. An anchor knows better.
    by_hand(&world, &deleted("seq = 6")).await;
    by_hand(&world, &head(&without_last)).await;
    is_whole(&world, &chain).await;
    // New events are added all the same.
    by_hand(&world, &head("seq = 2, digest = 'v1.x'")).await;
    written(&world, project, 1).await;
    assert_ne!(check(&world, &chain).await.fault_count, 0);
    by_hand(&world, &no_head).await;
    written(&world, project, 1).await;
    assert_ne!(check(&world, &chain).await.fault_count, 0);
}

async fn what_an_anchor_knows_cannot_be_removed_from_the_end(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    let events = written(&world, project, 4).await;
    let head = look!(world, tx => audit::find_head(tx, Some(project))).unwrap();
    let anchored = Anchored {
        seq: head.seq,
        digest: head.digest,
        at: Some(events[3].at),
    };
    let kept_since = events[0].at;
    let report = async |anchored: &Anchored, kept_since: Timestamp| {
        let known = Known {
            kept_since,
            anchored: Some(anchored),
            ..Known::at(world.now())
        };
        audit::check(&world.store, &chain, known).await.unwrap()
    };
    let with = async |anchored: &Anchored| report(anchored, kept_since).await.faults;
    assert_eq!(with(&anchored).await, []);
    written(&world, project, 1).await;
    assert_eq!(with(&anchored).await, []);
    let other = Anchored {
        digest: "v1.other".to_owned(),
        ..anchored.clone()
    };
    assert_eq!(with(&other).await, [Fault::Rewritten { seq: 4 }]);
    // The last three events are removed, and the head is changed accordingly.
    let sql = format!("DELETE FROM audit_events WHERE project_id = '{chain}' AND seq > 2");
    by_hand(&world, &sql).await;
    let sql = format!(
        "UPDATE audit_heads SET seq = 2, digest = (SELECT digest FROM audit_events WHERE project_id = '{chain}' AND seq = 2) \
         WHERE project_id = '{chain}'"
    );
    by_hand(&world, &sql).await;
    is_whole(&world, &chain).await;
    assert_eq!(with(&anchored).await, [Fault::Truncated { seq: 2, anchored: 4 }]);
    // And written again, differently.
    written(&world, project, 4).await;
    is_whole(&world, &chain).await;
    assert_eq!(with(&anchored).await, [Fault::Rewritten { seq: 4 }]);
    // If its event was deleted because of its age, an anchor proves nothing, and is not a fault.
    let before = events[0].at.plus(Duration::from_hours(1));
    let deleted = commit!(world, tx => audit::prune(tx, before, 100, random(&world)));
    assert_eq!(deleted, 6);
    let after = events[3].at.plus(Duration::from_millis(1));
    let old = report(&anchored, after).await;
    assert_eq!(
        (&old.faults[..], old.deleted, old.is_uncompared),
        (&[][..], 6, true)
    );
    // One that is too young for that is a fault: someone made it look as if it was old.
    let young = [Fault::TooYoung { seq: 6, anchored: 4 }];
    assert_eq!(with(&anchored).await, young);
    // All is removed, with the head.
    by_hand(&world, "DELETE FROM audit_events").await;
    by_hand(&world, "DELETE FROM audit_heads").await;
    assert_eq!(with(&anchored).await, [Fault::Truncated { seq: 0, anchored: 4 }]);
}

async fn counted_rows_that_no_one_could_be_counting_are_found(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    written(&world, project, 1).await;
    let counted = event(&world, Some(project));
    commit!(world, tx => audit::tally(tx, &counted, "subject"));
    assert_eq!(is_whole(&world, &chain).await.waiting, 1);
    let checked = async |is_sealed| {
        let known = Known {
            is_sealed,
            ..Known::at(world.now())
        };
        let report = audit::check(&world.store, &chain, known).await.unwrap();
        (report.fault_count, report.waiting)
    };
    // What waited while no process was running is a fault only once it should have been added.
    world.clock.advance(Duration::from_hours(1));
    assert_eq!((checked(false).await, checked(true).await), ((0, 1), (1, 0)));
    let future = world.now().plus(Duration::from_hours(24 * 9_000)).as_millis();
    let sql = format!("UPDATE audit_events SET at = {future} WHERE project_id = '{chain}' AND seq IS NULL");
    by_hand(&world, &sql).await;
    assert_eq!((checked(false).await, checked(true).await), ((1, 0), (1, 0)));
    // And rows that no one counts are found behind any number of those that someone does.
    by_hand(
        &world,
        "UPDATE audit_events SET tally_key = NULL WHERE seq IS NULL",
    )
    .await;
    for subject in 0..1_100 {
        let mut tx = world.write().await;
        let counted = event(&world, Some(project));
        audit::tally(&mut tx, &counted, &subject.to_string())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(checked(false).await, (1, 1_100));
}

async fn a_tampered_event_stops_no_erasure(world: World) {
    let project = world.project().await.id;
    let chain = project.to_string();
    written(&world, project, 4).await;
    let at = |seq: i64| format!("WHERE project_id = '{chain}' AND seq = {seq}");
    for (set, seq) in [
        ("address_proof = NULL", 1),
        ("address_proof = 'nonsense'", 2),
        ("actor = 'system'", 3),
    ] {
        by_hand(&world, &format!("UPDATE audit_events SET {set} {}", at(seq))).await;
    }
    let actor = Actor {
        kind: ActorKind::Operator,
        address: None,
        origin: Origin::Cli,
    };
    let selector = Selector::Address("192.0.2.7".to_owned());
    let erased = audit::erase(&world.store, &chain, &selector, &actor, random(&world))
        .await
        .unwrap();
    assert_eq!((erased.events, erased.tampered), (4, 2));
    let again = audit::erase(&world.store, &chain, &selector, &actor, random(&world))
        .await
        .unwrap();
    assert_eq!(again.events, 0);
    let listed =
        look!(world, tx => audit::list(tx, Some(project), &AuditFilter::default(), &PageRequest::first(9)));
    assert!(listed.items.iter().all(|event| event.actor.address.is_none()));
    // They are reported as before, and the whole one is not.
    let report = check(&world, &chain).await;
    let changed: Vec<_> = report
        .faults
        .iter()
        .filter(|fault| matches!(fault, Fault::Changed { .. }))
        .collect();
    assert_eq!(changed.len(), 3, "{report:?}");
}
