//! The queue when the database refuses, and what is deleted by age, by size and with its project.

mod arguments;

use std::{sync::Arc, time::Duration};

use gatewright_domain::{
    Clock as _,
    activity::{Activity, ActivityCaller, Outcome, RequestKind, RequestNumber},
    activity_rollup::{Dimension, Period, WHOLE},
    entropy::SystemEntropy,
    id::{GatewayId, ProjectId},
    project::Project,
};
use gatewright_store::{
    PageRequest,
    activity::{self, ActivityFilter},
    activity_rollup, project,
};

use super::{Recorder, Retention, recorder::ATTEMPTS};
use crate::{config::SQLITE_FILE, testing::TestCore};

const DAY: Duration = Duration::from_hours(24);

fn row(test: &TestCore, project: ProjectId) -> Activity {
    Activity {
        at: test.clock.now(),
        project_id: project,
        gateway_id: GatewayId::generate(test.clock.as_ref(), &SystemEntropy),
        caller: None,
        server_id: None,
        kind: RequestKind::Other,
        item: None,
        outcome: Outcome::Ok,
        rule: None,
        duration_us: 1,
        upstream_us: None,
        bytes_in: 1,
        bytes_out: 1,
        request: RequestNumber(1),
        trace: None,
        session: None,
    }
}

/// A project that exists.
async fn project(test: &TestCore) -> ProjectId {
    let id = ProjectId::generate(test.clock.as_ref(), &SystemEntropy);
    let row = Project::new(id, id.to_string(), test.clock.now());
    let mut tx = test.core.store.write().await.unwrap();
    project::insert(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn write(test: &TestCore, rows: Vec<Activity>) {
    let activity = test.core.store.activity();
    let written =
        activity.transact(move |tx| Box::pin(async move { activity::write_batch(tx, &rows).await }));
    written.await.unwrap();
}

async fn count(test: &TestCore, project: ProjectId) -> usize {
    let activity = test.core.store.activity();
    let mut tx = activity.read().await.unwrap();
    let (mut count, mut page) = (0, PageRequest::first(200));
    loop {
        let found = activity::list(&mut tx, project, &ActivityFilter::default(), &page).await;
        let found = found.unwrap();
        count += found.items.len();
        match found.next {
            None => return count,
            next => page.after = next,
        }
    }
}

async fn round(test: &TestCore, retention: &mut Retention) {
    let core = &test.core;
    let round = retention.round(&core.store, &core.config.activity, core.clock.as_ref());
    round.await.unwrap();
}

#[tokio::test]
async fn a_batch_that_fails_is_kept_and_written_once() {
    let test = TestCore::new().await;
    let core = &test.core;
    let acme = project(&test).await;
    let record = || core.activity.record(row(&test, acme), &core.telemetry);
    let flush = || core.activity.flush(&core.store, &core.telemetry);
    for _ in 0..3 {
        record();
    }
    let file = core
        .config
        .database
        .data_dir
        .join(SQLITE_FILE)
        .with_extension("activity.db");
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    flush().await.unwrap_err();
    record();
    flush().await.unwrap_err();
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(flush().await.unwrap(), 4);
    assert_eq!(flush().await.unwrap(), 0);
    assert_eq!(count(&test, acme).await, 4);
}

#[tokio::test]
async fn a_batch_that_fails_for_minutes_is_given_up_and_counted() {
    let test = TestCore::new().await;
    let core = &test.core;
    let acme = project(&test).await;
    core.activity.record(row(&test, acme), &core.telemetry);
    let file = core
        .config
        .database
        .data_dir
        .join(SQLITE_FILE)
        .with_extension("activity.db");
    std::fs::remove_file(&file).unwrap();
    for _ in 0..ATTEMPTS {
        core.activity
            .flush(&core.store, &core.telemetry)
            .await
            .unwrap_err();
    }
    assert_eq!(
        core.activity.flush(&core.store, &core.telemetry).await.unwrap(),
        0
    );
    let metrics = core.telemetry.encode().unwrap();
    let dropped = "gatewright_activity_dropped_total{reason=\"failed\"} 1";
    assert!(metrics.lines().any(|line| line == dropped), "{metrics}");
}

#[tokio::test]
async fn a_recorder_that_is_off_takes_nothing() {
    let test = TestCore::new().await;
    let recorder = Recorder::new(false, &SystemEntropy);
    recorder.record(row(&test, project(&test).await), &test.core.telemetry);
    assert_eq!(
        recorder
            .flush(&test.core.store, &test.core.telemetry)
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn requests_are_deleted_when_they_are_too_old() {
    let test = TestCore::new().await;
    let acme = project(&test).await;
    let mut retention = Retention::default();
    write(&test, vec![row(&test, acme); 5_000]).await;
    test.clock.advance(DAY * 29);
    write(&test, vec![row(&test, acme); 10]).await;
    round(&test, &mut retention).await;
    assert_eq!(count(&test, acme).await, 5_010);
    test.clock.advance(DAY * 2);
    round(&test, &mut retention).await;
    assert_eq!(count(&test, acme).await, 10);
}

#[tokio::test]
async fn requests_are_deleted_when_they_are_too_many_the_oldest_first() {
    let test = TestCore::with(|config| {
        config.activity.max_size_mb = 1;
        config.activity.retention_days = 0;
    })
    .await;
    let acme = project(&test).await;
    let gateway = row(&test, acme);
    let mut written = 0;
    while test.core.store.activity().size().await.unwrap() < 1_300_000 {
        write(&test, vec![gateway.clone(); 3_000]).await;
        written += 3_000;
    }
    let last = row(&test, acme);
    write(&test, vec![last.clone()]).await;
    round(&test, &mut Retention::default()).await;
    let size = test.core.store.activity().size().await.unwrap();
    assert!(size <= 1024 * 1024, "{size}");
    let left = count(&test, acme).await;
    assert!(left > written / 2 && left < written, "{left} of {written}");
    let activity = test.core.store.activity();
    let mut tx = activity.read().await.unwrap();
    let first = PageRequest::first(1);
    let newest = activity::list(&mut tx, acme, &ActivityFilter::default(), &first)
        .await
        .unwrap();
    assert_eq!(newest.items[0].activity, last);
}

#[tokio::test]
async fn counts_push_out_no_requests_and_the_oldest_by_name_are_deleted() {
    let test = TestCore::with(|config| config.activity.max_size_mb = 1).await;
    let (acme, other) = (project(&test).await, project(&test).await);
    let of = |project: ProjectId, person: u32| {
        let person = Some(format!("|invented-{person}-{}", "x".repeat(100)).into());
        Activity {
            caller: Some(Arc::new(ActivityCaller { person, client: None })),
            ..row(&test, project)
        }
    };
    write(&test, vec![of(other, 1)]).await;
    let begin = test.clock.now();
    for hour in 0..6 {
        write(
            &test,
            (0..300).map(|number| of(acme, hour * 300 + number)).collect(),
        )
        .await;
        test.clock.advance(Duration::from_hours(1));
    }
    round(&test, &mut Retention::with_names(1_000)).await;
    assert_eq!((count(&test, acme).await, count(&test, other).await), (1_800, 1));
    let activity = test.core.store.activity();
    let mut tx = activity.read().await.unwrap();
    let people = async |tx: &mut _, project, period: Period| {
        let hours: Vec<_> = (0..6)
            .map(|hour| begin.plus(Duration::from_hours(hour)))
            .collect();
        let begins: Vec<_> = hours.into_iter().map(|at| period.begin(at)).collect();
        let read = activity_rollup::people(tx, project, period, &begins)
            .await
            .unwrap();
        read.into_iter().map(|(_, count)| count).collect::<Vec<_>>()
    };
    let hours = people(&mut tx, acme, Period::Hour).await;
    assert!(hours.len() < 6 && hours.contains(&300), "{hours:?}");
    let stored = activity_rollup::with_many_names(&mut tx, 0).await.unwrap();
    assert_eq!(
        stored.iter().find(|(project, _)| *project == acme).unwrap().1,
        1_000
    );
    assert_eq!(people(&mut tx, other, Period::Hour).await, [1]);
    let whole = activity_rollup::series(
        &mut tx,
        acme,
        Period::Hour,
        Dimension::Project,
        WHOLE,
        &[Period::Hour.begin(begin)],
    )
    .await
    .unwrap();
    assert_eq!(whole[0].1.requests, 300, "sums are kept");
}

#[tokio::test]
async fn requests_of_a_deleted_project_are_deleted() {
    let test = TestCore::new().await;
    let (acme, other) = (project(&test).await, project(&test).await);
    let gone = ProjectId::generate(test.clock.as_ref(), &SystemEntropy);
    let rows = (0..9_000).map(|number| row(&test, [acme, other, gone][number % 3]));
    write(&test, rows.collect()).await;
    let mut retention = Retention::default();
    for _ in 0..2 {
        round(&test, &mut retention).await;
    }
    assert_eq!(count(&test, gone).await, 0);
    assert_eq!(
        (count(&test, acme).await, count(&test, other).await),
        (3_000, 3_000)
    );
}
