//! Rate limits by address prefix and by gateway: far above what people and their programs do, low enough that one
//! stranger cannot keep the gateway busy. Whole companies, and hosted clients, share one address.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use gatewright_domain::id::GatewayId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use moka::sync::Cache;

use crate::request::RequestContext;

/// Keys remembered per limit. The least used give way, so that memory stays bounded whoever comes.
const MAX_KEYS: u64 = 20_000;

/// A key not seen for this long is forgotten; every quota has refilled by then.
const FORGET_AFTER: Duration = Duration::from_mins(2);

/// Come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests")]
pub(super) struct Limited {
    /// When.
    pub(super) after: Duration,
}

/// What an administrator can do when too much comes.
pub(super) const ADVICE: &str = "Usually nothing: it passes within a minute. If everybody has the same address, name the proxies in front of the gateway (`server.trusted_proxies`).";

/// What an administrator can do when one person signs in too often.
pub(crate) const TOO_MANY_ADVICE: &str = "Usually an app that signs in again and again: the person quits it. If they do not know of any, look at who uses their account.";

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// Registering a client.
    Register,
    /// Asking for consent, or answering.
    Authorize,
    /// Beginning a sign-in, which writes a row.
    BeginSignIn,
    /// Coming back from an identity provider.
    Return,
    /// Exchanging or revoking a token.
    Token,
}

impl Action {
    /// Requests per second that may go on for ever, and how many may come at once: for a prefix.
    const fn of_prefix(self) -> (u32, u32) {
        match self {
            Self::Register | Self::Authorize => (500, 10_000),
            // SQLite has one writer, and a sign-in is one write of many that people wait for.
            Self::BeginSignIn => (20, 200),
            Self::Return => (100, 1_000),
            Self::Token => (2_000, 20_000),
        }
    }

    /// The same for a gateway, whoever asks.
    const fn of_gateway(self) -> (u32, u32) {
        match self {
            Self::Register | Self::Authorize | Self::Return => (2_000, 20_000),
            Self::BeginSignIn => (500, 5_000),
            Self::Token => (10_000, 50_000),
        }
    }
}

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Prefix(Action, String),
    Gateway(Action, Option<GatewayId>),
}

/// The counters.
#[derive(Debug)]
pub(super) struct Limits(Cache<Key, Arc<DefaultDirectRateLimiter>>);

impl Default for Limits {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_KEYS)
                .time_to_idle(FORGET_AFTER)
                .build(),
        )
    }
}

impl Limits {
    /// Counts a request; `gateway` is `None` at the root.
    pub(super) fn check(
        &self,
        action: Action,
        context: &RequestContext,
        gateway: Option<GatewayId>,
    ) -> Result<(), Limited> {
        self.count(Key::Prefix(action, context.address_prefix()), action.of_prefix())?;
        self.count(Key::Gateway(action, gateway), action.of_gateway())
    }

    /// Leaves nothing of a budget for the next hour, so that a test need not outrun its refilling.
    #[cfg(test)]
    pub(super) fn use_up(&self, action: Action, context: &RequestContext) {
        let limiter = RateLimiter::direct(Quota::with_period(Duration::from_hours(1)).unwrap());
        limiter.check().unwrap();
        let key = Key::Prefix(action, context.address_prefix());
        self.0.insert(key, Arc::new(limiter));
    }

    fn count(&self, key: Key, (per_second, burst): (u32, u32)) -> Result<(), Limited> {
        let limiter = self.0.get_with(key, || {
            let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
            Arc::new(RateLimiter::direct(quota))
        });
        limiter.check().map_err(|not_until| Limited {
            after: not_until.wait_time_from(limiter.clock().now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> RequestContext {
        RequestContext {
            id: crate::request::RequestId::next(),
            address: address.parse().unwrap(),
        }
    }

    #[test]
    fn a_flood_from_one_network_is_slowed_and_others_are_not() {
        let limits = Limits::default();
        let from_one = |_| limits.check(Action::Register, &from("203.0.113.7"), None).err();
        let flood = (0..30_000).find_map(from_one);
        assert!(flood.is_some_and(|limited| limited.after > Duration::ZERO));
        assert!(
            limits
                .check(Action::Register, &from("203.0.113.200"), None)
                .is_err()
        );
        assert!(
            limits
                .check(Action::Register, &from("198.51.100.7"), None)
                .is_ok()
        );
        assert!(limits.check(Action::Token, &from("203.0.113.7"), None).is_ok());
    }

    #[test]
    fn two_hundred_sign_ins_may_begin_at_once_and_not_many_more() {
        let limits = Limits::default();
        let begin = |address| limits.check(Action::BeginSignIn, &from(address), None);
        assert!((0..200).all(|_| begin("203.0.113.7").is_ok()));
        assert!((0..10_000).any(|_| begin("203.0.113.7").is_err()));
        assert!(begin("198.51.100.7").is_ok());
    }

    #[test]
    fn an_office_that_signs_in_at_once_is_not_slowed() {
        let limits = Limits::default();
        let all_pass = (0..5_000).all(|_| {
            limits
                .check(Action::Authorize, &from("203.0.113.7"), None)
                .is_ok()
        });
        assert!(all_pass);
    }
}
