//! Streams to files, with a clock that stands.

mod losing;

use std::{path::Path, sync::Arc};

use gatewright_domain::{
    activity::{Activity, Outcome, RequestKind, RequestNumber},
    audit::Origin,
    id::{GatewayId, ProjectId},
    stream::{StreamKind, StreamStatus},
};
use gatewright_store::activity;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{
    service::{
        Authority, IfMatch, Patch,
        projects::{self, NewProject},
        streams::{self, NewStream, StreamPatch},
    },
    testing::TestAdmin,
};

fn operator() -> Authority {
    Authority::operator(Origin::Cli)
}

async fn instance() -> (TestAdmin, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let test = TestAdmin::with(|config| config.streams.directory = Some(path)).await;
    (test, folder)
}

fn to_file(name: &str) -> NewStream {
    NewStream {
        name: name.to_owned(),
        kind: Some(StreamKind::File),
        file_name: Some(format!("{name}.jsonl")),
        ..NewStream::default()
    }
}

async fn create(app: &Admin, new: NewStream) -> StreamId {
    streams::create(app, &operator(), new).await.unwrap().stream.id
}

async fn project(app: &Admin, name: &str) -> ProjectId {
    let new = NewProject {
        name: name.to_owned(),
    };
    projects::create(app, &operator(), new).await.unwrap().id
}

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn actions(folder: &Path, name: &str) -> Vec<String> {
    let text = |value: &Value| value["action"].as_str().unwrap_or("lost").to_owned();
    lines(folder, name).iter().map(text).collect()
}

async fn state(app: &Admin, id: StreamId) -> Standing {
    streams::find(app, &operator(), id).await.unwrap()
}

async fn record_requests(app: &Admin, project_id: ProjectId, count: u64) {
    let row = |number| Activity {
        at: app.now(),
        project_id,
        gateway_id: GatewayId::of_number(1),
        caller: None,
        server_id: None,
        kind: RequestKind::Call,
        item: Some("search".into()),
        outcome: Outcome::Ok,
        rule: None,
        duration_us: 1,
        upstream_us: None,
        bytes_in: 1,
        bytes_out: 1,
        request: RequestNumber(number),
        trace: None,
        session: None,
    };
    let rows: Arc<Vec<_>> = Arc::new((0..count).map(row).collect());
    let store = app.core().store.activity();
    store
        .transact(move |tx| Box::pin(async move { activity::write_batch(tx, &rows).await }))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stream_sends_what_happens_after_it_was_created_in_order_and_once() {
    let (test, folder) = instance().await;
    let app = &test.app;
    project(app, "Before").await;
    let id = create(app, to_file("all")).await;
    project(app, "One").await;
    project(app, "Two").await;
    assert_eq!(state(app, id).await.lag.events, 3);
    round(app, id).await.unwrap();
    round(app, id).await.unwrap();
    let sent = ["stream.created", "project.created", "project.created"];
    assert_eq!(actions(folder.path(), "all"), sent);
    let Standing { state, lag, .. } = self::state(app, id).await;
    assert_eq!((state.delivered, state.lost, lag.events), (3, 0, 0));
    assert_eq!(state.last_delivered_at, Some(app.now()));
    assert!(due(app).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_could_not_be_sent_waits_and_is_sent_after_a_pause() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let id = create(app, to_file("all")).await;
    let file = folder.path().join("all.jsonl");
    std::fs::create_dir(&file).unwrap();
    round(app, id).await.unwrap();
    let failing = state(app, id).await.state;
    assert_eq!(failing.failed, 1);
    assert!(failing.next_attempt_at > app.now());
    assert!(failing.last_error.unwrap().contains("all.jsonl"));
    test.clock.advance(Duration::from_secs(1));
    assert!(due(app).await.unwrap().is_empty(), "its time has not come");
    let measured = app.telemetry.encode().unwrap();
    for measure in [
        "gatewright_stream_failures_total",
        "gatewright_stream_lag_seconds",
    ] {
        let line = format!("{measure}{{stream=\"{id}\"}} 1");
        assert!(measured.contains(&line), "{line} in {measured}");
    }
    std::fs::remove_dir(&file).unwrap();
    round(app, id).await.unwrap();
    test.clock.advance(Duration::from_secs(3));
    assert_eq!(due(app).await.unwrap(), [id]);
    round(app, id).await.unwrap();
    assert_eq!(actions(folder.path(), "all"), ["stream.created"]);
    assert_eq!(state(app, id).await.state.failed, 0);
}

#[tokio::test]
async fn one_process_sends_a_stream_and_another_goes_on_where_it_stopped() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let other = test.another().await.unwrap();
    let id = create(app, to_file("all")).await;
    round(app, id).await.unwrap();
    project(app, "One").await;
    round(&other, id).await.unwrap();
    assert!(due(&other).await.unwrap().is_empty());
    assert_eq!(
        actions(folder.path(), "all").len(),
        1,
        "it is not the turn of the other"
    );
    test.clock.advance(TERM);
    round(&other, id).await.unwrap();
    assert_eq!(
        actions(folder.path(), "all"),
        ["stream.created", "project.created"]
    );
    project(app, "Two").await;
    release(&other).await.unwrap();
    round(app, id).await.unwrap();
    assert_eq!(actions(folder.path(), "all").len(), 3, "it went on immediately");
}

#[tokio::test]
async fn what_was_deleted_before_it_was_sent_is_counted_and_told_in_the_stream() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let id = create(app, to_file("all")).await;
    project(app, "One").await;
    test.clock.advance(Duration::from_hours(24 * 40));
    let mut tx = app.core().store.write().await.unwrap();
    let random = (app.clock.as_ref(), app.entropy.as_ref());
    let deleted = gatewright_store::audit::prune(&mut tx, app.now(), 100, random)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(deleted, 2);
    round(app, id).await.unwrap();
    let sent = lines(folder.path(), "all");
    assert_eq!((&sent[0]["type"], &sent[0]["count"]), (&"lost".into(), &2.into()));
    assert_eq!(sent[1]["action"], "audit_trail.pruned");
    let state = state(app, id).await.state;
    assert_eq!(
        (state.lost, state.lost_at, state.delivered),
        (2, Some(app.now()), 1)
    );
    let id = id.to_string();
    let measured = app.telemetry.encode().unwrap();
    assert!(
        measured.contains(&format!("gatewright_stream_lost_total{{stream=\"{id}\"}} 2")),
        "{measured}"
    );
}

#[tokio::test]
async fn a_stream_of_one_project_has_its_events_and_requests_and_its_owners_see_it() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let (one, two) = (project(app, "One").await, project(app, "Two").await);
    record_requests(app, one, 1).await;
    let new = NewStream {
        activity: Some(true),
        project_id: Some(one),
        ..to_file("one")
    };
    let id = create(app, new).await;
    let everything = NewStream {
        activity: Some(true),
        audit: Some(false),
        ..to_file("requests")
    };
    let all = create(app, everything).await;
    record_requests(app, two, 3).await;
    record_requests(app, one, 2).await;
    project(app, "Three").await;
    for id in [id, all] {
        round(app, id).await.unwrap();
    }
    let sent = lines(folder.path(), "one");
    let kinds: Vec<_> = sent.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["audit", "activity", "activity"]);
    assert_eq!(sent[0]["action"], "stream.created");
    assert!(sent.iter().all(|line| line["project_id"] == one.to_string()));
    let requests = lines(folder.path(), "requests");
    let of: Vec<_> = requests.iter().map(|line| line["project_id"].clone()).collect();
    let expected: Vec<Value> = [two, two, two, one, one].map(|id| id.to_string().into()).into();
    assert_eq!(of, expected);
    assert_eq!(state(app, id).await.lag.events, 0);
}

#[tokio::test]
async fn large_backlogs_go_out_in_bounded_batches() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let project = project(app, "One").await;
    let new = NewStream {
        activity: Some(true),
        ..to_file("all")
    };
    let id = create(app, new).await;
    for _ in 0..3 {
        record_requests(app, project, 2 * RECORDS_MAX as u64).await;
    }
    let stream = state(app, id).await.stream;
    let batch = Batch::gather(app, &stream, RECORDS_MAX).await.unwrap();
    assert!(batch.is_full && batch.records.len() == RECORDS_MAX);
    round(app, id).await.unwrap();
    assert_eq!(lines(folder.path(), "all").len(), 6 * RECORDS_MAX + 1);
}

#[tokio::test]
async fn an_inactive_stream_keeps_its_place_and_another_project_begins_anew() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let id = create(app, to_file("all")).await;
    let set = async |patch| {
        streams::update(app, &operator(), id, patch, &IfMatch::Any)
            .await
            .unwrap()
    };
    let status = |status| StreamPatch {
        status: Patch::Set(status),
        ..StreamPatch::default()
    };
    set(status(StreamStatus::Inactive)).await;
    let one = project(app, "One").await;
    round(app, id).await.unwrap();
    assert!(lines(folder.path(), "all").is_empty());
    set(status(StreamStatus::Active)).await;
    round(app, id).await.unwrap();
    let in_order = [
        "stream.created",
        "stream.updated",
        "project.created",
        "stream.updated",
    ];
    assert_eq!(actions(folder.path(), "all"), in_order);
    set(StreamPatch {
        project_id: Patch::Set(one),
        ..StreamPatch::default()
    })
    .await;
    project(app, "Two").await;
    round(app, id).await.unwrap();
    let last = lines(folder.path(), "all").pop().unwrap();
    assert_eq!(
        (&last["action"], &last["project_id"]),
        (&"stream.updated".into(), &one.to_string().into())
    );
    assert_eq!(lines(folder.path(), "all").len(), 5);
}

#[test]
fn pauses_grow_and_are_bounded() {
    let pauses: Vec<_> = (1..40).map(|failed| pause_after(failed, 999)).collect();
    assert_eq!(pause_after(1, 0), Duration::from_secs(2));
    assert!(pauses.is_sorted());
    assert!(pauses.iter().all(|pause| *pause <= PAUSE_MAX + PAUSE_MAX / 5));
    let failed = |failed| StreamState {
        failed,
        ..StreamState::default()
    };
    assert_eq!(
        [0, 1, 2, 40].map(|number| records_of(&failed(number))),
        [500, 500, 250, 1]
    );
}
