//! Key sets by their address, each fetched by one caller at a time and kept while it is fresh.

use std::{future::Future, sync::Arc, time::Duration};

use gatewright_domain::Timestamp;
use tokio::time::Instant;

use super::key_set::KeySet;
use crate::single_flight::{Missed, SingleFlight, Verdict};

/// How long a key set is used before it is fetched again.
const FRESH: Duration = Duration::from_mins(10);

/// After a fetch for the sake of an unknown key, the next one for that reason waits this long: whatever someone
/// signs, a key set is not fetched more often than this.
const UNKNOWN_KEY_COOL_DOWN: Duration = Duration::from_secs(15);

/// Whether the cached keys will do.
#[derive(Debug, Clone, Copy)]
pub enum KeysWanted<'a> {
    /// While they are fresh.
    Any,
    /// Unless they are these, which lack the key: their owner may have rotated.
    OtherThan(&'a Arc<KeySet>),
}

/// The key sets.
#[derive(Debug)]
pub struct KeyCache<E: Send + Sync + 'static>(SingleFlight<KeySet, E>);

impl<E: Send + Sync + 'static> Default for KeyCache<E> {
    fn default() -> Self {
        Self(SingleFlight::default())
    }
}

impl<E: Clone + Send + Sync + 'static> KeyCache<E> {
    /// The keys at an address: the cached ones if they will do, else what `fetch` returns.
    pub async fn get<F: Future<Output = Result<KeySet, E>>>(
        &self,
        address: &str,
        now: Timestamp,
        deadline: Instant,
        wanted: KeysWanted<'_>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<KeySet>, Missed<E>> {
        let judge = |at, held: &Arc<KeySet>, forced_at| judge(wanted, now, at, held, forced_at);
        self.0.get(address, now, deadline, judge, fetch).await
    }

    /// The keys at an address, if the cached ones will do. Fetches nothing and does not wait.
    pub fn at_hand(&self, address: &str, now: Timestamp, wanted: KeysWanted<'_>) -> Option<Arc<KeySet>> {
        self.0.at_hand(address, |at, held, forced_at| {
            judge(wanted, now, at, held, forced_at)
        })
    }
}

fn judge(
    wanted: KeysWanted<'_>,
    now: Timestamp,
    at: Timestamp,
    held: &Arc<KeySet>,
    forced_at: Option<Timestamp>,
) -> Verdict {
    match (Verdict::by_age(at, now, FRESH), wanted) {
        (Verdict::Use, KeysWanted::OtherThan(seen)) if Arc::ptr_eq(held, seen) => {
            let cooling = forced_at.is_some_and(|forced| now.since(forced) < UNKNOWN_KEY_COOL_DOWN);
            if cooling {
                Verdict::Use
            } else {
                Verdict::Fetch { forced: true }
            }
        }
        (verdict, _) => verdict,
    }
}
