//! Codes and access tokens in memory: bounded, short-lived, codes used once.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::person::Person;

/// How long a code can be redeemed.
pub(super) const CODE_LIFE: Duration = Duration::from_mins(1);
/// How long an access token gives access to userinfo.
pub(super) const TOKEN_LIFE: Duration = Duration::from_mins(10);
/// The maximum number of codes, and of tokens; beyond it, the oldest is dropped. People do not sign in this often by hand.
const CAPACITY: usize = 1_000;

/// The result of a sign-in, stored behind a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignIn {
    /// The person.
    pub(super) person: &'static Person,
    /// The granted scopes, separated by spaces.
    pub(super) scope: String,
    /// Returned in the ID token.
    pub(super) nonce: Option<String>,
    /// The S256 challenge.
    pub(super) code_challenge: String,
    /// Seconds since the epoch.
    pub(super) auth_time: u64,
}

/// What an access token gives access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// Whose claims.
    pub(super) person: &'static Person,
    /// Which claims.
    pub(super) scope: String,
}

/// Codes and tokens.
#[derive(Default)]
pub(super) struct Issued {
    codes: Expiring<SignIn>,
    tokens: Expiring<Access>,
}

impl Issued {
    /// Stores a sign-in behind a code.
    pub(super) fn put_code(&mut self, code: String, sign_in: SignIn, now: Instant) {
        self.codes.put(code, sign_in, now + CODE_LIFE, now);
    }

    /// Takes the sign-in behind a code; the second time, nothing is left.
    pub(super) fn redeem(&mut self, code: &str, now: Instant) -> Option<SignIn> {
        self.codes.take(code, now)
    }

    /// Stores what an access token gives access to.
    pub(super) fn put_token(&mut self, token: String, access: Access, now: Instant) {
        self.tokens.put(token, access, now + TOKEN_LIFE, now);
    }

    /// What an access token gives access to.
    pub(super) fn access(&self, token: &str, now: Instant) -> Option<Access> {
        self.tokens.get(token, now).cloned()
    }
}

/// A map that forgets expired entries, and the oldest when it is full.
struct Expiring<T> {
    entries: HashMap<String, (Instant, T)>,
    order: VecDeque<(Instant, String)>,
}

impl<T> Default for Expiring<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Expiring<T> {
    fn put(&mut self, key: String, value: T, expires: Instant, now: Instant) {
        while self
            .order
            .front()
            .is_some_and(|(at, _)| *at <= now || self.order.len() >= CAPACITY)
        {
            if let Some((_, oldest)) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
        self.order.push_back((expires, key.clone()));
        self.entries.insert(key, (expires, value));
    }

    fn take(&mut self, key: &str, now: Instant) -> Option<T> {
        let (expires, value) = self.entries.remove(key)?;
        (now < expires).then_some(value)
    }

    fn get(&self, key: &str, now: Instant) -> Option<&T> {
        let (expires, value) = self.entries.get(key)?;
        (now < *expires).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_taken_once() {
        let now = Instant::now();
        let mut map = Expiring::default();
        map.put("a".into(), 1, now + CODE_LIFE, now);
        assert_eq!(map.take("a", now), Some(1));
        assert_eq!(map.take("a", now), None);
    }

    #[test]
    fn a_code_lives_sixty_seconds() {
        let now = Instant::now();
        let mut map = Expiring::default();
        for key in ["a", "b"] {
            map.put(key.into(), key, now + CODE_LIFE, now);
        }
        assert_eq!(map.take("a", now + Duration::from_millis(59_999)), Some("a"));
        assert_eq!(map.take("b", now + CODE_LIFE), None);
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let now = Instant::now();
        let mut map = Expiring::default();
        for number in 0..3 * CAPACITY {
            map.put(number.to_string(), number, now + TOKEN_LIFE, now);
        }
        assert!(map.entries.len() <= CAPACITY && map.order.len() <= CAPACITY);
        assert_eq!(map.get("0", now), None);
        let last = 3 * CAPACITY - 1;
        assert_eq!(map.get(&last.to_string(), now), Some(&last));
    }
}
