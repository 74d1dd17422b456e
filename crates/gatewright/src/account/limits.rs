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
pub const WINDOW: Duration = Duration::from_mins(15);

/// Wrong passwords for one account in a window, from wherever they come.
const MAX_FOR_ACCOUNT: u32 = 10;

/// Wrong passwords from one address prefix in a window, for whatever accounts.
const MAX_FROM_PREFIX: u32 = 50;

/// Accounts and prefixes remembered. The least used give way, so that memory stays bounded whoever comes.
const MAX_REMEMBERED: u64 = 20_000;

/// How long an account may sign in from a prefix where its password was right, whatever strangers do elsewhere: nobody can
/// lock an administrator out of the office by typing wrong passwords.
const TRUSTED: Duration = Duration::from_hours(30 * 24);

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
    /// An account at a place where its password was right.
    AtHome(TokenHash),
    Prefix(String),
}

/// The counters.
#[derive(Debug)]
pub struct SignInLimits {
    wrong: Cache<Key, Arc<AtomicU32>>,
    homes: Cache<TokenHash, ()>,
}

/// An attempt under way. It counts as wrong until it is known to be right, so that many at once cannot slip through.
#[derive(Debug)]
pub struct Attempt {
    counted: Vec<Arc<AtomicU32>>,
    home: TokenHash,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self {
            wrong: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(WINDOW)
                .build(),
            homes: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(TRUSTED)
                .build(),
        }
    }
}

impl SignInLimits {
    /// Counts an attempt to sign in as `email` from `prefix`.
    pub fn begin(&self, email: &Email, prefix: &str) -> Result<Attempt, Limited> {
        let home = home_of(email, prefix);
        let keys = if self.homes.contains_key(&home) {
            vec![(Key::AtHome(home), MAX_FOR_ACCOUNT)]
        } else {
            vec![
                (Key::Account(TokenHash::of(&email.key())), MAX_FOR_ACCOUNT),
                (Key::Prefix(prefix.to_owned()), MAX_FROM_PREFIX),
            ]
        };
        let mut attempt = Attempt {
            counted: Vec::new(),
            home,
        };
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

    /// The password was right: the attempt does not count, and the account is at home here.
    pub fn right(&self, attempt: &Attempt) {
        attempt.uncount();
        self.homes.insert(attempt.home, ());
    }
}

impl Attempt {
    /// Nothing came of the attempt, which says nothing about the password.
    pub fn undecided(&self) {
        self.uncount();
    }

    fn uncount(&self) {
        for count in &self.counted {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn home_of(email: &Email, prefix: &str) -> TokenHash {
    TokenHash::of(&format!("{prefix} {}", email.key()))
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
        let right = limits.begin(&ada, HERE).unwrap();
        limits.right(&right);
        for number in 0..MAX_FOR_ACCOUNT {
            assert!(limits.begin(&ada, &format!("198.51.{number}.0/24")).is_ok());
        }
        let shouted = Email::check("", "ADA@example.com").unwrap();
        assert!(limits.begin(&shouted, ELSEWHERE).is_err());
        assert!(limits.begin(&email("grace"), ELSEWHERE).is_ok());
        // At home she may still mistype, and not for ever either.
        assert!((0..MAX_FOR_ACCOUNT).all(|_| limits.begin(&ada, HERE).is_ok()));
        assert_eq!(limits.begin(&ada, HERE).err(), Some(Limited { after: WINDOW }));
    }

    #[test]
    fn guessing_from_a_network_stops_whatever_the_account() {
        let limits = SignInLimits::default();
        let all_pass =
            (0..MAX_FROM_PREFIX).all(|number| limits.begin(&email(&format!("a{number}")), HERE).is_ok());
        assert!(all_pass);
        assert!(limits.begin(&email("last"), HERE).is_err());
        assert!(limits.begin(&email("last"), ELSEWHERE).is_ok());
    }

    #[test]
    fn an_office_that_signs_in_at_once_is_not_slowed() {
        let limits = SignInLimits::default();
        for number in 0..1_000 {
            let attempt = limits.begin(&email(&format!("a{number}")), HERE).unwrap();
            limits.right(&attempt);
        }
        for _ in 0..100 {
            let attempt = limits.begin(&email("new"), HERE).unwrap();
            attempt.undecided();
        }
    }
}
