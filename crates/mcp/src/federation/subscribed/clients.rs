//! The clients that follow changes of resources, by user.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::Subscribed;
use crate::peer::caller::CallerKey;

/// Those of all users are looked at no more often.
const SWEPT_EVERY: Duration = Duration::from_secs(5);
/// From this number on, users are searched for those that have left.
pub(super) const CLEANED_AT: usize = 64;

/// Those who want anything.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) of_users: HashMap<CallerKey, Vec<Weak<Subscribed>>>,
    /// When those of all users were looked at last.
    pub(super) swept_at: Option<Instant>,
    /// Users that have left are forgotten once there are this many.
    clean_at: usize,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            of_users: HashMap::new(),
            swept_at: None,
            clean_at: CLEANED_AT,
        }
    }
}

impl Clients {
    /// Notes a client that did not want anything.
    pub(super) fn note(&mut self, caller: CallerKey, client: &Arc<Subscribed>) {
        if self.of_users.len() >= self.clean_at {
            self.of_users.retain(|_, clients| {
                clients.retain(|client| client.strong_count() > 0);
                !clients.is_empty()
            });
            self.clean_at = CLEANED_AT.max(self.of_users.len() * 2);
        }
        let of_user = self.of_users.entry(caller).or_default();
        of_user
            .retain(|known| known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), Arc::as_ptr(client)));
        of_user.push(Arc::downgrade(client));
    }

    pub(super) fn of_user(&self, caller: CallerKey) -> Vec<Arc<Subscribed>> {
        let of_user = self.of_users.get(&caller).into_iter().flatten();
        of_user.filter_map(Weak::upgrade).collect()
    }

    /// All of them, unless they were checked a moment ago.
    pub(super) fn all_again(&mut self) -> Option<Vec<Arc<Subscribed>>> {
        if self.swept_at.is_some_and(|at| at.elapsed() < SWEPT_EVERY) {
            return None;
        }
        self.swept_at = Some(Instant::now());
        Some(
            self.of_users
                .values()
                .flatten()
                .filter_map(Weak::upgrade)
                .collect(),
        )
    }
}
