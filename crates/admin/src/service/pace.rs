//! How often one caller may change something: each change writes an event into the audit trail, takes the one turn to write and
//! makes every replica read its configuration again, so a program in a loop would fill the disk and slow down all other projects.
//!
//! Callers are counted and not projects, so that a runaway key cannot keep its owner from ending it.

use std::{num::NonZeroU32, sync::Arc};

use gatewright_domain::audit::ActorKind;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use moka::sync::Cache;

use super::{Authority, ServiceError};

/// Changes of one caller per second that are always allowed.
const PER_SECOND: u32 = 2;
/// Changes of one caller in a burst: far more than a program needs to set up a whole project.
const AT_ONCE: u32 = 10_000;
/// Callers remembered. Those who change nothing for long are forgotten first.
const MAX_REMEMBERED: u64 = 10_000;

/// The counters.
#[derive(Debug)]
pub struct Pace(Cache<String, Arc<DefaultDirectRateLimiter>>);

impl Default for Pace {
    fn default() -> Self {
        Self(Cache::new(MAX_REMEMBERED))
    }
}

impl Pace {
    /// Counts a change, or a rehearsal of one. Who has no key or account changes something only with a link that works once.
    pub(super) fn count(&self, authority: &Authority) -> Result<(), ServiceError> {
        let caller = authority.actor().kind;
        match caller {
            ActorKind::ApiKey(_) | ActorKind::Account(_) => self.count_of(caller.to_string()),
            ActorKind::User(_) | ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => Ok(()),
        }
    }

    fn count_of(&self, caller: String) -> Result<(), ServiceError> {
        let limiter = self.0.get_with(caller, || {
            let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(at_least_one(PER_SECOND)).allow_burst(at_least_one(AT_ONCE));
            Arc::new(RateLimiter::direct(quota))
        });
        limiter.check().map_err(|not_until| ServiceError::TooManyChanges {
            after: not_until.wait_time_from(limiter.clock().now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_who_changes_something_again_and_again_has_to_wait_and_others_do_not() {
        let pace = Pace::default();
        let change = |caller: &str| pace.count_of(caller.to_owned());
        let refused = (0..2 * AT_ONCE).find_map(|_| change("key_runaway").err());
        assert!(matches!(refused, Some(ServiceError::TooManyChanges { .. })));
        assert!(change("acc_owner").is_ok());
    }
}
