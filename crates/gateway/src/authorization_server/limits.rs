//! Rate limits by network and by gateway: far above what people and their programs do, low enough that one stranger cannot
//! keep the gateway busy. Whole companies, and hosted clients, share one address, and one stranger may have thousands: networks
//! are counted at two widths, and the wider one has a share of what a gateway takes in all, never the whole.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use gatewright_domain::id::GatewayId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use moka::sync::Cache;

use crate::{admission::Overloaded, request::RequestContext};

/// Keys that are remembered per limit. The least used are forgotten, so that memory stays bounded.
const MAX_KEYS: u64 = 20_000;

/// A key not seen for this long is forgotten; every quota has refilled by then.
const FORGET_AFTER: Duration = Duration::from_mins(45);

/// What the wider network may do, in multiples of the narrower one.
const WIDER: u32 = 2;

/// Come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests from {whose}")]
pub(super) struct Limited {
    /// When.
    pub(super) after: Duration,
    /// Who made them.
    pub(super) whose: Whose,
}

impl Limited {
    /// Too much is asked of an identity provider.
    pub(super) const AT_PROVIDER: Self = Self {
        after: Duration::from_secs(10),
        whose: Whose::Everyone,
    };
}

impl From<Overloaded> for Limited {
    fn from(overloaded: Overloaded) -> Self {
        Self {
            after: overloaded.after,
            whose: Whose::Overload,
        }
    }
}

/// Whose requests were too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of one network.
    Network,
    /// Those of all.
    Everyone,
    /// Those of one client.
    Client,
    /// Not one caller's: together they are more than this process can handle.
    Overload,
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Network => "this network",
            Self::Everyone => "all networks together",
            Self::Client => "this client",
            Self::Overload => "everyone together, for what this process can handle at once",
        })
    }
}

/// What an administrator can do when too much comes.
pub(super) const ADVICE: &str = "Usually nothing: it passes within a minute. If everyone has the same address, name the proxies in front of the gateway (`server.trusted_proxies`).";

/// What an administrator can do when one person signs in too often.
pub(crate) const TOO_MANY_ADVICE: &str = "Usually an app that signs in again and again: the person quits it. If they do not know of any, look at who uses their account.";

/// What is counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// Registering a client.
    Register,
    /// Asking for consent, or answering.
    Authorize,
    /// Beginning a sign-in.
    BeginSignIn,
    /// Coming back from an identity provider, to finish the sign-in that the browser carries.
    Return,
    /// Coming back without one. Such a request finishes nothing, but its code is remembered.
    ReturnAstray,
    /// Exchanging or revoking a token.
    Token,
}

impl Action {
    /// Requests per second that are always allowed, and how many in a burst, from one network. An office of a thousand
    /// signs in at once, some of them twice.
    const fn of_network(self) -> (u32, u32) {
        match self {
            Self::Register | Self::Authorize => (500, 10_000),
            Self::BeginSignIn => (50, 3_000),
            Self::Return => (5, 3_000),
            Self::ReturnAstray => (1, 200),
            Self::Token => (2_000, 20_000),
        }
    }

    /// The same for a gateway and any caller; for the instance if the request does not belong to a gateway.
    ///
    /// A callback without a sign-in does not belong to a gateway. Each one writes a row of some 150 bytes that is kept for a day
    /// (`brought_code`), so those to all gateways are bounded too: [`Self::of_instance`].
    const fn of_gateway(self) -> (u32, u32) {
        match self {
            Self::Register | Self::Authorize => (2_000, 40_000),
            Self::BeginSignIn => (500, 30_000),
            Self::Return => (25, 60_000),
            Self::ReturnAstray => (10, 5_000),
            Self::Token => (10_000, 100_000),
        }
    }

    /// The same for all gateways together, far above what one may take.
    ///
    /// A day of floods from everywhere is bounded by 240,000 + 86,400 × 100 rows of people who carry a sign-in and twice
    /// 5,000 + 86,400 × 10 of others, whose requests may hold two codes: 11 million rows, 1.6 GB. Each process counts for
    /// itself.
    const fn of_instance(self) -> Option<(u32, u32)> {
        match self {
            Self::Return => Some((100, 240_000)),
            _ => None,
        }
    }
}

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Network(Action, Network),
    Gateway(Action, Option<GatewayId>),
    Instance(Action),
}

/// A network, at one of two widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    /// Mostly one site: /24 of IPv4, /64 of IPv6.
    Narrow(u64),
    /// What one customer of a provider can have many of: /16 of IPv4, /48 of IPv6.
    Wide(u64),
}

impl Network {
    fn of(address: IpAddr) -> (Self, Self) {
        let (narrow, wide) = match address.to_canonical() {
            IpAddr::V4(v4) => (u64::from(v4.to_bits() >> 8), u64::from(v4.to_bits() >> 16)),
            IpAddr::V6(v6) => {
                // Global unicast begins with 001 (RFC 4291 section 2.4), so no network of IPv6 is one of IPv4.
                let high = u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX);
                (high, high >> 16)
            }
        };
        (Self::Narrow(narrow), Self::Wide(wide))
    }
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
        let (narrow, wide) = Network::of(context.address);
        let (per_second, burst) = action.of_network();
        let of_network = |network, times| {
            let limited = self.count(Key::Network(action, network), (per_second * times, burst * times));
            limited.map_err(|after| Limited {
                after,
                whose: Whose::Network,
            })
        };
        // The wider one first: who has thousands of narrow ones makes the counters of a wide one only.
        of_network(wide, WIDER)?;
        of_network(narrow, 1)?;
        let everyone = |after| Limited {
            after,
            whose: Whose::Everyone,
        };
        self.count(Key::Gateway(action, gateway), action.of_gateway())
            .map_err(everyone)?;
        match action.of_instance() {
            Some(quota) => self.count(Key::Instance(action), quota).map_err(everyone),
            None => Ok(()),
        }
    }

    /// Leaves nothing of a budget for the next hour, so that a test need not outrun its refilling.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn use_up(&self, action: Action, context: &RequestContext) {
        let limiter = RateLimiter::direct(Quota::with_period(Duration::from_hours(1)).expect("an hour"));
        limiter.check().expect("the first of an hour");
        let (narrow, _) = Network::of(context.address);
        self.0.insert(Key::Network(action, narrow), Arc::new(limiter));
    }

    /// Counts a request; the error is how long to wait.
    fn count(&self, key: Key, (per_second, burst): (u32, u32)) -> Result<(), Duration> {
        let limiter = self.0.get_with(key, || {
            let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
            Arc::new(RateLimiter::direct(quota))
        });
        limiter
            .check()
            .map_err(|not_until| not_until.wait_time_from(limiter.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    const ACTIONS: [Action; 6] = [
        Action::Register,
        Action::Authorize,
        Action::BeginSignIn,
        Action::Return,
        Action::ReturnAstray,
        Action::Token,
    ];

    fn from(address: &str) -> RequestContext {
        RequestContext::known(
            crate::request::RequestId::next(),
            address.parse::<std::net::IpAddr>().unwrap(),
        )
    }

    #[test]
    fn a_flood_from_one_network_is_slowed_and_others_are_not() {
        let limits = Limits::default();
        let check = |address| limits.check(Action::Register, &from(address), None);
        let flood = (0..30_000).find_map(|_| check("203.0.113.7").err());
        let limited = flood.unwrap();
        assert!(limited.after > Duration::ZERO && limited.whose == Whose::Network);
        assert!((0..30_000).any(|_| check("203.0.113.200").is_err()));
        assert!(check("198.51.100.7").is_ok());
        assert!(limits.check(Action::Token, &from("203.0.113.7"), None).is_ok());
    }

    #[test]
    fn no_network_has_more_than_half_of_what_a_gateway_takes() {
        for action in ACTIONS {
            let (per_second, burst) = action.of_network();
            let (of_all, at_once) = action.of_gateway();
            assert!(per_second * WIDER * 2 <= of_all, "{action:?}");
            assert!(burst * WIDER * 2 <= at_once, "{action:?}");
        }
    }

    #[test]
    fn a_network_with_many_addresses_uses_up_no_gateway() {
        for networks in [
            (0..40_000)
                .map(|n| format!("2001:db8:7:{n:x}::1"))
                .collect::<Vec<_>>(),
            (0..40_000).map(|n| format!("203.0.{}.7", n % 256)).collect(),
        ] {
            let limits = Limits::default();
            let begin = |address: &str| limits.check(Action::BeginSignIn, &from(address), None);
            let refused: Vec<Limited> = networks
                .iter()
                .filter_map(|address| begin(address).err())
                .collect();
            assert!(refused.len() > 10_000, "{}", refused.len());
            assert!(refused.iter().all(|limited| limited.whose == Whose::Network));
            assert!(begin("198.51.100.7").is_ok());
            assert!(begin("2001:db8:8::1").is_ok());
        }
    }

    #[test]
    fn returns_to_one_gateway_take_nothing_from_others() {
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        let [busy, quiet] = [(); 2].map(|()| GatewayId::generate(&clock, &entropy));
        let limits = Limits::default();
        let come_back = |address: &str, gateway| limits.check(Action::Return, &from(address), Some(gateway));
        let mut refused = None;
        for network in 0..60 {
            let address = format!("10.{network}.0.1");
            refused = (0..2_500).find_map(|_| come_back(&address, busy).err());
            if refused.is_some() {
                break;
            }
        }
        assert_eq!(refused.unwrap().whose, Whose::Everyone);
        assert!(come_back("198.51.100.7", quiet).is_ok());
        assert!(limits.check(Action::Return, &from("198.51.100.7"), None).is_ok());
    }

    #[test]
    fn all_gateways_together_take_far_more_than_one() {
        let (per_second, burst) = Action::Return.of_gateway();
        let (of_all, at_once) = Action::Return.of_instance().unwrap();
        assert!(per_second * 4 <= of_all && burst * 4 <= at_once);
    }

    #[test]
    fn an_office_of_a_thousand_signs_in_at_once() {
        let limits = Limits::default();
        let office = from("203.0.113.7");
        for _ in 0..1_000 {
            for action in [
                Action::Authorize,
                Action::Authorize,
                Action::BeginSignIn,
                Action::Return,
                Action::Token,
            ] {
                assert_eq!(limits.check(action, &office, None), Ok(()), "{action:?}");
            }
        }
        let refused = (0..20_000).find_map(|_| limits.check(Action::BeginSignIn, &office, None).err());
        assert!(refused.is_some(), "and not without end");
    }
}
