//! Streams: what is stored of them, whose turn it is, and that following the audit trail and the activity leaves nothing out while
//! others write.

use std::{collections::BTreeSet, time::Duration};

use gatewright_domain::{
    id::{ProjectId, StreamId},
    stored_secret::SealedText,
    stream::{Batching, Stream, StreamFormat, StreamLag, StreamStatus, StreamTarget},
};
use gatewright_store::{
    activity::{self, Place},
    audit, keys, stream,
    stream_state::{self, Progress},
};

use crate::{
    activity_fixtures::{Office, write},
    audit_chain::{event, written},
    world::{World, commit, contract, is_taken, look},
};

contract!(
    a_stream_is_stored_changed_and_deleted_with_its_place,
    one_process_at_a_time_has_a_stream,
    what_arrived_is_noted_for_the_process_that_has_the_stream_only,
    failures_are_counted_until_something_arrives,
    nothing_is_left_out_while_many_write_events,
    nothing_is_left_out_while_many_write_activity,
    deleted_rows_of_the_activity_are_counted,
    its_secret_is_encrypted_again_with_the_others,
);

const TERM: Duration = Duration::from_secs(30);

fn new(world: &World, name: &str) -> Stream {
    // IDs are in the order of their times.
    world.clock.advance(Duration::from_millis(1));
    let id = StreamId::generate(&*world.clock, &*world.entropy);
    Stream {
        id,
        name: name.to_owned(),
        status: StreamStatus::Active,
        audit: true,
        activity: true,
        project_id: None,
        format: StreamFormat::Ocsf,
        target: StreamTarget::Webhook {
            url: "https://siem.example.com/in".to_owned(),
            batching: Batching::Lines,
        },
        secret: Some(SealedText("v1.none.none".to_owned())),
        created_at: world.now(),
        updated_at: world.now(),
    }
}

async fn stored(world: &World) -> Stream {
    let stream = new(world, "SIEM");
    commit!(world, tx => stream::insert(tx, &stream));
    commit!(world, tx => stream_state::begin_audit(tx, stream.id, None, world.now()));
    stream
}

async fn a_stream_is_stored_changed_and_deleted_with_its_place(world: World) {
    let first = stored(&world).await;
    let mut tx = world.write().await;
    let outcome = stream::insert(&mut tx, &new(&world, "siem")).await;
    assert!(is_taken(&outcome, "name"));
    drop(tx);
    assert_eq!(
        look!(world, tx => stream::find(tx, first.id)),
        Some(first.clone())
    );
    let second = Stream {
        target: StreamTarget::File {
            file_name: "audit.jsonl".to_owned(),
            max_size_mb: 1,
            max_files: 2,
        },
        secret: None,
        project_id: Some(world.project().await.id),
        ..new(&world, "File")
    };
    commit!(world, tx => stream::insert(tx, &second));
    assert_eq!(
        look!(world, tx => stream::list(tx)),
        [first.clone(), second.clone()]
    );
    let changed = Stream {
        name: "siem".to_owned(),
        status: StreamStatus::Inactive,
        updated_at: world.now().plus(TERM),
        ..first.clone()
    };
    assert!(commit!(world, tx => stream::update(tx, &changed, &first)));
    assert!(
        !commit!(world, tx => stream::update(tx, &changed, &first)),
        "it was changed since"
    );
    let mut tx = world.write().await;
    let taken = Stream {
        name: "FILE".to_owned(),
        ..changed.clone()
    };
    let outcome = stream::update(&mut tx, &taken, &changed).await;
    assert!(is_taken(&outcome, "name"));
    drop(tx);
    assert_eq!(look!(world, tx => stream::find(tx, first.id)), Some(changed));
    let end = Place {
        row: 5,
        ..Place::default()
    };
    commit!(world, tx => stream_state::begin_activity(tx, first.id, end, world.now()));
    assert!(commit!(world, tx => stream::delete(tx, first.id)));
    assert_eq!(look!(world, tx => stream_state::find(tx, first.id)), None);
    assert_eq!(
        look!(world, tx => stream_state::activity_place(tx, first.id)),
        Place::default()
    );
    assert_eq!(look!(world, tx => stream::list(tx)), [second]);
}

async fn one_process_at_a_time_has_a_stream(world: World) {
    let id = stored(&world).await.id;
    let hold = async |holder: &str| {
        let now = world.now();
        commit!(world, tx => stream_state::hold(tx, id, holder, now, now.plus(TERM)))
    };
    let (one, other) = tokio::join!(hold("one"), hold("other"));
    assert!(one != other, "one of them has it");
    let (has, has_not) = if one { ("one", "other") } else { ("other", "one") };
    assert!(hold(has).await && !hold(has_not).await);
    assert!(look!(world, tx => stream_state::is_held_elsewhere(tx, id, has_not, world.now())));
    assert!(!look!(world, tx => stream_state::is_held_elsewhere(tx, id, has, world.now())));
    world.clock.advance(TERM);
    assert!(hold(has_not).await && !hold(has).await);
    commit!(world, tx => stream_state::release(tx, has_not));
    assert!(hold(has).await);
}

async fn what_arrived_is_noted_for_the_process_that_has_the_stream_only(world: World) {
    let stream = stored(&world).await;
    let id = stream.id;
    let project = world.project().await.id;
    written(&world, project, 3).await;
    let chain = project.to_string();
    let lag = look!(world, tx => stream_state::audit_lag(tx, id, None));
    assert_eq!(lag.events, 3);
    assert!(lag.oldest_at.is_some_and(|at| at < world.now()));
    let now = world.now();
    assert!(commit!(world, tx => stream_state::hold(tx, id, "one", now, now.plus(TERM))));
    let progress = Progress {
        places: vec![(chain.clone(), 2)],
        activity: Some((9, 4)),
        delivered: 2,
        lost: 1,
    };
    let mut tx = world.write().await;
    assert!(
        !stream_state::advance(&mut tx, &stream, "other", now, &progress)
            .await
            .unwrap()
    );
    drop(tx);
    // One that was changed since it was read has another place.
    let before = Stream {
        updated_at: stream.updated_at.minus(TERM),
        ..stream.clone()
    };
    assert!(!commit!(world, tx => stream_state::advance(tx, &before, "one", now, &progress)));
    assert_eq!(
        look!(world, tx => stream_state::activity_place(tx, id)),
        Place::default()
    );
    assert!(commit!(world, tx => stream_state::advance(tx, &stream, "one", now, &progress)));
    let behind = look!(world, tx => stream_state::behind(tx, id, Some(project)));
    let [only] = behind.as_slice() else {
        panic!("{behind:?}");
    };
    assert_eq!(
        (only.chain.as_str(), only.place, only.latest),
        (chain.as_str(), 2, 3)
    );
    let place = Place {
        row: 9,
        generation: 4,
        at: now,
    };
    assert_eq!(look!(world, tx => stream_state::activity_place(tx, id)), place);
    let state = look!(world, tx => stream_state::find(tx, id)).unwrap();
    assert_eq!((state.delivered, state.lost), (2, 1));
    assert_eq!((state.last_delivered_at, state.lost_at), (Some(now), Some(now)));
    let elsewhere = ProjectId::generate(&*world.clock, &*world.entropy);
    let lag = look!(world, tx => stream_state::audit_lag(tx, id, Some(elsewhere)));
    assert_eq!(lag, StreamLag::default());
}

async fn failures_are_counted_until_something_arrives(world: World) {
    let stream = stored(&world).await;
    let id = stream.id;
    let began = world.now();
    assert!(commit!(world, tx => stream_state::hold(tx, id, "one", began, began.plus(TERM * 9))));
    for holder in ["one", "one", "other"] {
        world.clock.advance(TERM);
        let (now, next) = (world.now(), world.now().plus(TERM));
        commit!(world, tx => stream_state::fail(tx, id, holder, now, "HTTP 500", next));
    }
    let state = look!(world, tx => stream_state::list(tx)).remove(&id).unwrap();
    assert_eq!((state.failed, state.failing_since), (2, Some(began.plus(TERM))));
    assert_eq!(state.last_error.as_deref(), Some("HTTP 500"));
    assert_eq!(state.next_attempt_at, began.plus(TERM * 3));
    commit!(world, tx => stream_state::retry_now(tx, id));
    let state = look!(world, tx => stream_state::find(tx, id)).unwrap();
    assert!(state.next_attempt_at < began && state.failed == 2);
    let nothing = Progress::default();
    assert!(commit!(world, tx => stream_state::advance(tx, &stream, "one", began, &nothing)));
    let state = look!(world, tx => stream_state::find(tx, id)).unwrap();
    assert_eq!(
        (state.failed, state.failing_since, state.last_error),
        (0, None, None)
    );
}

/// Reads what waits and notes that it arrived, again and again until `count` events were seen.
async fn follow_events(world: &World, stream: &Stream, count: usize) -> Vec<String> {
    let id = stream.id;
    let now = world.now();
    assert!(commit!(world, tx => stream_state::hold(tx, id, "one", now, now.plus(TERM * 99))));
    let mut seen = Vec::new();
    while seen.len() < count {
        let mut tx = world.read().await;
        let mut progress = Progress::default();
        for behind in stream_state::behind(&mut tx, id, None).await.unwrap() {
            let rows = audit::follow(&mut tx, &behind.chain, behind.place, 7)
                .await
                .unwrap();
            let mut place = behind.place;
            for row in rows {
                assert_eq!(row.seq, place + 1, "no number is left out");
                seen.push(row.event.unwrap().id.to_string());
                place = row.seq;
            }
            progress.places.push((behind.chain, place));
        }
        drop(tx);
        assert!(commit!(world, tx => stream_state::advance(tx, stream, "one", now, &progress)));
        tokio::task::yield_now().await;
    }
    seen
}

async fn nothing_is_left_out_while_many_write_events(world: World) {
    let projects = [world.project().await.id, world.project().await.id];
    written(&world, projects[0], 2).await;
    let stream = stored(&world).await;
    let id = stream.id;
    let writers = (0..6).map(|number| {
        let (world, projects) = (world.clone(), projects);
        tokio::spawn(async move {
            let mut made = Vec::new();
            for turn in 0..15 {
                // One in each chain, in both orders, so that commits overtake each other.
                let mut events = [event(&world, Some(projects[0])), event(&world, Some(projects[1]))];
                if (number + turn) % 2 == 0 {
                    events.reverse();
                }
                let mut tx = world.write().await;
                for event in &events {
                    audit::insert(&mut tx, event).await.unwrap();
                }
                tx.commit().await.unwrap();
                made.extend(events.map(|event| event.id.to_string()));
            }
            made
        })
    });
    let writers: Vec<_> = writers.collect();
    let seen = follow_events(&world, &stream, 6 * 15 * 2).await;
    let mut made = BTreeSet::new();
    for writer in writers {
        made.extend(writer.await.unwrap());
    }
    assert_eq!(seen.len(), made.len(), "none is seen twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made);
    assert_eq!(
        look!(world, tx => stream_state::audit_lag(tx, id, None)),
        StreamLag::default()
    );
}

async fn nothing_is_left_out_while_many_write_activity(world: World) {
    let writers = (0..5).map(|number| {
        let world = world.clone();
        tokio::spawn(async move {
            let office = Office::new(&world);
            for turn in 0..12 {
                let row = |at| office.call(world.now(), &format!("tool-{number}-{turn}-{at}"));
                write(&world.store, (0..3).map(row).collect()).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let (mut place, mut seen) = (0, Vec::new());
    while seen.len() < 5 * 12 * 3 {
        let rows_of = world.store.activity();
        let after = Place {
            row: place,
            ..Place::default()
        };
        let found =
            rows_of.look(move |tx| Box::pin(async move { activity::follow(tx, None, after, 10).await }));
        let found = found.await.unwrap();
        assert_eq!(found.deleted, 0);
        for row in found.rows {
            assert!(row.id.row() > place);
            place = row.id.row();
            seen.push(row.activity.item.unwrap().to_string());
        }
        place = place.max(found.seen);
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen.len(), 5 * 12 * 3);
    assert_eq!(
        seen.iter().collect::<BTreeSet<_>>().len(),
        seen.len(),
        "none is seen twice"
    );
}

async fn deleted_rows_of_the_activity_are_counted(world: World) {
    let (one, two) = (Office::new(&world), Office::new(&world));
    let row = |office: &Office, item: &str| office.call(world.now(), item);
    let rows = ["a", "b", "c", "d"].map(|item| row(&one, item));
    write(&world.store, rows.into()).await;
    write(&world.store, vec![row(&two, "e")]).await;
    let follow = async |project, row| {
        let rows_of = world.store.activity();
        let after = Place {
            row,
            ..Place::default()
        };
        let found =
            rows_of.look(move |tx| Box::pin(async move { activity::follow(tx, project, after, 9).await }));
        found.await.unwrap()
    };
    let found = follow(None, 1).await;
    assert_eq!((found.rows.len(), found.seen, found.deleted), (4, 5, 0));
    assert_eq!(found.rows[3].activity.project_id, two.project);
    let found = follow(Some(two.project), 0).await;
    assert_eq!((found.rows.len(), found.seen), (1, 5));
    let prune = async |limit| {
        let rows_of = world.store.activity();
        let pruned =
            rows_of.transact(move |tx| Box::pin(async move { activity::prune_oldest(tx, limit).await }));
        pruned.await.unwrap()
    };
    prune(3).await;
    let found = follow(None, 1).await;
    assert_eq!((found.rows.len(), found.seen, found.deleted), (2, 5, 2));
    prune(9).await;
    let found = follow(None, 1).await;
    assert_eq!((found.rows.len(), found.seen, found.deleted), (0, 5, 4));
    assert_eq!(follow(None, 5).await.deleted, 0);
}

async fn its_secret_is_encrypted_again_with_the_others(world: World) {
    let stream = stored(&world).await;
    let context = Stream::context(stream.id);
    let reseal =
        |found: &str, _: &SealedText| (found == context).then(|| SealedText("v1.new.new".to_owned()));
    assert_eq!(keys::reseal_all(&world.store, &reseal).await.unwrap(), 1);
    let found = look!(world, tx => stream::find(tx, stream.id)).unwrap();
    assert_eq!(found.secret, Some(SealedText("v1.new.new".to_owned())));
}
