//! Tasks that users began through a gateway, or asked for with an id that only they have. What a server says about tasks
//! without being asked for one of them is passed on only if it is about one of these: a server that takes all users for
//! one would say the same to each of them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gatewright_domain::id::ServerId;
use moka::sync::Cache;

use super::caller::CallerKey;
use crate::wire::fingerprint::{Fingerprint, fingerprint};

/// Users whose tasks are remembered; about 10 kB each at most. The one without a request for the longest time is forgotten.
const USERS_MAX: u64 = 5_000;
/// Tasks remembered of one user; the one that was requested longest ago is forgotten.
const OF_USER_MAX: usize = 256;
/// A user's tasks are forgotten after this long without a request.
const IDLE: Duration = Duration::from_hours(24);

/// Those of one user, the newest last.
type OfUser = Arc<Mutex<VecDeque<(ServerId, Fingerprint)>>>;

/// Tasks of users. A key is one user's at one gateway.
#[derive(Debug)]
pub(crate) struct BegunTasks(Cache<CallerKey, OfUser>);

impl Default for BegunTasks {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(USERS_MAX)
                .time_to_idle(IDLE)
                .build(),
        )
    }
}

impl BegunTasks {
    /// A task of a server is this user's.
    pub(crate) fn note(&self, caller: CallerKey, server: ServerId, id: &str) {
        let of_user = self.0.get_with(caller, OfUser::default);
        let mut tasks = of_user.lock().unwrap_or_else(PoisonError::into_inner);
        let task = (server, fingerprint(id));
        if tasks.back() == Some(&task) {
            return;
        }
        tasks.retain(|known| *known != task);
        if tasks.len() >= OF_USER_MAX {
            tasks.pop_front();
        }
        tasks.push_back(task);
    }

    /// Whether a task of a server is known to be this user's.
    pub(crate) fn has(&self, caller: CallerKey, server: ServerId, id: &str) -> bool {
        let task = (server, fingerprint(id));
        self.any(caller, |known| *known == task)
    }

    /// Whether any task of a server is.
    pub(crate) fn has_any(&self, caller: CallerKey, server: ServerId) -> bool {
        self.any(caller, |(of, _)| *of == server)
    }

    fn any(&self, caller: CallerKey, is_it: impl Fn(&(ServerId, Fingerprint)) -> bool) -> bool {
        let Some(of_user) = self.0.get(&caller) else {
            return false;
        };
        let tasks = of_user.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn a_task_is_its_users_at_its_server_and_what_is_remembered_is_bounded() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let [one, two] = [(); 2].map(|()| ServerId::generate(&clock, &entropy));
        let [ada, bob] = [1, 2].map(CallerKey::known);
        let tasks = BegunTasks::default();
        tasks.note(ada, one, "1");
        assert!(tasks.has(ada, one, "1") && tasks.has_any(ada, one));
        assert!(!tasks.has(ada, two, "1") && !tasks.has_any(ada, two));
        assert!(!tasks.has(bob, one, "1") && !tasks.has_any(bob, one));
        for number in 0..OF_USER_MAX {
            tasks.note(ada, two, &number.to_string());
        }
        assert!(!tasks.has(ada, one, "1") && tasks.has(ada, two, "0"));
        assert_eq!(tasks.0.get(&ada).unwrap().lock().unwrap().len(), OF_USER_MAX);
    }
}
