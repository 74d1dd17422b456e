//! How much is kept of the answers to calls whose clients may come back: bytes, of one call, of one user, of one project and in
//! all, and calls that run on without their client.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatewright_domain::id::ProjectId;

use crate::peer::{
    caller::CallerKey,
    places::{Bounds, Place, Places},
};

/// Of one call; about as much as the largest answers of tools in use.
const OF_CALL: usize = 8 * 1024 * 1024;
/// Of one user.
const OF_USER: usize = 16 * 1024 * 1024;
/// Of one project.
const OF_PROJECT: usize = 32 * 1024 * 1024;
/// In all.
const IN_ALL: usize = 128 * 1024 * 1024;
/// What a call takes in addition to its events.
pub(super) const CALL_BYTES: usize = 2 * 1024;
/// The same for an event.
const EVENT_BYTES: usize = 128;
/// Whose an answer is that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) project: ProjectId,
    pub(super) user: CallerKey,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    of_projects: HashMap<ProjectId, usize>,
    of_users: HashMap<CallerKey, usize>,
}

impl Taken {
    fn give_back(&mut self, owner: &Owner, bytes: usize) {
        self.bytes -= bytes;
        give_back(&mut self.of_projects, &owner.project, bytes);
        give_back(&mut self.of_users, &owner.user, bytes);
    }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K, bytes: usize) {
    if let Some(count) = counts.get_mut(key) {
        *count -= bytes;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What is kept in the whole process.
#[derive(Debug)]
pub(super) struct Kept {
    taken: Mutex<Taken>,
    /// Calls that run on without their client.
    alone: Arc<Places>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            taken: Mutex::default(),
            alone: Arc::new(Places::new(Bounds::ALONE)),
        }
    }
}

impl Kept {
    // Held for single operations on the counts only.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The share of a call, with room for the call itself; `None` if there is none.
    pub(super) fn share(self: &Arc<Self>, owner: Owner) -> Option<Share> {
        let mut share = Share {
            kept: Arc::clone(self),
            owner,
            bytes: 0,
        };
        share.grow(CALL_BYTES).then_some(share)
    }

    /// A place for a call that continues without its client; `None` if the maximum is reached.
    pub(super) fn alone(&self, owner: Owner) -> Option<Place> {
        self.alone.take(owner.project, owner.user)
    }
}

/// The bytes of one call, returned when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    kept: Arc<Kept>,
    owner: Owner,
    bytes: usize,
}

impl Share {
    /// What an event of this many bytes takes.
    pub(super) const fn of_event(bytes: usize) -> usize {
        bytes + EVENT_BYTES
    }

    /// Takes this many more bytes; `false` if there is no room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let mut taken = self.kept.lock();
        let count = |of: Option<&usize>| of.copied().unwrap_or_default() + bytes;
        let has_room = taken.bytes + bytes <= IN_ALL
            && count(taken.of_projects.get(&self.owner.project)) <= OF_PROJECT
            && count(taken.of_users.get(&self.owner.user)) <= OF_USER
            && self.bytes + bytes <= OF_CALL + CALL_BYTES;
        if has_room {
            taken.bytes += bytes;
            *taken.of_projects.entry(self.owner.project).or_default() += bytes;
            *taken.of_users.entry(self.owner.user).or_default() += bytes;
            self.bytes += bytes;
        }
        has_room
    }

    /// Returns this many bytes.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.kept.lock().give_back(&self.owner, bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.kept.lock().give_back(&self.owner, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};

    use super::*;

    fn project() -> ProjectId {
        ProjectId::generate(&FixedClock::at_seconds(1_800_000_000), &SystemEntropy)
    }

    fn owner(project: ProjectId, user: u64) -> Owner {
        Owner {
            project,
            user: CallerKey::known(user),
        }
    }

    #[test]
    fn what_is_kept_is_bounded_by_call_by_user_by_project_and_in_all() {
        let kept = Arc::<Kept>::default();
        let mut shares = Vec::new();
        let mut fill = |owner| {
            let mut share = kept.share(owner)?;
            let mut grown = 0;
            while share.grow(1024 * 1024) {
                grown += 1;
            }
            shares.push(share);
            Some(grown)
        };
        let busy = project();
        assert_eq!(fill(owner(busy, 0)), Some(8), "of one call");
        assert_eq!(fill(owner(busy, 0)), Some(7), "of one user");
        let of_project: u32 = (1..30).map_while(|user| fill(owner(busy, user))).sum();
        assert!((14..=16).contains(&of_project), "of one project: {of_project}");
        let of_others: u32 = (30..60).map_while(|user| fill(owner(project(), user))).sum();
        assert!((94..=97).contains(&of_others), "in all: {of_others}");
        drop(shares);
        let taken = kept.lock();
        assert_eq!(
            (taken.bytes, taken.of_projects.len(), taken.of_users.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn one_project_does_not_take_the_places_of_all_for_calls_that_run_on_without_their_clients() {
        let kept = Kept::default();
        let busy = project();
        let of_user: Vec<_> = (0..20).map_while(|_| kept.alone(owner(busy, 0))).collect();
        let of_project: Vec<_> = (1..500).map_while(|user| kept.alone(owner(busy, user))).collect();
        assert_eq!((of_user.len(), of_user.len() + of_project.len()), (8, 64));
        assert!(kept.alone(owner(project(), 1_000)).is_some());
    }
}
