//! A bounded cache whose values are fetched by one caller at a time per key, while the others wait and share the outcome.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use gatewright_domain::Timestamp;
use moka::sync::Cache;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// Keys remembered. One per identity provider or client that signs, of which an instance has tens; beyond it the least
/// used are forgotten.
const MAX_KEYS: u64 = 1_000;

/// Values by key, and failures for those who were waiting when they happened.
pub struct SingleFlight<T, E> {
    slots: Cache<String, Arc<Mutex<Slot<T, E>>>>,
}

/// What is known about one key.
#[derive(Debug)]
pub struct Slot<T, E> {
    value: Option<(Timestamp, Arc<T>)>,
    failure: Option<(Instant, E)>,
    /// When a value still fresh was last fetched again because it lacked something.
    pub forced_at: Option<Timestamp>,
}

/// Why a value could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed<E> {
    /// Fetching failed, for this caller or for the one it waited for.
    Failed(E),
    /// Someone else was still fetching at the deadline.
    Waited,
}

/// What to do with the present value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Take it.
    Use,
    /// Fetch a new one; with `forced`, although it is fresh.
    Fetch {
        /// Whether to note the time in `forced_at`.
        forced: bool,
    },
}

impl Verdict {
    /// Use it for `life` after it was fetched.
    pub fn by_age(at: Timestamp, now: Timestamp, life: Duration) -> Self {
        if now.since(at) < life {
            Self::Use
        } else {
            Self::Fetch { forced: false }
        }
    }
}

impl<T: Send + Sync + 'static, E: Clone + Send + Sync + 'static> SingleFlight<T, E> {
    /// The value of `key`: the present one if `judge` accepts it, else what `fetch` returns.
    pub async fn get<F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        now: Timestamp,
        deadline: Instant,
        judge: impl FnOnce(Timestamp, &Arc<T>, Option<Timestamp>) -> Verdict,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, Missed<E>> {
        let arrived = Instant::now();
        let slot = self
            .slots
            .get_with_by_ref(key, || Arc::new(Mutex::new(Slot::default())));
        let mut slot = timeout_at(deadline, slot.lock())
            .await
            .map_err(|_| Missed::Waited)?;
        let verdict = match &slot.value {
            Some((at, value)) => judge(*at, value, slot.forced_at),
            None => Verdict::Fetch { forced: false },
        };
        let Verdict::Fetch { forced } = verdict else {
            let (_, value) = slot
                .value
                .as_ref()
                .expect("only a value at hand is judged fit for use");
            return Ok(Arc::clone(value));
        };
        if let Some((at, failure)) = &slot.failure
            && *at >= arrived
        {
            return Err(Missed::Failed(failure.clone()));
        }
        if forced {
            slot.forced_at = Some(now);
        }
        match fetch().await {
            Ok(value) => {
                let value = Arc::new(value);
                slot.value = Some((now, Arc::clone(&value)));
                slot.failure = None;
                Ok(value)
            }
            Err(failure) => {
                slot.failure = Some((Instant::now(), failure.clone()));
                Err(Missed::Failed(failure))
            }
        }
    }

    /// The value of `key`, if there is one and `judge` accepts it. Fetches nothing and does not wait.
    pub fn at_hand(
        &self,
        key: &str,
        judge: impl FnOnce(Timestamp, &Arc<T>, Option<Timestamp>) -> Verdict,
    ) -> Option<Arc<T>> {
        let slot = self.slots.get(key)?;
        let known = slot.try_lock().ok()?;
        let (at, value) = known.value.as_ref()?;
        (judge(*at, value, known.forced_at) == Verdict::Use).then(|| Arc::clone(value))
    }

    /// Forgets a value, so that the next caller fetches it.
    pub fn forget(&self, key: &str) {
        self.slots.invalidate(key);
    }
}

impl<T, E> Default for Slot<T, E> {
    fn default() -> Self {
        Self {
            value: None,
            failure: None,
            forced_at: None,
        }
    }
}

impl<T: Send + Sync + 'static, E: Send + Sync + 'static> Default for SingleFlight<T, E> {
    fn default() -> Self {
        Self {
            slots: Cache::new(MAX_KEYS),
        }
    }
}

impl<T, E> fmt::Debug for SingleFlight<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicU32, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    type Flights = SingleFlight<u32, &'static str>;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn keep(_: Timestamp, _: &Arc<u32>, _: Option<Timestamp>) -> Verdict {
        Verdict::Use
    }

    /// Ten concurrent callers, whose one fetch completes only when all have called; how often it fetched, and what they got.
    async fn ten_at_once(
        outcome: Result<u32, &'static str>,
    ) -> (u32, Vec<Result<Arc<u32>, Missed<&'static str>>>) {
        let flights = Arc::new(Flights::default());
        let (fetched, all_here) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let callers: Vec<_> = (0..10)
            .map(|_| {
                let (flights, fetched, all_here) =
                    (Arc::clone(&flights), Arc::clone(&fetched), Arc::clone(&all_here));
                tokio::spawn(async move {
                    let fetch = || async {
                        fetched.fetch_add(1, Ordering::SeqCst);
                        all_here.notified().await;
                        outcome
                    };
                    flights.get("key", NOW, soon(), keep, fetch).await
                })
            })
            .collect();
        // On one thread, yielding once lets each of them run until it waits.
        tokio::task::yield_now().await;
        all_here.notify_one();
        let mut results = Vec::new();
        for caller in callers {
            results.push(caller.await.unwrap());
        }
        (fetched.load(Ordering::SeqCst), results)
    }

    #[tokio::test]
    async fn callers_at_once_share_one_fetch() {
        let (fetched, results) = ten_at_once(Ok(7)).await;
        assert_eq!(fetched, 1);
        assert!(results.iter().all(|result| result.as_deref() == Ok(&7)));
    }

    #[tokio::test]
    async fn they_share_a_failure_too_and_later_callers_try_again() {
        let (fetched, results) = ten_at_once(Err("away")).await;
        assert_eq!(fetched, 1);
        assert!(
            results
                .iter()
                .all(|result| *result == Err(Missed::Failed("away")))
        );
        let flights = Flights::default();
        let failed = flights
            .get("key", NOW, soon(), keep, || async { Err("away") })
            .await;
        assert_eq!(failed, Err(Missed::Failed("away")));
        let later = flights.get("key", NOW, soon(), keep, || async { Ok(1) }).await;
        assert_eq!(later.as_deref(), Ok(&1));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_another_ends_at_the_deadline() {
        let flights = Arc::new(Flights::default());
        let first = Arc::clone(&flights);
        let hanging = tokio::spawn(async move { first.get("key", NOW, soon(), keep, pending).await });
        tokio::task::yield_now().await;
        let second = flights.get("key", NOW, soon(), keep, || async { Ok(1) }).await;
        assert_eq!(second, Err(Missed::Waited));
        hanging.abort();
        assert!(hanging.await.unwrap_err().is_cancelled());
        let third = flights.get("key", NOW, soon(), keep, || async { Ok(3) }).await;
        assert_eq!(third.as_deref(), Ok(&3));
    }

    #[tokio::test]
    async fn keys_do_not_block_each_other_and_can_be_forgotten() {
        let flights = Flights::default();
        for (key, value) in [("a", 1), ("b", 2)] {
            let got = flights.get(key, NOW, soon(), keep, || async { Ok(value) }).await;
            assert_eq!(got.as_deref(), Ok(&value));
        }
        let kept = flights.get("a", NOW, soon(), keep, || async { Ok(9) }).await;
        assert_eq!(kept.as_deref(), Ok(&1));
        flights.forget("a");
        let anew = flights.get("a", NOW, soon(), keep, || async { Ok(9) }).await;
        assert_eq!(anew.as_deref(), Ok(&9));
    }
}
