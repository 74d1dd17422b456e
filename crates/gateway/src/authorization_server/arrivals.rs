//! How often each sign-in came back from its identity provider. A cookie works for any number of arrivals, so without a
//! bound one sign-in could use up what is meant for those of all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{id::GatewayId, token_hash::TokenHash};
use moka::sync::Cache;

/// Arrivals of one sign-in that count as such: the first, and reloads while its answer takes long.
const MAX_ARRIVALS: u32 = 20;
/// Sign-ins that are remembered. Beyond that, the least used ones are forgotten.
const MAX_SIGN_INS: u64 = 50_000;
/// How long they are counted.
const WINDOW: Duration = Duration::from_mins(10);

/// The sign-in that a browser carries and can still finish.
#[derive(Debug, Clone, Copy)]
pub struct Carried {
    /// Its state.
    pub state: TokenHash,
    /// The gateway it is for, if any.
    pub gateway: Option<GatewayId>,
}

/// The arrivals of each sign-in.
#[derive(Debug)]
pub(super) struct Arrivals(Cache<TokenHash, Arc<AtomicU32>>);

impl Default for Arrivals {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_SIGN_INS)
                .time_to_live(WINDOW)
                .build(),
        )
    }
}

impl Arrivals {
    /// Counts an arrival; `false` when there were enough.
    pub(super) fn count(&self, state: TokenHash) -> bool {
        let arrivals = self.0.get_with(state, Arc::default);
        arrivals.fetch_add(1, Ordering::Relaxed) < MAX_ARRIVALS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_arrives_twenty_times_and_others_are_counted_apart() {
        let arrivals = Arrivals::default();
        let (one, another) = (TokenHash::of("one"), TokenHash::of("another"));
        assert!((0..20).all(|_| arrivals.count(one)));
        assert!(!arrivals.count(one));
        assert!(arrivals.count(another));
    }

    #[test]
    fn what_is_remembered_stays_within_bounds() {
        let arrivals = Arrivals::default();
        for number in 0..MAX_SIGN_INS * 2 {
            arrivals.count(TokenHash::of(&number.to_string()));
        }
        arrivals.0.run_pending_tasks();
        assert!(arrivals.0.entry_count() <= MAX_SIGN_INS);
    }
}
