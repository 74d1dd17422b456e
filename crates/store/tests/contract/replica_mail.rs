//! Letters between replicas.

use std::time::Duration;

use gatewright_domain::{Timestamp, stored_secret::SealedText};
use gatewright_store::replica_mail::{
    Fate, Letter, answer, delete, find_fate, has_any, insert, prune, renew, take, withdraw,
};

use crate::world::{World, commit, contract, look};

contract!(
    a_letter_is_taken_once_by_its_replica_and_answered,
    a_letter_that_was_not_taken_can_be_withdrawn_and_expires,
);

const HERE: [u8; 8] = [1; 8];
const THERE: [u8; 8] = [0xfe; 8];

fn letter(number: u128, recipient: [u8; 8], at: Timestamp) -> Letter {
    Letter {
        id: number.to_be_bytes(),
        recipient,
        letter: SealedText(format!("sealed {number}")),
        expires_at: at.plus(Duration::from_mins(1)),
    }
}

async fn a_letter_is_taken_once_by_its_replica_and_answered(world: World) {
    let now = world.now();
    let (first, second) = (letter(1, THERE, now), letter(u128::MAX, THERE, now));
    for letter in [&first, &second] {
        commit!(world, tx => insert(tx, letter));
    }
    assert!(!look!(world, tx => has_any(tx, HERE, now)));
    assert!(look!(world, tx => has_any(tx, THERE, now)));
    assert_eq!(commit!(world, tx => take(tx, HERE, now, 10)), []);
    assert_eq!(look!(world, tx => find_fate(tx, first.id)), Some(Fate::Waiting));
    let taken = commit!(world, tx => take(tx, THERE, now, 1));
    assert_eq!(taken, std::slice::from_ref(&first));
    let taken = commit!(world, tx => take(tx, THERE, now, 10));
    assert_eq!(taken, [second]);
    assert_eq!(commit!(world, tx => take(tx, THERE, now, 10)), []);
    assert_eq!(
        look!(world, tx => find_fate(tx, first.id)),
        Some(Fate::Taken(now))
    );
    let later = now.plus(Duration::from_secs(8));
    assert!(commit!(world, tx => renew(tx, first.id, later)));
    assert_eq!(
        look!(world, tx => find_fate(tx, first.id)),
        Some(Fate::Taken(later))
    );
    let (reply, other) = (SealedText("reply".to_owned()), SealedText("other".to_owned()));
    commit!(world, tx => answer(tx, first.id, &reply));
    commit!(world, tx => answer(tx, first.id, &other));
    assert_eq!(
        look!(world, tx => find_fate(tx, first.id)),
        Some(Fate::Answered(reply))
    );
    assert!(!commit!(world, tx => withdraw(tx, first.id)), "it was taken");
    assert!(
        !commit!(world, tx => renew(tx, first.id, later)),
        "it is answered"
    );
    commit!(world, tx => delete(tx, first.id));
    assert_eq!(look!(world, tx => find_fate(tx, first.id)), None);
}

async fn a_letter_that_was_not_taken_can_be_withdrawn_and_expires(world: World) {
    let now = world.now();
    let (first, second) = (letter(1, HERE, now), letter(2, HERE, now));
    for letter in [&first, &second] {
        commit!(world, tx => insert(tx, letter));
    }
    commit!(world, tx => answer(tx, first.id, &SealedText("early".to_owned())));
    assert!(commit!(world, tx => withdraw(tx, first.id)));
    assert!(!commit!(world, tx => withdraw(tx, first.id)));
    let late = now.plus(Duration::from_mins(1));
    assert!(!look!(world, tx => has_any(tx, HERE, late)));
    assert_eq!(commit!(world, tx => take(tx, HERE, late, 10)), []);
    assert_eq!(commit!(world, tx => prune(tx, late, 10)), 1);
}
