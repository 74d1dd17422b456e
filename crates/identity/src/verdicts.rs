//! How often the providers of a project may change their mind about a client secret or the way to send it. Each change is
//! noted with the source, and every replica reads the configuration for it.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use gatewright_domain::id::ProjectId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

/// Changes per minute that are always allowed.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(3).expect("it is not zero");
/// Changes at once: a rotation of many secrets.
const BURST: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");
/// Projects that are remembered. Beyond that, the least used ones are forgotten.
const MAX_PROJECTS: u64 = 10_000;
/// A project not seen for this long is forgotten; its quota has refilled by then.
const FORGET_AFTER: Duration = Duration::from_mins(30);

/// The counters.
#[derive(Debug)]
pub struct Verdicts(Cache<ProjectId, Arc<DefaultDirectRateLimiter>>);

impl Default for Verdicts {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_PROJECTS)
                .time_to_idle(FORGET_AFTER)
                .build(),
        )
    }
}

impl Verdicts {
    /// Counts a change; `false` when there were enough for now. What is not noted is learnt again with the next sign-in.
    pub fn count(&self, project: ProjectId) -> bool {
        let limiter = self.0.get_with(project, || {
            Arc::new(RateLimiter::direct(
                Quota::per_minute(PER_MINUTE).allow_burst(BURST),
            ))
        });
        limiter.check().is_ok()
    }

    /// Leaves a project nothing for the next hour, so that a test need not outrun its refilling.
    #[cfg(any(test, feature = "testing"))]
    pub fn use_up(&self, project: ProjectId) {
        let limiter =
            RateLimiter::direct(Quota::with_period(Duration::from_hours(1)).expect("an hour is not zero"));
        limiter.check().expect("nothing was taken yet");
        self.0.insert(project, Arc::new(limiter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_bound_and_others_are_counted_apart() {
        let verdicts = Verdicts::default();
        let [busy, quiet] = [1, 2].map(ProjectId::of_number);
        assert!((0..60).all(|_| verdicts.count(busy)));
        assert!((0..100).any(|_| !verdicts.count(busy)));
        assert!(verdicts.count(quiet));
    }
}
