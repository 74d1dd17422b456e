//! How many bytes of answers are held in memory at the same time: in the whole process, of one project and of one user. An answer
//! that must be whole before it can be passed on takes its share as it grows.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gatewright_domain::id::ProjectId;

use super::caller::CallerKey;

/// The maximum number of bytes held: eight of the largest events, or thousands of usual ones.
const HELD_MAX: usize = 256 * 1024 * 1024;
/// Of one project: two of the largest events.
const OF_PROJECT_MAX: usize = 64 * 1024 * 1024;
/// Of one user: one of the largest events, and more usual ones.
const OF_USER_MAX: usize = 40 * 1024 * 1024;
/// What every answer may hold without being counted for its project and user, so that usual answers meet at no lock. All calls of
/// one user together hold a megabyte like this.
const UNCOUNTED: usize = 16 * 1024;
/// The error if there is no share left.
pub(super) const BUSY: &str = "The gateway is passing on too many large answers right now, so it dropped this one. The server may have carried the call out: check before you try again, and ask for less at once.";

/// Whose an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) project: ProjectId,
    /// Nothing where it is for the sessions of many.
    pub(crate) user: Option<CallerKey>,
}

/// What is held by all answers together.
#[derive(Debug, Default)]
pub(super) struct Budget {
    held: AtomicUsize,
    of_owners: Mutex<OfOwners>,
}

#[derive(Debug, Default)]
struct OfOwners {
    projects: HashMap<ProjectId, usize>,
    users: HashMap<CallerKey, usize>,
}

impl Budget {
    /// A share for one answer, still empty.
    pub(super) fn share(self: &Arc<Self>, owner: Owner) -> Share {
        Share {
            budget: Arc::clone(self),
            owner,
            held: 0,
        }
    }

    // Held for single operations on the counts only.
    fn of_owners(&self) -> MutexGuard<'_, OfOwners> {
        self.of_owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfOwners {
    fn take(&mut self, owner: &Owner, bytes: usize) -> bool {
        let project = self.projects.get(&owner.project).copied().unwrap_or_default();
        let of_user = |user| self.users.get(&user).copied().unwrap_or_default();
        if project + bytes > OF_PROJECT_MAX
            || owner.user.is_some_and(|user| of_user(user) + bytes > OF_USER_MAX)
        {
            return false;
        }
        *self.projects.entry(owner.project).or_default() += bytes;
        if let Some(user) = owner.user {
            *self.users.entry(user).or_default() += bytes;
        }
        true
    }

    fn give_back(&mut self, owner: &Owner, bytes: usize) {
        give_back(&mut self.projects, &owner.project, bytes);
        if let Some(user) = owner.user {
            give_back(&mut self.users, &user, bytes);
        }
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

/// What one answer holds; returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    owner: Owner,
    held: usize,
}

impl Share {
    /// Holds `bytes` from now on; `false` if there is no room for that, and then it holds the same as before.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        let has_room = if bytes > self.held {
            self.grow(bytes)
        } else {
            self.shrink(bytes);
            true
        };
        if has_room {
            self.held = bytes;
        }
        has_room
    }

    fn grow(&self, bytes: usize) -> bool {
        let more = bytes - self.held;
        let before = self.budget.held.fetch_add(more, Ordering::AcqRel);
        let counted = counted(bytes) - counted(self.held);
        let has_room = before.saturating_add(more) <= HELD_MAX
            && (counted == 0 || self.budget.of_owners().take(&self.owner, counted));
        if !has_room {
            self.budget.held.fetch_sub(more, Ordering::AcqRel);
        }
        has_room
    }

    fn shrink(&self, bytes: usize) {
        if self.held > bytes {
            self.budget.held.fetch_sub(self.held - bytes, Ordering::AcqRel);
        }
        let counted = counted(self.held) - counted(bytes);
        if counted > 0 {
            self.budget.of_owners().give_back(&self.owner, counted);
        }
    }
}

/// How much of what an answer holds is counted for its project and user.
const fn counted(bytes: usize) -> usize {
    bytes.saturating_sub(UNCOUNTED)
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    fn owners(count: u8) -> Vec<Owner> {
        let ids = (0..count).map(|number| {
            ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(number.into()))
        });
        ids.map(|project| Owner { project, user: None }).collect()
    }

    #[test]
    fn all_answers_share_one_bound_and_return_what_they_held() {
        let budget = Arc::<Budget>::default();
        let owners = owners(5);
        let full = OF_PROJECT_MAX;
        let mut shares: Vec<_> = owners.iter().map(|owner| budget.share(*owner)).collect();
        for share in &mut shares[..4] {
            assert!(share.resize(full));
        }
        assert!(!shares[4].resize(1), "the whole is full");
        assert!(shares[0].resize(full - 10));
        assert!(shares[4].resize(10));
        assert!(!shares[4].resize(11));
        drop(shares);
        assert_eq!(budget.held.load(Ordering::Acquire), 0);
        assert!(budget.of_owners().projects.is_empty());
    }

    #[test]
    fn no_project_and_no_user_takes_what_others_need() {
        let budget = Arc::<Budget>::default();
        let owners = owners(2);
        let (key, other_key) = (CallerKey::known(1), CallerKey::known(2));
        let of = |project: &Owner, user| {
            budget.share(Owner {
                user: Some(user),
                ..*project
            })
        };
        let (mut one, mut two) = (of(&owners[0], key), of(&owners[0], key));
        assert!(one.resize(OF_USER_MAX) && two.resize(2 * UNCOUNTED));
        assert!(!two.resize(2 * UNCOUNTED + 1), "of the user");
        assert_eq!(two.held, 2 * UNCOUNTED, "it holds the same as before");
        let mut others = of(&owners[0], other_key);
        assert!(
            !others.resize(OF_PROJECT_MAX - OF_USER_MAX + UNCOUNTED + 1),
            "of the project"
        );
        let mut elsewhere = of(&owners[1], other_key);
        assert!(elsewhere.resize(OF_USER_MAX));
        drop((one, two, others, elsewhere));
        let left = budget.of_owners();
        assert!(left.projects.is_empty() && left.users.is_empty());
    }
}
