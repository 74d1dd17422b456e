//! What clients asked for in their sessions.

use std::time::Duration;

use gatewright_domain::{Timestamp, stored_secret::SealedText};
use gatewright_store::session_note::{
    MAX_PER_CALLER, NoteKey, SessionNote, delete_of_session, find, list_of_session, list_since, prune,
    replace, write,
};

use crate::world::{World, commit, contract, look};

contract!(
    a_note_replaces_an_earlier_one_about_the_same_and_other_replicas_read_it,
    one_person_fills_only_their_own_notes,
    a_note_that_only_replaces_is_written_where_there_is_an_earlier_one,
);

fn note(session: u128, item: u128, text: &str, at: Timestamp) -> SessionNote {
    SessionNote {
        session: session.to_be_bytes(),
        item: item.to_be_bytes(),
        note: SealedText(text.to_owned()),
        written_at: at,
        expires_at: at.plus(Duration::from_hours(1)),
    }
}

const fn key(note: &SessionNote) -> NoteKey {
    (note.session, note.item, note.written_at)
}

async fn a_note_that_only_replaces_is_written_where_there_is_an_earlier_one(world: World) {
    let first = note(1, 1, "first", world.now());
    commit!(world, tx => write(tx, [1; 16], &first));
    world.clock.advance(Duration::from_secs(5));
    let (next, stray) = (note(1, 1, "next", world.now()), note(1, 2, "stray", world.now()));
    for each in [&next, &stray] {
        commit!(world, tx => replace(tx, each));
    }
    let now = world.now();
    let all = look!(world, tx => list_of_session(tx, first.session, now));
    assert_eq!(all, [next]);
}

async fn a_note_replaces_an_earlier_one_about_the_same_and_other_replicas_read_it(world: World) {
    let replica = world.replica().await;
    let start = world.now();
    let first = note(1, 1, "first", start);
    let other = note(u128::MAX, 1, "other", start);
    for each in [&first, &other] {
        commit!(world, tx => write(tx, [1; 16], each));
    }
    world.clock.advance(Duration::from_secs(5));
    let now = world.now();
    let (second, more) = (note(1, 1, "second", now), note(1, u128::MAX, "more", now));
    for each in [&second, &more] {
        commit!(world, tx => write(tx, [1; 16], each));
    }
    let mut tx = replica.read().await.unwrap();
    let all = list_since(&mut tx, start, now, 10).await.unwrap();
    assert_eq!(all, [key(&second), key(&more), key(&other)]);
    assert_eq!(list_since(&mut tx, now, now, 1).await.unwrap(), [key(&second)]);
    assert_eq!(
        find(&mut tx, second.session, second.item).await.unwrap().as_ref(),
        Some(&second)
    );
    assert_eq!(find(&mut tx, second.session, [9; 16]).await.unwrap(), None);
    let of_session = list_of_session(&mut tx, first.session, now).await.unwrap();
    assert_eq!(of_session, [second, more]);
    drop(tx);
    commit!(world, tx => delete_of_session(tx, first.session));
    assert_eq!(look!(world, tx => list_of_session(tx, first.session, now)), []);
    world.clock.advance(Duration::from_hours(1));
    let later = world.now();
    assert_eq!(look!(world, tx => list_since(tx, start, later, 10)), []);
    assert_eq!(commit!(world, tx => prune(tx, later, 10)), 1);
    assert_eq!(commit!(world, tx => prune(tx, later, 10)), 0);
    replica.close().await;
}

async fn one_person_fills_only_their_own_notes(world: World) {
    let start = world.now();
    let theirs = note(1, 1, "theirs", start);
    commit!(world, tx => write(tx, [2; 16], &theirs));
    let mut tx = world.write().await;
    for item in 0..u128::from(MAX_PER_CALLER) + 5 {
        world.clock.advance(Duration::from_millis(1));
        write(&mut tx, [1; 16], &note(2, item, "mine", world.now()))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let now = world.now();
    let kept = look!(world, tx => list_since(tx, start, now, 10_000));
    assert_eq!(kept.len(), MAX_PER_CALLER as usize + 1);
    assert!(kept.contains(&key(&theirs)));
    assert!(
        !kept
            .iter()
            .any(|(session, item, _)| *session == 2_u128.to_be_bytes() && *item == [0; 16])
    );
}
