//! Turns to do something that others wait for: so many at once, and of those so many for one project.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use gatewright_domain::id::ProjectId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The table is cleaned when it has grown to twice what was alive the last time, and to this many at least.
const CLEANED_AT: usize = 64;

/// The turns.
#[derive(Debug)]
pub struct Turns {
    of_one: usize,
    all: Semaphore,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    projects: HashMap<ProjectId, Weak<Semaphore>>,
    clean_at: usize,
}

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_one: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// So many for all together, and so many of them for one project.
    pub(crate) fn of(all: usize, of_one: usize) -> Self {
        Self {
            of_one,
            all: Semaphore::new(all),
            table: Mutex::new(Table {
                projects: HashMap::new(),
                clean_at: CLEANED_AT,
            }),
        }
    }

    /// Waits for a turn: for one of the project's own first, so that a project with many waits behind no one and before
    /// no one else. What is of no project waits for one of all.
    pub(super) async fn take(&self, project: Option<ProjectId>) -> Option<Turn<'_>> {
        let of_one = match project {
            Some(project) => Some(self.share(project).acquire_owned().await.ok()?),
            None => None,
        };
        let of_all = self.all.acquire().await.ok()?;
        Some(Turn {
            _of_all: of_all,
            _of_one: of_one,
        })
    }

    fn share(&self, project: ProjectId) -> Arc<Semaphore> {
        // It is whole after each of its operations, so a panic elsewhere does not spoil it.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.projects.get(&project).and_then(Weak::upgrade) {
            return known;
        }
        if table.projects.len() >= table.clean_at {
            table.projects.retain(|_, turns| turns.strong_count() > 0);
            table.clean_at = CLEANED_AT.max(table.projects.len() * 2);
        }
        let fresh = Arc::new(Semaphore::new(self.of_one));
        table.projects.insert(project, Arc::downgrade(&fresh));
        fresh
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn a_project_that_takes_all_its_turns_leaves_some_to_others() {
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        let [hanging, other] = [(); 2].map(|()| ProjectId::generate(&clock, &entropy));
        let turns = Turns::of(4, 2);
        let take = |project| turns.take(Some(project)).now_or_never().flatten();
        let mut held: Vec<Turn<'_>> = (0..4).filter_map(|_| take(hanging)).collect();
        assert_eq!(held.len(), 2);
        assert!(take(other).is_some());
        assert!(turns.take(None).now_or_never().flatten().is_some());
        held.pop();
        assert!(take(hanging).is_some());
    }

    #[test]
    fn turns_of_projects_that_ask_nothing_are_forgotten() {
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        let turns = Turns::of(4, 2);
        for _ in 0..CLEANED_AT * 4 {
            drop(turns.share(ProjectId::generate(&clock, &entropy)));
        }
        assert!(turns.table.lock().unwrap().projects.len() <= CLEANED_AT + 1);
    }
}
