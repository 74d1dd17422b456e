//! Activity: how rows are numbered and named, and how they are deleted.

use std::time::Duration;

use gatewright_domain::{
    Clock as _, Timestamp,
    activity::{Activity, RecordedArguments},
};
use gatewright_store::{
    Store, StoreError,
    activity::{self, ActivityFilter, Place},
};

use crate::{
    activity_fixtures::{Office, all, caller, page, write},
    world::{World, contract},
};

contract!(
    two_replicas_number_their_rows_without_gaps,
    a_batch_is_written_once,
    rows_are_deleted_by_age_and_by_number,
    a_deleted_project_leaves_nothing,
    a_client_has_the_name_that_it_sent_last,
    a_text_with_a_nul_is_stored,
    the_size_grows_with_the_rows,
    numbers_that_began_again_are_noticed,
);

async fn two_replicas_number_their_rows_without_gaps(world: World) {
    let office = Office::new(&world);
    let replica = world.replica().await;
    let rows = |store: &Store, person: &str| {
        let (store, caller) = (store.clone(), caller(person, "client-1", "One"));
        let row = Activity {
            caller: Some(caller),
            ..office.call(world.now(), "search")
        };
        async move {
            for _ in 0..20 {
                write(&store, vec![row.clone(); 17]).await;
            }
        }
    };
    tokio::join!(rows(&world.store, "usr_ada"), rows(&replica, "usr_bob"));
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = page(&world, office.project, &ActivityFilter::default(), after, 200).await;
        ids.extend(items.iter().map(|stored| stored.id.row()));
        match next {
            None => break,
            Some(_) => after = next,
        }
    }
    let expected: Vec<i64> = (1..=2 * 20 * 17).rev().collect();
    assert_eq!(ids, expected);
    for person in ["usr_ada", "usr_bob"] {
        let filter = ActivityFilter {
            person: Some(person.to_owned()),
            ..ActivityFilter::default()
        };
        assert_eq!(all(&world, office.project, &filter, 200).await.len(), 20 * 17);
    }
    replica.close().await;
}

async fn a_batch_is_written_once(world: World) {
    let office = Office::new(&world);
    let claimed = |writer: &'static str, number: i64| {
        let (store, at) = (world.store.activity(), world.now());
        let row = office.call(at, "search");
        async move {
            let written = store.transact(move |tx| {
                Box::pin(async move {
                    let is_new = activity::claim_batch(tx, writer, number, at).await?;
                    if is_new {
                        activity::write_batch(tx, &[row]).await?;
                    }
                    Ok::<_, StoreError>(is_new)
                })
            });
            written.await.unwrap()
        }
    };
    assert!(claimed("one", 1).await);
    assert!(
        !claimed("one", 1).await,
        "its commit was not confirmed, and it is tried again"
    );
    assert!(claimed("one", 2).await);
    assert!(claimed("another", 1).await);
    assert!(!claimed("one", 1).await);
    let any = ActivityFilter::default();
    assert_eq!(all(&world, office.project, &any, 50).await.len(), 3);
}

async fn rows_are_deleted_by_age_and_by_number(world: World) {
    let office = Office::new(&world);
    let begin = world.now();
    let old = office.call(begin, "old");
    let rows = (0..1_000).map(|_| old.clone()).collect();
    write(&world.store, rows).await;
    world.clock.advance(Duration::from_mins(10));
    let new = office.call(world.now(), "new");
    write(&world.store, vec![new.clone(); 1_000]).await;
    let prune = |before: Timestamp, limit: u32| {
        let store = world.store.activity();
        async move {
            store
                .transact(move |tx| Box::pin(activity::prune(tx, before, limit)))
                .await
                .unwrap()
        }
    };
    let before = begin.plus(Duration::from_mins(5));
    let mut deleted = 0;
    loop {
        let pruned = prune(before, 300).await;
        assert!(pruned.rows <= 300);
        deleted += pruned.rows;
        if !pruned.more {
            break;
        }
    }
    assert_eq!(deleted, 1_000);
    assert_eq!(prune(before, 300).await.rows, 0);
    let any = ActivityFilter::default();
    assert_eq!(all(&world, office.project, &any, 200).await.len(), 1_000);
    let rows_of = world.store.activity();
    let oldest = rows_of.transact(|tx| Box::pin(activity::prune_oldest(tx, 400)));
    assert_eq!(oldest.await.unwrap().rows, 400);
    assert_eq!(
        all(&world, office.project, &any, 200).await,
        vec![new.clone(); 600]
    );
    // Names without rows are deleted, and those that are used are kept.
    let names = || {
        let store = world.store.activity();
        async move {
            let pruned = store.transact(|tx| Box::pin(activity::prune_names(tx, 0))).await;
            assert!(pruned.unwrap().is_some());
        }
    };
    names().await;
    let old = ActivityFilter {
        item: Some("old".to_owned()),
        ..ActivityFilter::default()
    };
    assert!(all(&world, office.project, &old, 200).await.is_empty());
    write(&world.store, vec![office.call(world.now(), "old")]).await;
    assert_eq!(all(&world, office.project, &old, 200).await.len(), 1);
    assert_eq!(all(&world, office.project, &any, 200).await.len(), 601);
    // All of it, and what follows is found.
    let everything = world.now().plus(Duration::from_hours(1));
    while prune(everything, 500).await.more {}
    assert!(all(&world, office.project, &any, 200).await.is_empty());
    names().await;
    write(&world.store, vec![new.clone()]).await;
    assert_eq!(all(&world, office.project, &any, 200).await, [new]);
}

async fn a_deleted_project_leaves_nothing(world: World) {
    let (office, other) = (Office::new(&world), Office::new(&world));
    let both = [&office, &other];
    for _ in 0..20 {
        let rows = (0..1_000)
            .map(|number| both[number % 2].call(world.now(), "search"))
            .collect();
        write(&world.store, rows).await;
    }
    let gone = office.project;
    let arguments: Vec<_> = (0..2_500)
        .map(|place| {
            (
                place,
                RecordedArguments {
                    bytes: 2,
                    text: "{}".to_owned(),
                },
            )
        })
        .collect();
    let people = (0..2_500).map(|number| Activity {
        caller: Some(caller(&format!("|invented-{number}"), "client-1", "One")),
        ..office.call(world.now(), "search")
    });
    let rows: Vec<_> = people.collect();
    let rows_of = world.store.activity();
    let written = rows_of.transact(move |tx| {
        Box::pin(async move {
            let first = activity::write_batch(tx, &rows).await?;
            activity::write_arguments(tx, &rows, first, &arguments).await
        })
    });
    written.await.unwrap();
    let size = rows_of.size_of_arguments().await.unwrap();
    let mut deleted = 0;
    let mut is_first = true;
    loop {
        let step = rows_of.transact(move |tx| Box::pin(activity::forget_project(tx, gone)));
        let step = step.await.unwrap();
        deleted += step.rows;
        if std::mem::take(&mut is_first) {
            // A part of the arguments, and nothing for which batches would have to wait.
            let left = rows_of.size_of_arguments().await.unwrap();
            assert!(
                step.more && step.rows == 0 && left > 0 && left < size,
                "{left} of {size}"
            );
        }
        assert!(step.rows <= 2 * 8 * 1_024, "{}", step.rows);
        if !step.more {
            break;
        }
    }
    assert_eq!(deleted, 12_500);
    assert_eq!(rows_of.size_of_arguments().await.unwrap(), 0);
    let any = ActivityFilter::default();
    assert!(all(&world, office.project, &any, 200).await.is_empty());
    assert_eq!(all(&world, other.project, &any, 200).await.len(), 10_000);
    let left = rows_of.look(|tx| Box::pin(activity::projects(tx, None)));
    assert_eq!(left.await.unwrap(), [other.project]);
}

async fn a_client_has_the_name_that_it_sent_last(world: World) {
    let office = Office::new(&world);
    for name in ["One", "Another"] {
        let row = Activity {
            caller: Some(caller("usr_ada", "client-1", name)),
            ..office.call(world.now(), "search")
        };
        write(&world.store, vec![row]).await;
    }
    let found = all(&world, office.project, &ActivityFilter::default(), 200).await;
    let names = found.iter().map(|row| {
        row.caller
            .as_ref()
            .unwrap()
            .client
            .as_ref()
            .unwrap()
            .name
            .to_string()
    });
    assert_eq!(names.collect::<Vec<_>>(), ["Another", "Another"]);
}

async fn a_text_with_a_nul_is_stored(world: World) {
    let office = Office::new(&world);
    let rows = ["a\0b", "a\u{fffd}b"].map(|item| office.call(world.now(), item));
    write(&world.store, rows.to_vec()).await;
    let found = all(&world, office.project, &ActivityFilter::default(), 200).await;
    assert!(found.iter().all(|row| row.item.as_deref() == Some("a\u{fffd}b")));
    assert_eq!(found.len(), 2);
}

async fn the_size_grows_with_the_rows(world: World) {
    let office = Office::new(&world);
    let activity = world.store.activity();
    let empty = activity.size().await.unwrap();
    write(&world.store, vec![office.call(world.now(), "search"); 20_000]).await;
    let full = activity.size().await.unwrap();
    let per_row = (full - empty) / 20_000;
    assert!((40..300).contains(&per_row), "{per_row} bytes per row");
    // Not on SQLite either is anything measured that deleting requests does not free.
    let arguments: Vec<_> = (0..100)
        .map(|place| {
            (
                place,
                RecordedArguments {
                    bytes: 16_000,
                    text: "x".repeat(16_000),
                },
            )
        })
        .collect();
    let rows = vec![office.call(world.now(), "search"); 100];
    let written = activity.transact(move |tx| {
        Box::pin(async move {
            let first = activity::write_batch(tx, &rows).await?;
            activity::write_arguments(tx, &rows, first, &arguments).await
        })
    });
    written.await.unwrap();
    let grown = activity.size().await.unwrap() - full;
    assert!(grown < full / 50, "{grown} of {full}");
    let of_arguments = activity.size_of_arguments().await.unwrap();
    assert!((1_600_000..1_700_000).contains(&of_arguments), "{of_arguments}");
    let pruned = activity.transact(|tx| Box::pin(activity::prune_arguments(tx, 40)));
    let (count, bytes) = pruned.await.unwrap();
    assert_eq!(count, 40);
    assert_eq!(activity.size_of_arguments().await.unwrap(), of_arguments - bytes);
    // On SQLite it is in another file, whose writer does not wait for the main one.
    if world.is_sqlite() {
        let _held = world.store.write().await.unwrap();
        write(&world.store, vec![office.call(world.clock.now(), "search")]).await;
    }
    while activity
        .transact(|tx| Box::pin(activity::prune_oldest(tx, 5_000)))
        .await
        .unwrap()
        .more
    {}
    assert!(activity.size().await.unwrap() < full / 4);
}

async fn numbers_that_began_again_are_noticed(world: World) {
    let office = Office::new(&world);
    write(&world.store, vec![office.call(world.now(), "old"); 5]).await;
    let rows_of = world.store.activity();
    let end = rows_of.look(|tx| Box::pin(activity::end(tx))).await.unwrap();
    assert!(end.row == 5 && end.generation > 0);
    let begin = async |place| {
        let begin = rows_of.look(move |tx| Box::pin(activity::begin(tx, place)));
        let begin = begin.await.unwrap();
        (begin.after, begin.is_again)
    };
    let noted = Place {
        at: world.now(),
        ..end
    };
    assert_eq!(begin(noted).await, (5, false));
    world.clock.advance(Duration::from_mins(30));
    write(&world.store, vec![office.call(world.now(), "new"); 2]).await;
    assert_eq!(begin(noted).await, (5, false));
    // Beyond the last number: what was written since the place was noted follows, and what is older does not.
    let beyond = Place {
        row: 100,
        at: world.now(),
        ..end
    };
    assert_eq!(begin(beyond).await, (5, true));
    let unknown = Place {
        generation: 0,
        ..beyond
    };
    assert_eq!(begin(unknown).await, (5, true));
    assert_eq!(
        begin(Place {
            at: noted.at,
            ..beyond
        })
        .await,
        (0, true)
    );
    let later = Place {
        at: world.now().plus(Duration::from_mins(30)),
        ..beyond
    };
    assert_eq!(begin(later).await, (7, true));
    // Another numbering that has passed the place.
    let renewed = rows_of.transact(move |tx| Box::pin(activity::renew_generation(tx, end.generation, 77)));
    renewed.await.unwrap();
    assert_eq!(
        begin(Place {
            row: 7,
            at: world.now(),
            ..end
        })
        .await,
        (5, true)
    );
    assert_eq!(
        begin(Place {
            row: 2,
            at: world.now(),
            ..end
        })
        .await,
        (2, true),
        "what was not sent before follows too"
    );
    assert_eq!(
        begin(Place {
            generation: 77,
            ..noted
        })
        .await,
        (5, false)
    );
}
