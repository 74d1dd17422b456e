//! How often the provider of a registration is sent a request beforehand (RFC 9126). It is the one thing that the beginning of
//! a sign-in asks of a provider each time, with the client secret of the registration, and anyone may begin one.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

/// Requests per second that are always allowed.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");
/// Requests at once.
const BURST: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");
/// Registrations that are remembered. Beyond that, the least used ones are forgotten.
const MAX_REGISTRATIONS: u64 = 10_000;
/// A registration not seen for this long is forgotten; its quota has refilled by then.
const FORGET_AFTER: Duration = Duration::from_mins(1);

/// The counters, by the number of the registration.
#[derive(Debug)]
pub struct Pushes(Cache<u128, Arc<DefaultDirectRateLimiter>>);

impl Default for Pushes {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_REGISTRATIONS)
                .time_to_idle(FORGET_AFTER)
                .build(),
        )
    }
}

impl Pushes {
    /// Counts a request; `false` when there were enough for now.
    pub fn count(&self, registration: u128) -> bool {
        let limiter = self.0.get_with(registration, || {
            Arc::new(RateLimiter::direct(
                Quota::per_second(PER_SECOND).allow_burst(BURST),
            ))
        });
        limiter.check().is_ok()
    }

    /// Leaves a registration nothing for the next hour, so that a test need not outrun its refilling.
    #[cfg(any(test, feature = "testing"))]
    pub fn use_up(&self, registration: u128) {
        let limiter =
            RateLimiter::direct(Quota::with_period(Duration::from_hours(1)).expect("an hour is not zero"));
        limiter.check().expect("nothing was taken yet");
        self.0.insert(registration, Arc::new(limiter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_bound_and_others_are_counted_apart() {
        let pushes = Pushes::default();
        let [busy, quiet] = [1, 2];
        assert!((0..100).all(|_| pushes.count(busy)));
        assert!((0..10_000).any(|_| !pushes.count(busy)));
        assert!(pushes.count(quiet));
    }
}
