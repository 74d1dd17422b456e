//! Incidents: each begins and ends once, however many replicas notice it, and what flickers is one incident.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    id::IncidentId,
    incident::{Incident, IncidentKind, IncidentStatus, Observation},
};
use gatewright_store::{
    PageRequest, gateway,
    incident::{self, IncidentFilter, Noted},
    project,
};

use crate::{
    fixtures::Setting,
    world::{World, commit, contract, look},
};

contract!(
    an_incident_begins_continues_and_ends,
    what_flickers_is_one_incident_and_is_reported_once,
    what_ended_immediately_is_not_reported,
    two_replicas_begin_one_incident,
    lists_are_filtered_and_another_project_sees_nothing,
    few_are_kept_of_one_server,
    old_ones_are_deleted,
    an_incident_is_deleted_with_what_it_is_about,
);

const KIND: IncidentKind = IncidentKind::ServerUnavailable;
const SECOND: Duration = Duration::from_secs(1);
const TOLD_AFTER: Duration = Duration::from_mins(1);
const SETTLES_AFTER: Duration = Duration::from_mins(5);

fn observed(world: &World, setting: &Setting, what: &str) -> Observation {
    Observation {
        project_id: Some(setting.project.id),
        kind: KIND,
        subject_id: setting.gateway.id.to_string(),
        subject_name: "Weather".to_owned(),
        what: what.to_owned(),
        remedy: "Look at its log.".to_owned(),
        at: world.now(),
    }
}

async fn note(world: &World, observed: &Observation) -> Noted {
    let id = IncidentId::generate(&*world.clock, &*world.entropy);
    commit!(world, tx => incident::note(tx, id, observed, SETTLES_AFTER))
}

async fn recover(world: &World, setting: &Setting) -> bool {
    let (subject, now) = (setting.gateway.id.to_string(), world.now());
    commit!(world, tx => incident::recover(tx, KIND, &subject, now))
}

async fn all(world: &World, setting: &Setting) -> Vec<Incident> {
    let (project, filter, page) = (
        setting.project.id,
        IncidentFilter::default(),
        PageRequest::first(200),
    );
    look!(world, tx => incident::list(tx, project, &filter, &page)).items
}

/// What is reported now: beginnings and ends.
async fn told(world: &World) -> (Vec<Incident>, Vec<Incident>) {
    let now = world.now();
    let (begun, over) = (now.minus(TOLD_AFTER), now.minus(SETTLES_AFTER));
    commit!(world, tx => incident::take_untold(tx, now, begun, over, 100))
}

async fn an_incident_begins_continues_and_ends(world: World) {
    let setting = world.setting().await;
    let began_at = world.now();
    assert_eq!(
        note(&world, &observed(&world, &setting, "It is down")).await,
        Noted::Began
    );
    world.clock.advance(SECOND);
    assert_eq!(
        note(&world, &observed(&world, &setting, "It is down")).await,
        Noted::GoesOn
    );
    let [incident] = &all(&world, &setting).await[..] else {
        panic!()
    };
    assert_eq!(
        (incident.began_at, incident.last_seen_at),
        (began_at, began_at),
        "not every look is written"
    );
    world.clock.advance(SECOND);
    note(&world, &observed(&world, &setting, "It answers with an error")).await;
    let seen_at = world.now();
    let [incident] = &all(&world, &setting).await[..] else {
        panic!()
    };
    assert_eq!(
        (&*incident.what, incident.last_seen_at),
        ("It answers with an error", seen_at)
    );
    assert_eq!(incident.status(), IncidentStatus::Open);
    world.clock.advance(SECOND * 5);
    assert!(recover(&world, &setting).await);
    assert!(!recover(&world, &setting).await);
    let [incident] = &all(&world, &setting).await[..] else {
        panic!()
    };
    assert_eq!(incident.recovered_at, Some(world.now()));
    assert_eq!(incident.duration(Timestamp::from_seconds(0)), SECOND * 7);
    world.clock.advance(SETTLES_AFTER);
    assert_eq!(
        note(&world, &observed(&world, &setting, "It is down")).await,
        Noted::Began
    );
    assert_eq!(all(&world, &setting).await.len(), 2);
}

async fn what_flickers_is_one_incident_and_is_reported_once(world: World) {
    let setting = world.setting().await;
    note(&world, &observed(&world, &setting, "It is down")).await;
    assert_eq!(told(&world).await, (vec![], vec![]), "too early");
    world.clock.advance(TOLD_AFTER);
    let (begun, over) = told(&world).await;
    assert_eq!((begun.len(), over.len()), (1, 0));
    for _ in 0..20 {
        assert!(recover(&world, &setting).await);
        world.clock.advance(SETTLES_AFTER.saturating_sub(SECOND));
        assert_eq!(told(&world).await, (vec![], vec![]));
        assert_eq!(
            note(&world, &observed(&world, &setting, "It is down")).await,
            Noted::Returned
        );
        world.clock.advance(SECOND);
        assert_eq!(told(&world).await, (vec![], vec![]));
    }
    recover(&world, &setting).await;
    world.clock.advance(SETTLES_AFTER);
    let (begun, over) = told(&world).await;
    assert_eq!((begun.len(), over.len()), (0, 1));
    assert_eq!(over[0].returns, 20);
    assert_eq!(told(&world).await, (vec![], vec![]));
    // From here on it is another one.
    assert_eq!(
        note(&world, &observed(&world, &setting, "It is down")).await,
        Noted::Began
    );
}

async fn what_ended_immediately_is_not_reported(world: World) {
    let setting = world.setting().await;
    note(&world, &observed(&world, &setting, "It is down")).await;
    world.clock.advance(SECOND * 10);
    recover(&world, &setting).await;
    for _ in 0..3 {
        world.clock.advance(SETTLES_AFTER);
        assert_eq!(told(&world).await, (vec![], vec![]));
    }
    assert_eq!(all(&world, &setting).await.len(), 1);
}

async fn two_replicas_begin_one_incident(world: World) {
    let setting = world.setting().await;
    let (one, other) = (
        observed(&world, &setting, "one"),
        observed(&world, &setting, "other"),
    );
    let (noted, also) = tokio::join!(note(&world, &one), note(&world, &other));
    assert!(
        (noted == Noted::Began) != (also == Noted::Began),
        "{noted:?} {also:?}"
    );
    assert_eq!(all(&world, &setting).await.len(), 1);
    world.clock.advance(TOLD_AFTER);
    let (one, other) = tokio::join!(told(&world), told(&world));
    assert_eq!(one.0.len() + other.0.len(), 1);
}

async fn lists_are_filtered_and_another_project_sees_nothing(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    note(&world, &observed(&world, &setting, "down")).await;
    recover(&world, &setting).await;
    world.clock.advance(SECOND);
    let refused = Observation {
        kind: IncidentKind::ClientSecretRefused,
        subject_id: setting.source.id.to_string(),
        ..observed(&world, &setting, "refused")
    };
    note(&world, &refused).await;
    let page = PageRequest::first(10);
    let found = async |filter: IncidentFilter| {
        let project = setting.project.id;
        let listed = look!(world, tx => incident::list(tx, project, &filter, &page)).items;
        listed
            .into_iter()
            .map(|incident| incident.what)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(IncidentFilter::default()).await, ["refused", "down"]);
    let status = Some(IncidentStatus::Open);
    assert_eq!(
        found(IncidentFilter {
            status,
            ..Default::default()
        })
        .await,
        ["refused"]
    );
    let status = Some(IncidentStatus::Recovered);
    assert_eq!(
        found(IncidentFilter {
            status,
            ..Default::default()
        })
        .await,
        ["down"]
    );
    let kind = Some(KIND);
    assert_eq!(
        found(IncidentFilter {
            kind,
            ..Default::default()
        })
        .await,
        ["down"]
    );
    let subject_id = Some(setting.source.id.to_string());
    assert_eq!(
        found(IncidentFilter {
            subject_id,
            ..Default::default()
        })
        .await,
        ["refused"]
    );
    let id = all(&world, &setting).await[0].id;
    let (project, stranger) = (setting.project.id, other.project.id);
    assert!(look!(world, tx => incident::find(tx, project, id)).is_some());
    assert_eq!(look!(world, tx => incident::find(tx, stranger, id)), None);
    assert_eq!(all(&world, &other).await, []);
    let kind = IncidentKind::ClientSecretRefused;
    assert_eq!(
        look!(world, tx => incident::list_open(tx, kind, None, 10)).len(),
        1
    );
    assert_eq!(
        look!(world, tx => incident::list_open(tx, kind, Some(id), 10)),
        []
    );
}

async fn few_are_kept_of_one_server(world: World) {
    let setting = world.setting().await;
    for number in 0..60 {
        note(&world, &observed(&world, &setting, &format!("{number}"))).await;
        recover(&world, &setting).await;
        world.clock.advance(SETTLES_AFTER);
    }
    let kept = all(&world, &setting).await;
    assert_eq!((kept.len(), &*kept[0].what, &*kept[50].what), (51, "59", "9"));
}

async fn old_ones_are_deleted(world: World) {
    let setting = world.setting().await;
    note(&world, &observed(&world, &setting, "over")).await;
    recover(&world, &setting).await;
    world.clock.advance(SETTLES_AFTER);
    note(&world, &observed(&world, &setting, "open")).await;
    let later = world.now().plus(SECOND);
    assert_eq!(commit!(world, tx => incident::prune(tx, later, 10)), 1);
    assert_eq!(all(&world, &setting).await[0].what, "open");
}

async fn an_incident_is_deleted_with_what_it_is_about(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    note(&world, &observed(&world, &setting, "down")).await;
    note(&world, &observed(&world, &other, "down")).await;
    let (project, id) = (setting.project.id, setting.gateway.id);
    assert!(commit!(world, tx => gateway::delete(tx, project, id)));
    assert_eq!(all(&world, &setting).await, []);
    assert_eq!(all(&world, &other).await.len(), 1);
    let id = other.project.id;
    commit!(world, tx => project::delete(tx, id));
    assert_eq!(all(&world, &other).await, []);
}
