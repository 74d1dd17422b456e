//! Limits on assertions that prove nothing, by address prefix and by client: checking a signature is the most work that a
//! stranger can ask for. Only failures count, and a client continues from networks where it has proven itself, whatever
//! strangers send in its name.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gatewright_domain::token_hash::TokenHash;
use moka::sync::Cache;

use super::limits::{Limited, Whose};

/// How long failures are remembered, from the first one on.
const WINDOW: Duration = Duration::from_mins(1);

/// Failures from one address prefix in a window, as whatever client.
const MAX_FROM_PREFIX: u32 = 200;

/// Failures as one client in a window, from wherever they come.
const MAX_FOR_CLIENT: u32 = 400;

/// Failures as one client in a window from where it has proven itself.
const MAX_AT_HOME: u32 = 1_000;

/// Prefixes and clients that are remembered. The least used are forgotten, so that memory stays bounded.
const MAX_REMEMBERED: u64 = 20_000;

/// How long a network counts as known for a client that has proven itself there.
const AT_HOME: Duration = Duration::from_hours(30 * 24);

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Prefix(String),
    Client(TokenHash),
    AtHome(TokenHash),
}

/// The counters.
#[derive(Debug)]
pub(super) struct FailedProofs {
    failed: Cache<Key, Arc<AtomicU32>>,
    homes: Cache<TokenHash, ()>,
}

/// A proof being checked. It counts as failed until it is known to be valid, so that many at the same time cannot slip through.
#[derive(Debug)]
pub(super) struct Attempt {
    counted: Vec<Arc<AtomicU32>>,
    home: TokenHash,
}

impl Default for FailedProofs {
    fn default() -> Self {
        let cache = || Cache::builder().max_capacity(MAX_REMEMBERED);
        Self {
            failed: cache().time_to_live(WINDOW).build(),
            homes: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(AT_HOME)
                .build(),
        }
    }
}

impl FailedProofs {
    /// Counts a proof of `client` that is about to be checked, from `prefix`.
    pub(super) fn begin(&self, client: &str, prefix: &str) -> Result<Attempt, Limited> {
        // A prefix has no space, so no two pairs make one text.
        let home = TokenHash::of(&format!("{prefix} {client}"));
        let keys = if self.homes.contains_key(&home) {
            vec![(Key::AtHome(home), MAX_AT_HOME, Whose::Client)]
        } else {
            vec![
                (Key::Prefix(prefix.to_owned()), MAX_FROM_PREFIX, Whose::Network),
                (Key::Client(TokenHash::of(client)), MAX_FOR_CLIENT, Whose::Client),
            ]
        };
        let mut attempt = Attempt {
            counted: Vec::new(),
            home,
        };
        for (key, max, whose) in keys {
            let count = self.failed.get_with(key, Arc::default);
            if count.fetch_add(1, Ordering::Relaxed) >= max {
                count.fetch_sub(1, Ordering::Relaxed);
                attempt.undecided();
                return Err(Limited { after: WINDOW, whose });
            }
            attempt.counted.push(count);
        }
        Ok(attempt)
    }

    /// The proof was valid: it does not count, and the client's network is known.
    pub(super) fn proven(&self, attempt: &Attempt) {
        attempt.undecided();
        self.homes.insert(attempt.home, ());
    }
}

impl Attempt {
    /// Nothing came of it that says something about the proof: it does not count.
    pub(super) fn undecided(&self) {
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
    const CLIENT: &str = "https://app.example/client.json";

    #[test]
    fn a_network_that_fails_has_to_wait_and_others_do_not() {
        let limits = FailedProofs::default();
        for number in 0..MAX_FROM_PREFIX {
            assert!(limits.begin(&format!("client {number}"), HERE).is_ok());
        }
        assert!(limits.begin("one more", HERE).is_err());
        assert!(limits.begin("one more", ELSEWHERE).is_ok());
    }

    #[test]
    fn failures_in_the_name_of_a_client_do_not_keep_it_out_of_its_home() {
        let limits = FailedProofs::default();
        limits.proven(&limits.begin(CLIENT, HERE).unwrap());
        for number in 0..MAX_FOR_CLIENT {
            let prefix = format!("198.{}.{}.0/24", number / 200, number % 200);
            assert!(limits.begin(CLIENT, &prefix).is_ok());
        }
        assert!(limits.begin(CLIENT, ELSEWHERE).is_err());
        assert!(limits.begin(CLIENT, HERE).is_ok());
        assert!(
            limits
                .begin("https://other.example/client.json", ELSEWHERE)
                .is_ok()
        );
    }

    #[test]
    fn valid_proofs_never_add_up() {
        let limits = FailedProofs::default();
        for _ in 0..10 * MAX_AT_HOME {
            limits.proven(&limits.begin(CLIENT, HERE).unwrap());
        }
        limits.begin(CLIENT, HERE).unwrap().undecided();
    }
}
