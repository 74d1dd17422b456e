//! How many of something there can be at the same time, such as streams for listening to servers or calls that are held:
//! in all, of one project and of one user, so that no tenant takes the places of the others.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use gatewright_domain::id::ProjectId;

use super::caller::CallerKey;

/// How many places there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(super) in_all: usize,
    pub(super) of_project: usize,
    pub(super) of_user: usize,
}

impl Bounds {
    /// Streams that servers are listened to with. Lists of a server that is not listened to are read again when they are old.
    pub(crate) const STREAMS: Self = Self {
        in_all: 1_024,
        of_project: 256,
        of_user: 32,
    };
    /// Resources whose changes clients want; a few hundred bytes each, and 2 kB at most.
    pub(crate) const RESOURCES: Self = Self {
        in_all: 16_384,
        of_project: 4_096,
        of_user: 512,
    };
    /// Calls that are held for their client; each is a connection to a server.
    pub(super) const HELD: Self = Self {
        in_all: 2_000,
        of_project: 500,
        of_user: 16,
    };
    /// Sessions with servers that are listened to for one client; each is a connection.
    pub(super) const ASIDES: Self = Self {
        in_all: 4_000,
        of_project: 1_000,
        of_user: 64,
    };
    /// Letters to other replicas whose answer is waited for; each is a row in the database.
    pub(super) const LETTERS: Self = Self {
        in_all: 1_024,
        of_project: 256,
        of_user: 16,
    };
    /// Calls that run on without their client, for a minute at most.
    pub(crate) const ALONE: Self = Self {
        in_all: 256,
        of_project: 64,
        of_user: 8,
    };
    /// Questions that wait for their answer.
    pub(super) const QUESTIONS: Self = Self {
        in_all: 20_000,
        of_project: 5_000,
        of_user: 128,
    };
}

/// What there is, counted.
#[derive(Debug)]
pub(crate) struct Places {
    bounds: Bounds,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    of_projects: HashMap<ProjectId, usize>,
    of_users: HashMap<CallerKey, usize>,
}

/// A place of one, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    project: ProjectId,
    user: CallerKey,
}

impl Places {
    /// None taken.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            taken: Mutex::default(),
        }
    }

    /// A place for one of a user of a project; `None` if the maximum is reached.
    pub(crate) fn take(self: &Arc<Self>, project: ProjectId, user: CallerKey) -> Option<Place> {
        let bounds = self.bounds;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |of: Option<&usize>| of.copied().unwrap_or_default();
        if taken.in_all >= bounds.in_all
            || count(taken.of_projects.get(&project)) >= bounds.of_project
            || count(taken.of_users.get(&user)) >= bounds.of_user
        {
            return None;
        }
        taken.in_all += 1;
        *taken.of_projects.entry(project).or_default() += 1;
        *taken.of_users.entry(user).or_default() += 1;
        drop(taken);
        let places = Arc::clone(self);
        Some(Place {
            places,
            project,
            user,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all -= 1;
        give_back(&mut taken.of_projects, &self.project);
        give_back(&mut taken.of_users, &self.user);
    }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};

    use super::*;

    fn project() -> ProjectId {
        ProjectId::generate(&FixedClock::at_seconds(1_800_000_000), &SystemEntropy)
    }

    fn user(number: u64) -> CallerKey {
        CallerKey::known(number)
    }

    #[test]
    fn no_user_and_no_project_takes_the_places_of_others() {
        for bounds in [
            Bounds::STREAMS,
            Bounds::RESOURCES,
            Bounds::HELD,
            Bounds::ASIDES,
            Bounds::LETTERS,
            Bounds::ALONE,
            Bounds::QUESTIONS,
        ] {
            let places = Arc::new(Places::new(bounds));
            let (busy, calm) = (project(), project());
            let of_one: Vec<_> = (0..1_000).map_while(|_| places.take(busy, user(0))).collect();
            assert_eq!(of_one.len(), bounds.of_user);
            let of_others: Vec<_> = (1..10_000)
                .map_while(|number| places.take(busy, user(number)))
                .collect();
            assert_eq!(of_one.len() + of_others.len(), bounds.of_project);
            assert!(places.take(calm, user(10_000)).is_some());
            drop((of_one, of_others));
            let taken = places.taken.lock().unwrap();
            assert_eq!(
                (taken.in_all, taken.of_projects.len(), taken.of_users.len()),
                (0, 0, 0)
            );
        }
    }
}
