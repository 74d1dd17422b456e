//! How many pages follow new requests at the same time. Each is a connection that stays open and asks the store every two
//! seconds, so an account has few of them, and all accounts together a bounded number.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatewright_domain::id::AccountId;

/// Pages of one account.
const OF_ACCOUNT: usize = 4;
/// Pages of all accounts at this replica.
const OF_ALL: usize = 64;

/// Who follows.
#[derive(Debug, Default)]
pub struct LiveTails(Arc<Mutex<HashMap<AccountId, usize>>>);

/// A place for one, returned when this is dropped.
#[derive(Debug)]
pub struct Place {
    tails: Arc<Mutex<HashMap<AccountId, usize>>>,
    account: AccountId,
}

impl LiveTails {
    /// Takes a place; `None` if the account uses all of its own, or none is free.
    pub fn enter(&self, account: AccountId) -> Option<Place> {
        let mut open = lock(&self.0);
        let all: usize = open.values().sum();
        let of_account = open.get(&account).copied().unwrap_or_default();
        if all >= OF_ALL || of_account >= OF_ACCOUNT {
            return None;
        }
        open.insert(account, of_account + 1);
        Some(Place {
            tails: Arc::clone(&self.0),
            account,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.tails);
        match open.get_mut(&self.account) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.account);
            }
        }
    }
}

/// It is whole after each of its operations, so a panic elsewhere does not spoil it.
fn lock(open: &Mutex<HashMap<AccountId, usize>>) -> MutexGuard<'_, HashMap<AccountId, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};

    use super::*;

    fn account() -> AccountId {
        AccountId::generate(&FixedClock::at_seconds(1), &SystemEntropy)
    }

    #[test]
    fn an_account_has_a_few_places_and_gets_them_back() {
        let tails = LiveTails::default();
        let (one, other) = (account(), account());
        let mut held: Vec<_> = (0..OF_ACCOUNT * 2).filter_map(|_| tails.enter(one)).collect();
        assert_eq!(held.len(), OF_ACCOUNT);
        assert!(tails.enter(other).is_some());
        held.pop();
        held.extend(tails.enter(one));
        assert_eq!(held.len(), OF_ACCOUNT);
        drop(held);
        assert!(lock(&tails.0).is_empty());
    }

    #[test]
    fn all_accounts_together_have_a_bounded_number() {
        let tails = LiveTails::default();
        let held: Vec<_> = (0..OF_ALL * 2).filter_map(|_| tails.enter(account())).collect();
        assert_eq!(held.len(), OF_ALL);
        assert!(tails.enter(account()).is_none());
    }
}
