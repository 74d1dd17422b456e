//! Limits on guessing passwords: by account and by address prefix. Only wrong ones count, so that an office behind one
//! address can sign in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{account::Email, token_hash::TokenHash};
use moka::sync::Cache;

/// How long wrong passwords are remembered, from the first one on.
pub(crate) const WINDOW: Duration = Duration::from_mins(15);

/// Wrong passwords for one account in a window, from wherever they come.
const MAX_FOR_ACCOUNT: u32 = 10;

/// Wrong passwords from one address prefix in a window, for whatever accounts.
const MAX_FROM_PREFIX: u32 = 50;

/// Accounts and prefixes that are remembered. The least used are forgotten, so that memory stays bounded.
const MAX_REMEMBERED: u64 = 20_000;

/// Too many wrong passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// When it is worth trying again, at the latest.
    pub after: Duration,
}

/// Who is counted: a hash each, because addresses that people type are theirs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(TokenHash),
    /// An account in a network where its password was right recently.
    AtHome(TokenHash),
    Prefix(String),
}

/// The counters.
#[derive(Debug)]
pub struct SignInLimits {
    wrong: Cache<Key, Arc<AtomicU32>>,
}

/// An attempt in progress. It counts as wrong until it is known to be right, so that many at the same time cannot slip through.
#[derive(Debug)]
pub struct Attempt {
    counted: Vec<Arc<AtomicU32>>,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self {
            wrong: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(WINDOW)
                .build(),
        }
    }
}

impl SignInLimits {
    /// Counts an attempt to sign in as `email` from `prefix`. `at_home` says that the password of the account was right there
    /// lately, which the store remembers: wrong passwords from elsewhere cannot lock an administrator out at the office.
    pub fn begin(&self, email: &Email, prefix: &str, at_home: bool) -> Result<Attempt, Limited> {
        let keys = if at_home {
            let home = TokenHash::of(&format!("{prefix} {}", email.key()));
            vec![(Key::AtHome(home), MAX_FOR_ACCOUNT)]
        } else {
            vec![
                (Key::Account(TokenHash::of(&email.key())), MAX_FOR_ACCOUNT),
                (Key::Prefix(prefix.to_owned()), MAX_FROM_PREFIX),
            ]
        };
        let mut attempt = Attempt { counted: Vec::new() };
        for (key, max) in keys {
            let count = self.wrong.get_with(key, Arc::default);
            if count.fetch_add(1, Ordering::Relaxed) >= max {
                count.fetch_sub(1, Ordering::Relaxed);
                attempt.uncount();
                return Err(Limited { after: WINDOW });
            }
            attempt.counted.push(count);
        }
        Ok(attempt)
    }
}

impl Attempt {
    /// The password was right, or nothing came of the attempt, which says nothing about the password: it does not count.
    pub fn forget(&self) {
        self.uncount();
    }

    fn uncount(&self) {
        for count in &self.counted {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "203.0.113.0/24";
    const ELSEWHERE: &str = "198.51.100.0/24";

    fn email(name: &str) -> Email {
        Email::check("", &format!("{name}@example.com")).unwrap()
    }

    #[test]
    fn guessing_at_an_account_stops_from_everywhere_but_where_it_is_at_home() {
        let limits = SignInLimits::default();
        let ada = email("ada");
        for number in 0..MAX_FOR_ACCOUNT {
            assert!(
                limits
                    .begin(&ada, &format!("198.51.{number}.0/24"), false)
                    .is_ok()
            );
        }
        let shouted = Email::check("", "ADA@example.com").unwrap();
        assert!(limits.begin(&shouted, ELSEWHERE, false).is_err());
        assert!(limits.begin(&email("grace"), ELSEWHERE, false).is_ok());
        // At home she may still mistype, and not forever either.
        assert!((0..MAX_FOR_ACCOUNT).all(|_| limits.begin(&ada, HERE, true).is_ok()));
        assert_eq!(
            limits.begin(&ada, HERE, true).err(),
            Some(Limited { after: WINDOW })
        );
    }

    #[test]
    fn guessing_from_a_network_stops_whatever_the_account() {
        let limits = SignInLimits::default();
        let all_pass = (0..MAX_FROM_PREFIX)
            .all(|number| limits.begin(&email(&format!("a{number}")), HERE, false).is_ok());
        assert!(all_pass);
        assert!(limits.begin(&email("last"), HERE, false).is_err());
        assert!(limits.begin(&email("last"), ELSEWHERE, false).is_ok());
    }

    #[test]
    fn an_office_that_signs_in_at_once_is_not_slowed() {
        let limits = SignInLimits::default();
        for number in 0..1_000 {
            let attempt = limits.begin(&email(&format!("a{number}")), HERE, false).unwrap();
            attempt.forget();
        }
        for _ in 0..100 {
            let attempt = limits.begin(&email("new"), HERE, false).unwrap();
            attempt.forget();
        }
    }
}
