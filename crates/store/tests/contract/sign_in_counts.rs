//! Sign-ins are counted once, by the hour in which they began, however many processes see how they ended.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    activity_rollup::Period,
    clock::FixedClock,
    id::AttemptId,
    sign_in_attempt::{AttemptHead, AttemptPart, Progress},
};
use gatewright_store::{project, sign_in_attempt, sign_in_count as rows};

use crate::{
    fixtures::Setting,
    world::{World, commit, contract, look},
};

contract!(
    a_sign_in_counts_once_and_a_failure_that_went_well_after_all_is_none,
    what_is_under_way_is_not_counted,
    replicas_that_see_the_same_end_count_it_once,
    counts_are_deleted_by_age_and_with_their_project,
);

fn part(world: &World, setting: &Setting, progress: Progress) -> AttemptPart {
    AttemptPart {
        head: AttemptHead {
            id: AttemptId::generate(&*world.clock, &*world.entropy),
            project_id: setting.project.id,
            gateway_id: setting.gateway.id,
            user_source_id: Some(setting.source.id),
            reference: None,
            client_id: "client".to_owned(),
            client_name: "Client".to_owned(),
            started_at: world.now(),
        },
        user_id: None,
        progress,
        updated_at: world.now(),
        steps: Vec::new(),
    }
}

/// How many ended and how many of them failed, in an hour of the whole project and of the gateway.
async fn counts(world: &World, setting: &Setting, at: Timestamp) -> [(u64, u64); 2] {
    let mut counts = [(0, 0); 2];
    for (count, gateway) in counts.iter_mut().zip([None, Some(setting.gateway.id)]) {
        let begins = [Period::Hour.begin(at)];
        let read = look!(world, tx => rows::series(tx, setting.project.id, gateway, Period::Hour, &begins));
        if let Some((_, sign_ins)) = read.first() {
            *count = (sign_ins.ended, sign_ins.failed);
        }
    }
    counts
}

async fn a_sign_in_counts_once_and_a_failure_that_went_well_after_all_is_none(world: World) {
    let setting = world.setting().await;
    let began = world.now();
    let good = part(&world, &setting, Progress::Succeeded);
    let bad = part(&world, &setting, Progress::Failed);
    let parts = [good.clone(), bad.clone()];
    let gateways = commit!(world, tx => sign_in_attempt::add_all(tx, &parts));
    assert_eq!(gateways.len(), 1);
    assert_eq!(counts(&world, &setting, began).await, [(2, 1); 2]);
    // The ends are seen again, by a process that is late.
    world.clock.advance(Duration::from_hours(2));
    commit!(world, tx => sign_in_attempt::add_all(tx, &parts));
    assert_eq!(counts(&world, &setting, began).await, [(2, 1); 2]);
    let later = AttemptPart {
        progress: Progress::Succeeded,
        ..bad
    };
    commit!(world, tx => sign_in_attempt::add_all(tx, std::slice::from_ref(&later)));
    assert_eq!(counts(&world, &setting, began).await, [(2, 0); 2]);
    assert_eq!(counts(&world, &setting, world.now()).await, [(0, 0); 2]);
}

async fn what_is_under_way_is_not_counted(world: World) {
    let setting = world.setting().await;
    let began = part(&world, &setting, Progress::InProgress);
    commit!(world, tx => sign_in_attempt::add_all(tx, std::slice::from_ref(&began)));
    assert_eq!(counts(&world, &setting, world.now()).await, [(0, 0); 2]);
    let other = FixedClock::at_seconds(world.now().as_seconds());
    let stray = AttemptPart {
        head: AttemptHead {
            gateway_id: gatewright_domain::id::GatewayId::generate(&other, &*world.entropy),
            ..began.head.clone()
        },
        progress: Progress::Succeeded,
        ..began
    };
    let gateways = commit!(world, tx => sign_in_attempt::add_all(tx, &[stray]));
    assert!(gateways.is_empty(), "its gateway was deleted");
    assert_eq!(counts(&world, &setting, world.now()).await, [(0, 0); 2]);
}

async fn replicas_that_see_the_same_end_count_it_once(world: World) {
    let setting = world.setting().await;
    let parts: Vec<_> = (0..30)
        .map(|_| part(&world, &setting, Progress::InProgress))
        .collect();
    commit!(world, tx => sign_in_attempt::add_all(tx, &parts));
    let writers = (0..3).map(|_| {
        let world = world.clone();
        let ended: Vec<_> = parts
            .iter()
            .map(|part| AttemptPart {
                progress: Progress::Failed,
                ..part.clone()
            })
            .collect();
        tokio::spawn(async move {
            let store = world.replica().await;
            let mut tx = store.write().await.unwrap();
            sign_in_attempt::add_all(&mut tx, &ended).await.unwrap();
            tx.commit().await.unwrap();
            store.close().await;
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(counts(&world, &setting, world.now()).await, [(30, 30); 2]);
}

async fn counts_are_deleted_by_age_and_with_their_project(world: World) {
    let setting = world.setting().await;
    let began = world.now();
    commit!(world, tx => sign_in_attempt::add_all(tx, &[part(&world, &setting, Progress::Failed)]));
    world.clock.advance(Duration::from_hours(3));
    commit!(world, tx => sign_in_attempt::add_all(tx, &[part(&world, &setting, Progress::Succeeded)]));
    let before = Period::Hour.begin(world.now());
    // The hour, and the day, which began at midnight.
    assert_eq!(commit!(world, tx => rows::prune(tx, before, 1)), 1);
    assert_eq!(commit!(world, tx => rows::prune(tx, before, 10)), 1);
    assert_eq!(counts(&world, &setting, began).await, [(0, 0); 2]);
    assert_eq!(counts(&world, &setting, world.now()).await, [(1, 0); 2]);
    assert!(commit!(world, tx => project::delete(tx, setting.project.id)));
    assert_eq!(counts(&world, &setting, world.now()).await, [(0, 0); 2]);
}
