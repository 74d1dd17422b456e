//! Places for what lasts, bounded by user and in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{caller::CallerKey, mailbox::give_back};

/// So many places.
#[derive(Debug)]
pub(super) struct UserPlaces {
    of_user_max: u32,
    max: u32,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    of_user: HashMap<CallerKey, u32>,
    all: u32,
}

/// A place of a user; given back when it is dropped.
#[derive(Debug)]
pub(super) struct UserPlace {
    places: Arc<UserPlaces>,
    caller: CallerKey,
}

impl UserPlaces {
    /// So many for one user, and so many in all.
    pub(super) fn new(of_user_max: u32, max: u32) -> Arc<Self> {
        Arc::new(Self {
            of_user_max,
            max,
            taken: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; nothing where there is none.
    pub(super) fn take(self: &Arc<Self>, caller: CallerKey) -> Option<UserPlace> {
        let mut taken = self.lock();
        let of_user = taken.of_user.get(&caller).copied().unwrap_or(0);
        if of_user >= self.of_user_max || taken.all >= self.max {
            return None;
        }
        taken.of_user.insert(caller, of_user + 1);
        taken.all += 1;
        drop(taken);
        Some(UserPlace {
            places: Arc::clone(self),
            caller,
        })
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        give_back(&mut taken.of_user, &self.caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_takes_all_places_and_a_place_is_given_back() {
        let places = UserPlaces::new(2, 3);
        let (ada, bob, eve) = (CallerKey::known(1), CallerKey::known(2), CallerKey::known(3));
        let first = places.take(ada).unwrap();
        let _second = places.take(ada).unwrap();
        assert!(places.take(ada).is_none());
        let _third = places.take(bob).unwrap();
        assert!(places.take(eve).is_none(), "all are taken");
        drop(first);
        assert!(places.take(eve).is_some());
        assert_eq!(places.lock().of_user.len(), 2);
    }
}
