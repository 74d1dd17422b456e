//! The audit trail: read back as written, filtered, newest first, separate per project, and outliving its objects.

use std::time::Duration;

use gatewright_domain::{
    Clock, Entropy, Timestamp,
    audit::{Actor, ActorKind, AuditEvent, FieldChange, Origin, TALLY_WINDOW, chain::Proofs},
    id::{AccountId, ApiKeyId, EventId, ProjectId},
};
use gatewright_store::{
    Page, PageRequest,
    audit::{self, AuditFilter},
    project,
};

use crate::world::{World, commit, contract, look};

contract!(
    events_are_read_back_newest_first,
    events_are_filtered,
    events_are_filtered_by_actor_origin_address_and_time,
    events_belong_to_a_project_and_outlive_it,
    an_event_of_a_change_that_was_dropped_did_not_happen,
    repeated_events_are_one_row_with_a_count,
    many_at_once_count_each,
    the_oldest_events_are_deleted_a_few_at_a_time,
);

const ALL: PageRequest = PageRequest {
    after: None,
    limit: 200,
};

fn event(world: &World, project: Option<ProjectId>, action: &str) -> AuditEvent {
    world.clock.advance(Duration::from_millis(1));
    AuditEvent {
        id: EventId::generate(&*world.clock, &*world.entropy),
        project_id: project,
        at: world.now(),
        actor: Actor {
            kind: ActorKind::ApiKey(ApiKeyId::generate(&*world.clock, &*world.entropy)),
            address: Some("192.0.2.7".to_owned()),
            origin: Origin::Api,
        },
        action: action.to_owned(),
        object_type: action.split('.').next().unwrap().to_owned(),
        object_id: format!("object-{}", world.number()),
        object_name: "Okta production".to_owned(),
        changes: vec![FieldChange {
            field: "name".to_owned(),
            before: Some("Okta".into()),
            after: None,
        }],
        occurrences: 1,
        last_at: world.now(),
        proofs: Some(Proofs::generate(&*world.entropy)),
        seal: None,
    }
}

/// What is found, without its place in the chain.
async fn find(world: &World, project: Option<ProjectId>, id: EventId) -> Option<AuditEvent> {
    let found = look!(world, tx => audit::find(tx, project, id));
    found.map(|event| AuditEvent { seal: None, ..event })
}

/// A page, without places in the chain.
async fn list(
    world: &World,
    project: Option<ProjectId>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Page<AuditEvent> {
    let listed = look!(world, tx => audit::list(tx, project, filter, page));
    let items = listed.items.into_iter();
    Page {
        items: items.map(|event| AuditEvent { seal: None, ..event }).collect(),
        next: listed.next,
    }
}

async fn the_oldest_events_are_deleted_a_few_at_a_time(world: World) {
    let project = world.project().await.id;
    let mut kept = Vec::new();
    for number in 0..5 {
        let of = (number % 2 == 0).then_some(project);
        let event = event(&world, of, "project.updated");
        commit!(world, tx => audit::insert(tx, &event));
        kept.push(event);
    }
    let before = kept[3].at;
    let random = (&*world.clock as &dyn Clock, &*world.entropy as &dyn Entropy);
    assert_eq!(commit!(world, tx => audit::prune(tx, before, 2, random)), 2);
    assert_eq!(commit!(world, tx => audit::prune(tx, before, 2, random)), 1);
    assert_eq!(commit!(world, tx => audit::prune(tx, before, 2, random)), 0);
    let filter = AuditFilter::default();
    let of_project = list(&world, Some(project), &filter, &ALL).await.items;
    let of_instance = list(&world, None, &filter, &ALL).await.items;
    // Each deletion is an event.
    let without_trail = |events: Vec<AuditEvent>| -> Vec<AuditEvent> {
        let others = events
            .into_iter()
            .filter(|event| event.object_type != "audit_trail");
        others.collect()
    };
    assert_eq!(
        (without_trail(of_project), without_trail(of_instance)),
        (vec![kept[4].clone()], vec![kept[3].clone()])
    );
}

async fn events_are_read_back_newest_first(world: World) {
    let project = world.project().await.id;
    let mut events = Vec::new();
    let account = ActorKind::Account(AccountId::generate(&*world.clock, &*world.entropy));
    for kind in [
        account,
        ActorKind::Anonymous,
        ActorKind::Operator,
        ActorKind::System,
    ] {
        let mut event = event(&world, Some(project), "project.updated");
        event.actor.kind = kind;
        event.actor.address = None;
        event.actor.origin = Origin::Cli;
        events.push(event);
    }
    events.push(event(&world, Some(project), "gateway.created"));
    for event in &events {
        commit!(world, tx => audit::insert(tx, event));
        assert_eq!(find(&world, Some(project), event.id).await.as_ref(), Some(event));
    }
    events.reverse();
    let first = PageRequest::first(2);
    let filter = AuditFilter::default();
    let first = list(&world, Some(project), &filter, &first).await;
    assert_eq!(first.items, events[..2]);
    let rest = PageRequest {
        after: first.next,
        limit: 3,
    };
    let rest = list(&world, Some(project), &filter, &rest).await;
    assert_eq!(rest.items, events[2..]);
    assert_eq!(rest.next, None);
}

async fn events_are_filtered(world: World) {
    let project = world.project().await.id;
    let (created, updated) = (
        event(&world, Some(project), "gateway.created"),
        event(&world, Some(project), "gateway.updated"),
    );
    for event in [&created, &updated] {
        commit!(world, tx => audit::insert(tx, event));
    }
    let filters = [
        (
            AuditFilter {
                action: Some("gateway.created".to_owned()),
                ..AuditFilter::default()
            },
            1,
        ),
        (
            AuditFilter {
                object_type: Some("gateway".to_owned()),
                ..AuditFilter::default()
            },
            2,
        ),
        (
            AuditFilter {
                object_id: Some(updated.object_id.clone()),
                ..AuditFilter::default()
            },
            1,
        ),
        (
            AuditFilter {
                action: Some("gateway.created".to_owned()),
                object_type: Some("gateway".to_owned()),
                object_id: Some(updated.object_id.clone()),
                ..AuditFilter::default()
            },
            0,
        ),
        (
            AuditFilter {
                action: Some("gateway.created\0".to_owned()),
                ..AuditFilter::default()
            },
            0,
        ),
    ];
    for (filter, count) in filters {
        let found = list(&world, Some(project), &filter, &ALL).await;
        assert_eq!(found.items.len(), count, "{filter:?}");
    }
}

fn only(set: impl FnOnce(&mut AuditFilter)) -> AuditFilter {
    let mut filter = AuditFilter::default();
    set(&mut filter);
    filter
}

async fn events_are_filtered_by_actor_origin_address_and_time(world: World) {
    let project = world.project().await.id;
    let mut events = Vec::new();
    for number in 0..4 {
        world.clock.advance(Duration::from_hours(1));
        let mut event = event(&world, Some(project), "gateway.updated");
        if number == 3 {
            event.actor = Actor {
                kind: ActorKind::Operator,
                address: None,
                origin: Origin::Cli,
            };
        }
        commit!(world, tx => audit::insert(tx, &event));
        events.push(event);
    }
    let ActorKind::ApiKey(key) = events[1].actor.kind else {
        panic!("the events are of keys");
    };
    let text = |text: &str| Some(text.to_owned());
    let (second, third, fourth) = (events[1].at, events[2].at, events[3].at);
    let between = only(|filter| {
        filter.from = Some(second);
        filter.to = Some(fourth);
        filter.origin = Some(Origin::Api);
    });
    for (filter, expected) in [
        (only(|filter| filter.actor = Some(key.to_string())), vec![1]),
        (only(|filter| filter.actor = text("operator")), vec![3]),
        (only(|filter| filter.actor = text("system")), vec![]),
        (only(|filter| filter.actor = text("a\0b")), vec![]),
        (only(|filter| filter.origin = Some(Origin::Cli)), vec![3]),
        (only(|filter| filter.address = text("192.0.2.7")), vec![2, 1, 0]),
        (only(|filter| filter.from = Some(third)), vec![3, 2]),
        (only(|filter| filter.to = Some(third)), vec![1, 0]),
        (between, vec![2, 1]),
        (
            only(|filter| filter.from = Some(Timestamp::from_millis(i64::MAX))),
            vec![],
        ),
        (
            only(|filter| filter.to = Some(Timestamp::from_millis(i64::MIN))),
            vec![],
        ),
    ] {
        let found = list(&world, Some(project), &filter, &ALL).await.items;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|index: usize| events[index].clone())
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn events_belong_to_a_project_and_outlive_it(world: World) {
    let (here, elsewhere) = (world.project().await.id, world.project().await.id);
    let (of_project, of_instance) = (
        event(&world, Some(here), "project.deleted"),
        event(&world, None, "key.created"),
    );
    for event in [&of_project, &of_instance] {
        commit!(world, tx => audit::insert(tx, event));
    }
    assert!(commit!(world, tx => project::delete(tx, here)));
    let filter = AuditFilter::default();
    assert_eq!(
        list(&world, Some(here), &filter, &ALL).await.items,
        std::slice::from_ref(&of_project)
    );
    assert_eq!(list(&world, None, &filter, &ALL).await.items, [of_instance]);
    for nobody in [None, Some(elsewhere)] {
        assert_eq!(find(&world, nobody, of_project.id).await, None);
    }
}

async fn an_event_of_a_change_that_was_dropped_did_not_happen(world: World) {
    let event = event(&world, None, "key.created");
    let mut tx = world.write().await;
    audit::insert(&mut tx, &event).await.unwrap();
    drop(tx);
    assert_eq!(find(&world, None, event.id).await, None);
    commit!(world, tx => audit::insert(tx, &event));
    assert_eq!(find(&world, None, event.id).await, Some(event));
}

async fn repeated_events_are_one_row_with_a_count(world: World) {
    let (here, elsewhere) = (world.project().await.id, world.project().await.id);
    let refused = |project, action| event(&world, project, action);
    let first = refused(Some(here), "user_source.deletion_refused");
    assert_eq!(
        commit!(world, tx => audit::tally(tx, &first, "203.0.113.0/24")),
        1
    );
    assert_eq!(find(&world, Some(here), first.id).await.as_ref(), Some(&first));
    let second = refused(Some(here), "user_source.deletion_refused");
    assert_eq!(
        commit!(world, tx => audit::tally(tx, &second, "203.0.113.0/24")),
        2
    );
    let counted = AuditEvent {
        occurrences: 2,
        last_at: second.at,
        ..first.clone()
    };
    assert_eq!(find(&world, Some(here), first.id).await, Some(counted));
    assert_eq!(find(&world, Some(here), second.id).await, None);

    // Another subject, action, project or window is counted separately.
    for (project, action, subject) in [
        (Some(here), "user_source.deletion_refused", "198.51.100.0/24"),
        (Some(here), "user_source.deactivation_refused", "203.0.113.0/24"),
        (Some(elsewhere), "user_source.deletion_refused", "203.0.113.0/24"),
        (None, "user_source.deletion_refused", "203.0.113.0/24"),
    ] {
        let other = refused(project, action);
        assert_eq!(commit!(world, tx => audit::tally(tx, &other, subject)), 1);
    }
    world.clock.advance(TALLY_WINDOW);
    let later = refused(Some(here), "user_source.deletion_refused");
    assert_eq!(
        commit!(world, tx => audit::tally(tx, &later, "203.0.113.0/24")),
        1
    );
    // Events without a count are never merged.
    for _ in 0..2 {
        let same = refused(Some(here), "user_source.deletion_refused");
        commit!(world, tx => audit::insert(tx, &same));
    }
    let filter = AuditFilter::default();
    let all = list(&world, Some(here), &filter, &ALL).await;
    assert_eq!(all.items.len(), 6);
}

async fn many_at_once_count_each(world: World) {
    let project = world.project().await.id;
    let first = event(&world, Some(project), "account.sign_in_failed");
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (world, mut event) = (world.clone(), first.clone());
            event.id = EventId::generate(&*world.clock, &*world.entropy);
            tokio::spawn(async move { commit!(world, tx => audit::tally(tx, &event, "prefix")) })
        })
        .collect();
    let mut counts = Vec::new();
    for attempt in attempts {
        counts.push(attempt.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=20).collect::<Vec<u32>>());
    let filter = AuditFilter::default();
    let all = list(&world, Some(project), &filter, &ALL).await.items;
    assert_eq!(
        all.iter().map(|event| event.occurrences).collect::<Vec<_>>(),
        [20]
    );
}
