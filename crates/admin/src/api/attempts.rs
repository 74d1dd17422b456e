//! Wrong API keys, counted by where they come from. Keys cannot be guessed, but each guess would query the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gatewright_domain::token_hash::TokenHash;
use moka::sync::Cache;

/// How long wrong keys are remembered, from the first one on.
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// Wrong keys from one address prefix in a window. A fleet of scripts with a revoked key stays below it long enough to
/// learn what is wrong.
const MAX_WRONG: u32 = 100;

/// Prefixes and keys that are remembered. The least used are forgotten, so that memory stays bounded.
const MAX_REMEMBERED: u64 = 20_000;

/// How long a key that was right is let through, whatever its neighbours do.
const TRUSTED: Duration = Duration::from_hours(1);

/// The counters.
#[derive(Debug)]
pub(super) struct Attempts {
    wrong: Cache<String, Arc<AtomicU32>>,
    right: Cache<TokenHash, ()>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            wrong: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(WINDOW)
                .build(),
            right: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(TRUSTED)
                .build(),
        }
    }
}

impl Attempts {
    /// Whether a key from this address prefix can be looked up. One that was right a while ago always can, so that callers
    /// who share an address cannot lock each other out.
    pub(super) fn may_try(&self, prefix: &str, key: TokenHash) -> bool {
        let wrong = self.wrong.get(prefix);
        wrong.is_none_or(|count| count.load(Ordering::Relaxed) < MAX_WRONG) || self.right.contains_key(&key)
    }

    /// Notes the result of a look-up.
    pub(super) fn note(&self, prefix: &str, key: TokenHash, is_right: bool) {
        if is_right {
            if !self.right.contains_key(&key) {
                self.right.insert(key, ());
            }
        } else {
            self.right.invalidate(&key);
            let count = self.wrong.get_with_by_ref(prefix, Arc::default);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_wrong_keys_stops_its_own_network_and_no_key_that_is_known_to_be_right() {
        let attempts = Attempts::default();
        let (good, bad, other) = (
            TokenHash::of("good"),
            TokenHash::of("bad"),
            TokenHash::of("other"),
        );
        attempts.note("203.0.113.0/24", good, true);
        for _ in 0..MAX_WRONG {
            assert!(attempts.may_try("203.0.113.0/24", bad));
            attempts.note("203.0.113.0/24", bad, false);
        }
        assert!(!attempts.may_try("203.0.113.0/24", bad));
        assert!(!attempts.may_try("203.0.113.0/24", other));
        assert!(attempts.may_try("203.0.113.0/24", good));
        assert!(attempts.may_try("198.51.100.0/24", bad));
        // A key that was revoked is trusted no longer.
        attempts.note("203.0.113.0/24", good, false);
        assert!(!attempts.may_try("203.0.113.0/24", good));
    }
}
