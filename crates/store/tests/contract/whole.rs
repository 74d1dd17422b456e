//! Transactions that run as a whole: all or nothing, each separately, and durable before their owners get a result.

use gatewright_store::{StoreError, Urgency, project, revision, server};

use crate::world::{World, contract, is_taken, look};

contract!(
    ok_commits_and_an_error_rolls_back,
    many_at_once_all_happen_and_a_failing_one_affects_no_other,
    a_violated_constraint_affects_only_its_own_transaction,
    a_panic_reaches_its_caller_and_the_store_keeps_working,
    a_whole_transaction_waits_for_one_that_goes_step_by_step,
    a_reading_sees_what_was_acknowledged_before_it,
    a_whole_reading_cannot_write,
);

async fn ok_commits_and_an_error_rolls_back(world: World) {
    let (kept, undone) = (world.new_project(), world.new_project());
    let before = look!(world, tx => revision::read(tx));
    let (insert, id) = (undone.clone(), undone.id);
    let outcome: Result<(), StoreError> = world
        .store
        .transact(Urgency::Program, move |tx| {
            Box::pin(async move {
                project::insert(tx, &insert).await?;
                assert!(project::find(tx, id).await?.is_some());
                Err(StoreError::Busy)
            })
        })
        .await;
    assert!(matches!(outcome, Err(StoreError::Busy)));
    assert_eq!(look!(world, tx => project::find(tx, undone.id)), None);
    assert_eq!(look!(world, tx => revision::read(tx)), before);

    let (project, server) = (kept.clone(), world.new_server(kept.id));
    let answer: Result<&str, StoreError> = world
        .store
        .transact(Urgency::Program, move |tx| {
            Box::pin(async move {
                project::insert(tx, &project).await?;
                server::insert(tx, &server).await?;
                Ok("done")
            })
        })
        .await;
    assert_eq!(answer.unwrap(), "done");
    assert_eq!(look!(world, tx => project::find(tx, kept.id)), Some(kept));
    assert_eq!(look!(world, tx => revision::read(tx)), before + 1);
}

async fn many_at_once_all_happen_and_a_failing_one_affects_no_other(world: World) {
    let project = world.project().await;
    let before = look!(world, tx => revision::read(tx));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..120 {
        let (store, server) = (world.store.clone(), world.new_server(project.id));
        tasks.spawn(async move {
            let outcome: Result<(), StoreError> = store
                .transact(Urgency::Program, move |tx| {
                    Box::pin(async move {
                        server::insert(tx, &server).await?;
                        if number % 3 == 0 {
                            Err(StoreError::Busy)
                        } else {
                            Ok(())
                        }
                    })
                })
                .await;
            assert_eq!(outcome.is_err(), number % 3 == 0);
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
    let reading = look!(world, tx => gatewright_store::directory::read(tx));
    assert_eq!(reading.servers.len(), 80);
    assert_eq!(reading.revision, before + 80, "each grew the revision once");
}

async fn a_violated_constraint_affects_only_its_own_transaction(world: World) {
    let project = world.project().await;
    let (first, mut second) = (world.new_server(project.id), world.new_server(project.id));
    second.slug.clone_from(&first.slug);
    let mut tasks = tokio::task::JoinSet::new();
    for server in [first, second] {
        let store = world.store.clone();
        tasks.spawn(async move {
            let outcome: Result<(), StoreError> = store
                .transact(Urgency::Program, move |tx| {
                    Box::pin(async move { server::insert(tx, &server).await })
                })
                .await;
            outcome
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| is_taken(outcome, "slug"))
            .count(),
        1
    );
}

async fn a_panic_reaches_its_caller_and_the_store_keeps_working(world: World) {
    let (lost, kept) = (world.new_project(), world.new_project());
    let (store, insert) = (world.store.clone(), lost.clone());
    let task = tokio::spawn(async move {
        store
            .transact(Urgency::Program, move |tx| {
                Box::pin(async move {
                    project::insert(tx, &insert).await?;
                    assert!(insert.name.is_empty(), "a bug");
                    Ok::<_, StoreError>(())
                })
            })
            .await
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(look!(world, tx => project::find(tx, lost.id)), None);
    let insert = kept.clone();
    let outcome: Result<(), StoreError> = world
        .store
        .transact(Urgency::Program, move |tx| {
            Box::pin(async move { project::insert(tx, &insert).await })
        })
        .await;
    outcome.unwrap();
    assert_eq!(look!(world, tx => project::find(tx, kept.id)), Some(kept));
}

async fn a_whole_transaction_waits_for_one_that_goes_step_by_step(world: World) {
    let project = world.new_project();
    let mut steps = world.write().await;
    project::insert(&mut steps, &project).await.unwrap();
    let (store, server) = (world.store.clone(), world.new_server(project.id));
    let whole = tokio::spawn(async move {
        let outcome: Result<(), StoreError> = store
            .transact(Urgency::Program, move |tx| {
                Box::pin(async move { server::insert(tx, &server).await })
            })
            .await;
        outcome
    });
    if world.is_sqlite() {
        // It waits: its project does not exist for it before the other one commits.
        tokio::task::yield_now().await;
        steps.commit().await.unwrap();
        whole.await.unwrap().unwrap();
    } else {
        // PostgreSQL has many writers; the row it refers to does not exist until the other one commits.
        steps.commit().await.unwrap();
        let _ = whole.await.unwrap();
    }
    assert!(look!(world, tx => project::find(tx, project.id)).is_some());
}

async fn a_reading_sees_what_was_acknowledged_before_it(world: World) {
    for _ in 0..20 {
        let project = world.new_project();
        let (insert, id) = (project.clone(), project.id);
        let outcome: Result<(), StoreError> = world
            .store
            .transact(Urgency::Program, move |tx| {
                Box::pin(async move { project::insert(tx, &insert).await })
            })
            .await;
        outcome.unwrap();
        let mut readings = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = world.store.clone();
            readings.spawn(async move {
                let found: Result<_, StoreError> = store
                    .look(move |tx| Box::pin(async move { project::find(tx, id).await }))
                    .await;
                found.unwrap()
            });
        }
        while let Some(found) = readings.join_next().await {
            assert_eq!(found.unwrap(), Some(project.clone()));
        }
    }
}

async fn a_whole_reading_cannot_write(world: World) {
    let project = world.new_project();
    let (insert, id) = (project.clone(), project.id);
    let outcome: Result<(), StoreError> = world
        .store
        .look(move |tx| Box::pin(async move { project::insert(tx, &insert).await }))
        .await;
    assert!(outcome.is_err());
    assert_eq!(look!(world, tx => project::find(tx, id)), None);
}
