//! Fetches whose URL a stranger chose: one at a time and so many a minute per host, and few at once in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::FetchError;

/// Fetches to one host in a minute. A cached document needs one per hour.
const PER_MINUTE: u32 = 30;
/// Fetches that may wait for one host.
const MAX_WAITING: usize = 32;
/// Hosts remembered at once; each takes some hundred bytes, and none is remembered longer than a minute.
const MAX_HOSTS: usize = 4_096;
/// Fetches at once in all.
const MAX_AT_ONCE: usize = 32;

const WINDOW: Duration = Duration::from_mins(1);

/// Limits stranger-supplied fetches.
#[derive(Debug)]
pub(super) struct Gate {
    hosts: Mutex<HashMap<String, Host>>,
    all: Arc<Semaphore>,
}

#[derive(Debug)]
struct Host {
    turn: Arc<Semaphore>,
    window_began: Instant,
    begun: u32,
}

/// The right to fetch from a host, until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _host: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            hosts: Mutex::default(),
            all: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        }
    }
}

impl Gate {
    /// Waits for its turn at a host; [`FetchError::Limited`] when too many came before.
    pub(super) async fn enter(&self, host: &str) -> Result<Turn, FetchError> {
        let limited = || FetchError::Limited(host.to_owned());
        let turn = self.admit(&host.to_ascii_lowercase()).ok_or_else(limited)?;
        let host = turn.acquire_owned().await.map_err(|_| limited())?;
        let all = Arc::clone(&self.all)
            .acquire_owned()
            .await
            .map_err(|_| limited())?;
        Ok(Turn {
            _host: host,
            _all: all,
        })
    }

    fn admit(&self, host: &str) -> Option<Arc<Semaphore>> {
        let now = Instant::now();
        // A panic while the map was held leaves it whole: nothing below is done by halves.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_HOSTS && !hosts.contains_key(host) {
            hosts.retain(|_, known| Arc::strong_count(&known.turn) > 1 || now - known.window_began < WINDOW);
            if hosts.len() >= MAX_HOSTS {
                return None;
            }
        }
        let known = hosts.entry(host.to_owned()).or_insert_with(|| Host {
            turn: Arc::new(Semaphore::new(1)),
            window_began: now,
            begun: 0,
        });
        if now - known.window_began >= WINDOW {
            known.window_began = now;
            known.begun = 0;
        }
        // Beside the map's own, each waiting or running fetch holds a reference.
        if known.begun >= PER_MINUTE || Arc::strong_count(&known.turn) > MAX_WAITING {
            return None;
        }
        known.begun += 1;
        Some(Arc::clone(&known.turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_is_limited_for_a_minute_and_others_are_not() {
        let gate = Gate::default();
        for _ in 0..PER_MINUTE {
            drop(gate.enter("a.example").await.unwrap());
        }
        assert_eq!(
            gate.enter("A.example").await.unwrap_err(),
            FetchError::Limited("A.example".into())
        );
        assert!(gate.enter("b.example").await.is_ok());
        tokio::time::advance(WINDOW).await;
        assert!(gate.enter("a.example").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_at_a_time_per_host() {
        let gate = Gate::default();
        let first = gate.enter("a.example").await.unwrap();
        let second = gate.enter("a.example");
        tokio::pin!(second);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), &mut second)
                .await
                .is_err()
        );
        assert!(gate.enter("b.example").await.is_ok());
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_map_is_bounded_and_recovers() {
        let gate = Gate::default();
        for number in 0..MAX_HOSTS {
            drop(gate.enter(&format!("h{number}.example")).await.unwrap());
        }
        assert!(gate.enter("one-too-many.example").await.is_err());
        assert!(gate.enter("h0.example").await.is_ok());
        tokio::time::advance(WINDOW).await;
        assert!(gate.enter("one-too-many.example").await.is_ok());
        assert!(gate.hosts.lock().unwrap().len() < MAX_HOSTS);
    }
}
