//! How often the provider of a source is sent a request beforehand (RFC 9126). It is the one thing that the beginning of a
//! sign-in asks of a provider each time, with the client secret of the source, and anyone may begin one.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use gatewright_domain::id::UserSourceId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

/// Requests per second that may go on for ever.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");
/// Requests at once.
const BURST: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");
/// Sources remembered. Beyond it the least used give way.
const MAX_SOURCES: u64 = 10_000;
/// A source not seen for this long is forgotten; its quota has refilled by then.
const FORGET_AFTER: Duration = Duration::from_mins(1);

/// The counters.
#[derive(Debug)]
pub(super) struct Pushes(Cache<UserSourceId, Arc<DefaultDirectRateLimiter>>);

impl Default for Pushes {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_SOURCES)
                .time_to_idle(FORGET_AFTER)
                .build(),
        )
    }
}

impl Pushes {
    /// Counts a request; `false` when there were enough for now.
    pub(super) fn count(&self, source: UserSourceId) -> bool {
        let limiter = self.0.get_with(source, || {
            Arc::new(RateLimiter::direct(
                Quota::per_second(PER_SECOND).allow_burst(BURST),
            ))
        });
        limiter.check().is_ok()
    }

    /// Leaves a source nothing for the next hour, so that a test need not outrun its refilling.
    #[cfg(test)]
    pub(super) fn use_up(&self, source: UserSourceId) {
        let limiter = RateLimiter::direct(Quota::with_period(Duration::from_hours(1)).unwrap());
        limiter.check().unwrap();
        self.0.insert(source, Arc::new(limiter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_bound_and_others_are_counted_apart() {
        let pushes = Pushes::default();
        let [busy, quiet] = [1, 2].map(UserSourceId::of_number);
        assert!((0..100).all(|_| pushes.count(busy)));
        assert!((0..10_000).any(|_| !pushes.count(busy)));
        assert!(pushes.count(quiet));
    }
}
