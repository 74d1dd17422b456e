//! What is said of requests that cannot be sent, and places that no batch may overwrite.

use gatewright_store::stream_state::Progress;

use super::*;

async fn requests_to_file(app: &Admin, name: &str, project: Option<ProjectId>) -> StreamId {
    let new = NewStream {
        activity: Some(true),
        audit: Some(false),
        project_id: project,
        ..to_file(name)
    };
    create(app, new).await
}

/// What of requests was lost, of each record about it: the first, the last and the number.
fn losses(folder: &Path, name: &str) -> Vec<[i64; 3]> {
    let lines = lines(folder, name).into_iter();
    let lost = lines.filter(|line| line["type"] == "lost");
    lost.map(|line| ["first", "last", "count"].map(|member| line[member].as_i64().unwrap()))
        .collect()
}

/// Deletes a project, and its activity as the job does.
async fn delete_project(app: &Admin, id: ProjectId, name: &str) {
    projects::delete(app, &operator(), id, name, &IfMatch::Any)
        .await
        .unwrap();
    let store = app.core().store.activity();
    let forget = store.transact(move |tx| Box::pin(activity::forget_project(tx, id)));
    assert!(!forget.await.unwrap().more);
}

#[tokio::test]
async fn requests_whose_numbers_began_again_are_sent_and_the_loss_is_said() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let project = project(app, "One").await;
    let (sends, waits) = (
        requests_to_file(app, "sends", None).await,
        requests_to_file(app, "waits", None).await,
    );
    // As if the file was lost after 1,000 requests.
    let store = app.core().store.activity();
    let end = store.look(|tx| Box::pin(activity::end(tx))).await.unwrap();
    for id in [sends, waits] {
        let stream = state(app, id).await.stream;
        let progress = Progress {
            activity: Some((1_000, end.generation)),
            ..Progress::default()
        };
        let mut tx = app.core().store.write().await.unwrap();
        let (holder, now) = (&app.streams.holder, app.now());
        stream_state::hold(&mut tx, id, holder, now, now.plus(TERM))
            .await
            .unwrap();
        assert!(
            stream_state::advance(&mut tx, &stream, holder, now, &progress)
                .await
                .unwrap()
        );
        tx.commit().await.unwrap();
    }
    record_requests(app, project, 3).await;
    // IDs of one millisecond are in no order.
    let mut are_due = due(app).await.unwrap();
    are_due.sort_unstable();
    let mut both = [sends, waits];
    both.sort_unstable();
    assert_eq!(are_due, both);
    round(app, sends).await.unwrap();
    round(app, sends).await.unwrap();
    assert_eq!(losses(folder.path(), "sends"), [[1, 1_000, 1_000]]);
    assert_eq!(lines(folder.path(), "sends").len(), 4);
    assert!(
        lines(folder.path(), "sends")[0]["message"]
            .as_str()
            .unwrap()
            .contains("began again")
    );
    // One that does not send before its number is reached again.
    for _ in 0..3 {
        record_requests(app, project, 400).await;
    }
    round(app, waits).await.unwrap();
    assert_eq!(losses(folder.path(), "waits"), [[1, 1_000, 1_000]]);
    assert_eq!(lines(folder.path(), "waits").len(), 1 + 3 + 1_200);
    assert_eq!(due(app).await.unwrap(), [sends]);
}

#[tokio::test]
async fn requests_that_were_deleted_with_their_project_are_counted_as_lost() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let (one, two) = (project(app, "One").await, project(app, "Two").await);
    let all = requests_to_file(app, "all", None).await;
    let only = requests_to_file(app, "only", Some(two)).await;
    for (project, count) in [(one, 2), (two, 3), (one, 1), (two, 4)] {
        record_requests(app, project, count).await;
    }
    delete_project(app, two, "Two").await;
    for _ in 0..2 {
        round(app, all).await.unwrap();
        round(app, only).await.unwrap();
    }
    assert_eq!(losses(folder.path(), "all"), [[3, 5, 3], [7, 10, 4]]);
    assert_eq!(lines(folder.path(), "all").len(), 5);
    assert_eq!(state(app, all).await.state.lost, 7);
    assert_eq!(losses(folder.path(), "only"), [[1, 10, 10]]);
    // Nothing follows.
    record_requests(app, one, 5).await;
    assert_eq!(due(app).await.unwrap(), [all]);
    round(app, only).await.unwrap();
    assert_eq!(lines(folder.path(), "only").len(), 1);
    assert_eq!(state(app, only).await.lag.events, 0);
}

#[tokio::test]
async fn a_batch_under_way_does_not_move_the_place_that_a_change_has_set() {
    let (test, folder) = instance().await;
    let app = &test.app;
    let (one, two) = (project(app, "One").await, project(app, "Two").await);
    let id = requests_to_file(app, "all", Some(one)).await;
    record_requests(app, one, 3).await;
    round(app, id).await.unwrap();
    record_requests(app, one, 1).await;
    let read = state(app, id).await.stream;
    let batch = Batch::gather(app, &read, RECORDS_MAX).await.unwrap();
    record_requests(app, two, 5).await;
    let patch = StreamPatch {
        project_id: Patch::Set(two),
        ..StreamPatch::default()
    };
    streams::update(app, &operator(), id, patch, &IfMatch::Any)
        .await
        .unwrap();
    assert!(!arrived(app, &read, &batch).await.unwrap());
    assert_eq!(state(app, id).await.lag.events, 0);
    record_requests(app, two, 1).await;
    round(app, id).await.unwrap();
    let last = lines(folder.path(), "all").pop().unwrap();
    assert_eq!(last["project_id"], two.to_string());
    assert_eq!(
        lines(folder.path(), "all").len(),
        4,
        "nothing of before the change"
    );
}
