//! The ID of a request: what log lines, problem reports and error pages have in common.

use std::{
    fmt,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use gatewright_domain::{
    entropy::{SystemEntropy, bytes},
    reference::Reference,
};

/// The id of a request in logs and problem reports: sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// An ID: it distinguishes requests and is not secret, so a scrambled counter with a random start will do.
    pub fn next() -> Self {
        static START: LazyLock<u64> = LazyLock::new(|| u64::from_be_bytes(bytes(&SystemEntropy)));
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut id = START.wrapping_add(
            COUNT
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        // The finisher of SplitMix64: every bit of the counter touches every bit of the id, and no two ids are equal.
        id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(id ^ (id >> 31))
    }

    /// The short form that pages show and people read out.
    pub fn reference(self) -> Reference {
        Reference::of(self.0)
    }

    /// The number, for the store.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// A known id, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub const fn known(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_digits_and_differ() {
        let ids: std::collections::HashSet<String> =
            (0..1_000).map(|_| RequestId::next().to_string()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        );
    }
}
