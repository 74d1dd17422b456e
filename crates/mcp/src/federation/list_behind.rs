//! Lists that are read on after those who waited for them have gone. The requests of a user are bounded while they run;
//! this bounds what continues after them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gatewright_domain::id::ProjectId;
use tokio::sync::watch;

/// The number of lists of one project that are read on at the same time; another one is dropped immediately.
const OF_PROJECT_MAX: usize = 16;
/// A list that was left by all who waited for it is read on this long: they may come back.
const GRACE: Duration = Duration::from_secs(10);

/// How many lists are read on now, by project.
#[derive(Debug, Default)]
pub(super) struct Behind(Mutex<HashMap<ProjectId, usize>>);

/// The place of one list that is read on.
#[derive(Debug)]
struct Place {
    behind: Arc<Behind>,
    project: ProjectId,
}

impl Behind {
    fn enter(self: &Arc<Self>, project: ProjectId) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(project).or_default();
        if *count >= OF_PROJECT_MAX {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place {
            behind: Arc::clone(self),
            project,
        })
    }

    /// Waits until a reading has to be cancelled: all waiters have left, and nothing keeps it running, or too many of
    /// its project are running already. With `goes_on` they were answered without it, and the next list needs it.
    pub(super) async fn given_up<V>(
        self: &Arc<Self>,
        project: ProjectId,
        outcome: &watch::Sender<V>,
        goes_on: &AtomicBool,
    ) {
        loop {
            outcome.closed().await;
            let Some(_place) = self.enter(project) else {
                return;
            };
            while outcome.is_closed() {
                tokio::time::sleep(GRACE).await;
                if outcome.is_closed() && !goes_on.load(Ordering::Acquire) {
                    return;
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.behind.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(self.project) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
