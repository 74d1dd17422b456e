//! Revoked grants and deleted users, by number. A snapshot is immutable and shares nearly all of its memory with the one
//! before: adding one entry to a million copies a leaf of some 250 and the two small nodes above it.

use std::sync::Arc;

use gatewright_domain::Timestamp;
use gatewright_store::revocation::Denied;

/// Branches, and leaves of each: at a million entries a leaf holds some 250, which is 8 kB.
const WIDTH: usize = 64;

/// What is denied, and until when. Sorted, so that a lookup is a binary search.
type Leaf = Vec<(u128, Timestamp)>;
type Branch = [Arc<Leaf>; WIDTH];

/// A snapshot. Cloning it copies one pointer.
#[derive(Debug, Clone)]
pub(super) struct DenyList {
    branches: Arc<[Arc<Branch>; WIDTH]>,
}

impl Default for DenyList {
    fn default() -> Self {
        let leaf: Arc<Leaf> = Arc::default();
        let branch: Arc<Branch> = Arc::new(std::array::from_fn(|_| Arc::clone(&leaf)));
        Self {
            branches: Arc::new(std::array::from_fn(|_| Arc::clone(&branch))),
        }
    }
}

impl DenyList {
    /// Whether a grant or user is denied. Takes no lock.
    pub(super) fn contains(&self, number: u128) -> bool {
        let (branch, leaf) = place(number);
        let leaf = &self.branches[branch][leaf];
        leaf.binary_search_by_key(&number, |(number, _)| *number).is_ok()
    }

    /// Denies a grant or user until a time. Other snapshots keep what they have.
    pub(super) fn insert(&mut self, number: u128, until: Timestamp) {
        let (branch, leaf) = place(number);
        let branch = Arc::make_mut(&mut Arc::make_mut(&mut self.branches)[branch]);
        let leaf = Arc::make_mut(&mut branch[leaf]);
        match leaf.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => leaf[at].1 = leaf[at].1.max(until),
            Err(at) => leaf.insert(at, (number, until)),
        }
    }

    /// Forgets what has expired in one part of it: with each number of `round` in another. `false` when there was
    /// nothing, and nothing was copied.
    pub(super) fn forget_expired(&mut self, now: Timestamp, round: usize) -> bool {
        let at = round % WIDTH;
        let is_expired = |(_, until): &(u128, Timestamp)| *until <= now;
        if !self.branches[at].iter().any(|leaf| leaf.iter().any(is_expired)) {
            return false;
        }
        let branch = Arc::make_mut(&mut Arc::make_mut(&mut self.branches)[at]);
        for leaf in branch {
            if leaf.iter().any(is_expired) {
                *leaf = Arc::new(leaf.iter().copied().filter(|entry| !is_expired(entry)).collect());
            }
        }
        true
    }

    /// How many entries there are.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        let leaves = self.branches.iter().flat_map(|branch| branch.iter());
        leaves.map(|leaf| leaf.len()).sum()
    }
}

/// The number under which the list has the subject of a revocation. Clients are blocked by the configuration.
pub(super) const fn number_of(what: Denied) -> Option<u128> {
    match what {
        Denied::Grant(id) => Some(id.number()),
        Denied::User(id) => Some(id.number()),
        Denied::Client(..) => None,
    }
}

/// The place of a number: by its last bits, which are random (RFC 9562 section 5.7).
fn place(number: u128) -> (usize, usize) {
    let bytes = number.to_le_bytes();
    (usize::from(bytes[0]) % WIDTH, usize::from(bytes[1]) % WIDTH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_snapshot_keeps_what_it_had() {
        let mut newer = DenyList::default();
        newer.insert(7, at(10));
        let older = newer.clone();
        newer.insert(7 + 4_096, at(10));
        assert!(older.contains(7) && !older.contains(7 + 4_096));
        assert!(newer.contains(7) && newer.contains(7 + 4_096));
        assert_eq!((older.len(), newer.len()), (1, 2));
    }

    #[test]
    fn adding_one_entry_to_many_copies_one_branch_and_one_leaf() {
        let mut list = DenyList::default();
        for number in 0..100_000 {
            list.insert(number, at(10));
        }
        let before = list.clone();
        list.insert(1_000_000, at(10));
        let branches = list.branches.iter().zip(before.branches.iter());
        let copied: Vec<_> = branches.filter(|(one, other)| !Arc::ptr_eq(one, other)).collect();
        assert_eq!(copied.len(), 1);
        let leaves = copied[0].0.iter().zip(copied[0].1.iter());
        assert_eq!(leaves.filter(|(one, other)| !Arc::ptr_eq(one, other)).count(), 1);
    }

    #[test]
    fn what_has_expired_is_forgotten_after_one_round() {
        let mut list = DenyList::default();
        for number in 0..10_000 {
            list.insert(number, at(if number % 2 == 0 { 10 } else { 20 }));
        }
        // The longer of two times counts.
        list.insert(0, at(20));
        list.insert(1, at(10));
        for round in 0..WIDTH {
            list.forget_expired(at(10), round);
        }
        assert_eq!(list.len(), 5_001);
        assert!(list.contains(0) && list.contains(1) && !list.contains(2));
        assert!((0..WIDTH).all(|round| !list.forget_expired(at(10), round)));
    }

    proptest! {
        #[test]
        fn it_holds_what_a_set_would_hold(numbers in proptest::collection::vec(any::<u128>(), 0..300), probe in any::<u128>()) {
            let mut list = DenyList::default();
            for number in &numbers {
                list.insert(*number, at(10));
            }
            prop_assert!(numbers.iter().all(|number| list.contains(*number)));
            prop_assert_eq!(list.contains(probe), numbers.contains(&probe));
        }
    }
}
