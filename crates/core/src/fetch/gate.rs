//! Fetches whose URL a stranger chose: one at a time and so many a minute per host, few at once in all, and of all that no
//! more than a share for any one network.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{FetchError, asker::Asker};

/// Fetches to one host in a minute. A cached document needs one per hour.
pub(super) const PER_MINUTE: u32 = 30;
/// Fetches that may wait for one host.
const MAX_WAITING: usize = 32;
/// Hosts remembered at once; each takes some hundred bytes, and none is remembered longer than a minute.
const MAX_HOSTS: usize = 4_096;
/// Networks remembered at once, each as long as a host.
const MAX_NETWORKS: usize = 16_384;
/// Networks that one asker is counted by.
const WIDTHS: usize = 2;
/// Fetches at once in all.
const MAX_AT_ONCE: usize = 32;

const WINDOW: Duration = Duration::from_mins(1);

/// What one network may use.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Of the fetches to one host in a minute.
    of_host: u32,
    /// Of all fetches in a minute.
    of_all: u32,
    /// Fetches waiting or running at once.
    at_once: u32,
}

/// A quarter of what there is; of all hosts that are remembered, a sixteenth.
const OF_NETWORK: Share = Share {
    of_host: 8,
    of_all: 256,
    at_once: 8,
};
/// Twice as much for a whole provider of networks, so that a half is left to the others.
const OF_WIDE: Share = Share {
    of_host: 15,
    of_all: 512,
    at_once: 16,
};

/// Limits stranger-supplied fetches.
#[derive(Debug)]
pub(super) struct Gate {
    per_minute: u32,
    counts: Arc<Mutex<Counts>>,
    all: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Counts {
    hosts: HashMap<String, Host>,
    networks: HashMap<String, Network>,
}

#[derive(Debug)]
struct Host {
    turn: Arc<Semaphore>,
    window_began: Instant,
    begun: u32,
    /// How many of them each network began.
    shares: HashMap<String, u32>,
}

#[derive(Debug)]
struct Network {
    window_began: Instant,
    begun: u32,
    under_way: u32,
}

/// The right to fetch from a host, until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _host: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
    _presence: Presence,
}

/// A fetch that waits or runs.
#[derive(Debug)]
struct Presence {
    counts: Arc<Mutex<Counts>>,
    networks: Vec<String>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        for name in &self.networks {
            if let Some(network) = counts.networks.get_mut(name) {
                network.under_way = network.under_way.saturating_sub(1);
            }
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::with(PER_MINUTE)
    }
}

impl Gate {
    /// A gate that lets so many fetches a minute through to a host, or to whatever else it is asked to count by.
    pub(super) fn with(per_minute: u32) -> Self {
        Self {
            per_minute,
            counts: Arc::default(),
            all: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        }
    }

    /// Waits for its turn at a host; [`FetchError::Limited`] when too many came before, or too many from the same
    /// network.
    pub(super) async fn enter(&self, host: &str, asker: Option<&Asker>) -> Result<Turn, FetchError> {
        let limited = || FetchError::Limited(host.to_owned());
        let (turn, presence) = self
            .admit(&host.to_ascii_lowercase(), asker)
            .ok_or_else(limited)?;
        let host = turn.acquire_owned().await.map_err(|_| limited())?;
        let all = Arc::clone(&self.all)
            .acquire_owned()
            .await
            .map_err(|_| limited())?;
        Ok(Turn {
            _host: host,
            _all: all,
            _presence: presence,
        })
    }

    fn admit(&self, host: &str, asker: Option<&Asker>) -> Option<(Arc<Semaphore>, Presence)> {
        let now = Instant::now();
        let mut counts = lock(&self.counts);
        // The wider one first, and nothing is remembered before all agree: whoever has many narrow networks would fill the map
        // with those that were refused.
        let shares: Vec<(&str, Share)> = asker.map_or_else(Vec::new, |asker| {
            vec![
                (asker.wide.as_str(), OF_WIDE),
                (asker.network.as_str(), OF_NETWORK),
            ]
        });
        for (name, share) in &shares {
            if !counts.has_room_for_network(name, *share, now) {
                return None;
            }
        }
        if !counts.has_room_for_host(host, self.per_minute, &shares, now) {
            return None;
        }
        for (name, _) in &shares {
            counts.begin_for_network(name, now);
        }
        let turn = counts.begin_at_host(host, &shares, now);
        let presence = Presence {
            counts: Arc::clone(&self.counts),
            networks: shares.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        Some((turn, presence))
    }
}

impl Counts {
    /// Whether a network may begin another fetch.
    fn has_room_for_network(&mut self, name: &str, share: Share, now: Instant) -> bool {
        let networks = &mut self.networks;
        if let Some(network) = networks.get(name) {
            let is_over = now - network.window_began >= WINDOW;
            return (is_over || network.begun < share.of_all) && network.under_way < share.at_once;
        }
        if networks.len() + WIDTHS > MAX_NETWORKS {
            networks.retain(|_, network| network.under_way > 0 || now - network.window_began < WINDOW);
        }
        networks.len() + WIDTHS <= MAX_NETWORKS
    }

    /// Notes that a network begins a fetch.
    fn begin_for_network(&mut self, name: &str, now: Instant) {
        let network = self.networks.entry(name.to_owned()).or_insert(Network {
            window_began: now,
            begun: 0,
            under_way: 0,
        });
        if now - network.window_began >= WINDOW {
            network.window_began = now;
            network.begun = 0;
        }
        network.begun += 1;
        network.under_way += 1;
    }

    /// Whether another fetch from a host may begin, by these networks; not where too many hosts are remembered.
    fn has_room_for_host(
        &mut self,
        name: &str,
        per_minute: u32,
        shares: &[(&str, Share)],
        now: Instant,
    ) -> bool {
        let hosts = &mut self.hosts;
        if let Some(known) = hosts.get(name) {
            // Beside the map's own, each waiting or running fetch holds a reference.
            if Arc::strong_count(&known.turn) > MAX_WAITING {
                return false;
            }
            let begun_by = |network: &str| known.shares.get(network).copied().unwrap_or_default();
            return now - known.window_began >= WINDOW
                || known.begun < per_minute
                    && shares
                        .iter()
                        .all(|(network, share)| begun_by(network) < share.of_host);
        }
        if hosts.len() >= MAX_HOSTS {
            hosts.retain(|_, known| Arc::strong_count(&known.turn) > 1 || now - known.window_began < WINDOW);
        }
        hosts.len() < MAX_HOSTS
    }

    /// Notes that a fetch from a host begins, and gives its turn.
    fn begin_at_host(&mut self, name: &str, shares: &[(&str, Share)], now: Instant) -> Arc<Semaphore> {
        let known = self.hosts.entry(name.to_owned()).or_insert_with(|| Host {
            turn: Arc::new(Semaphore::new(1)),
            window_began: now,
            begun: 0,
            shares: HashMap::new(),
        });
        if now - known.window_began >= WINDOW {
            known.window_began = now;
            known.begun = 0;
            known.shares.clear();
        }
        known.begun += 1;
        for (network, _) in shares {
            *known.shares.entry((*network).to_owned()).or_default() += 1;
        }
        Arc::clone(&known.turn)
    }
}

/// A panic while the counts were held leaves them whole: nothing is done by halves.
fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(address: &str) -> Asker {
        Asker::of(address.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_limited_for_a_minute_and_others_are_not() {
        let gate = Gate::default();
        for _ in 0..PER_MINUTE {
            drop(gate.enter("a.example", None).await.unwrap());
        }
        assert_eq!(
            gate.enter("A.example", None).await.unwrap_err(),
            FetchError::Limited("A.example".into())
        );
        assert!(gate.enter("b.example", None).await.is_ok());
        tokio::time::advance(WINDOW).await;
        assert!(gate.enter("a.example", None).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_uses_no_more_than_its_share_of_a_host() {
        let gate = Gate::default();
        let enter = async |address: &str| gate.enter("a.example", Some(&asker(address))).await.is_ok();
        for _ in 0..OF_NETWORK.of_host {
            assert!(enter("203.0.113.7").await);
        }
        assert!(!enter("203.0.113.8").await, "the same network");
        // Networks side by side share a half.
        let mut more = 0;
        for third in 0..100 {
            more += u32::from(enter(&format!("203.0.{third}.1")).await);
        }
        assert_eq!(more, OF_WIDE.of_host - OF_NETWORK.of_host);
        assert!(enter("198.51.100.7").await);
        assert!(enter("2001:db8:1:100::1").await);
        assert!(gate.enter("b.example", Some(&asker("203.0.113.7"))).await.is_ok());
        tokio::time::advance(WINDOW).await;
        assert!(enter("203.0.113.7").await);
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_hang_hold_the_places_of_one_network_only() {
        let gate = Gate::default();
        let (bad, good) = (asker("203.0.113.7"), asker("198.51.100.7"));
        let mut hanging = Vec::new();
        for number in 0..OF_NETWORK.at_once {
            let host = format!("h{number}.example");
            hanging.push(gate.enter(&host, Some(&bad)).await.unwrap());
        }
        assert!(gate.enter("one-more.example", Some(&bad)).await.is_err());
        assert!(gate.enter("good.example", Some(&good)).await.is_ok());
        hanging.pop();
        assert!(gate.enter("one-more.example", Some(&bad)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn networks_of_one_provider_leave_room_for_others() {
        let gate = Gate::default();
        for number in 0..20_000_u32 {
            let address = format!("2001:db8:{:x}:{:x}::1", number >> 8, (number & 0xff) << 8);
            let host = format!("h{}.example", number % 1_000);
            drop(gate.enter(&host, Some(&asker(&address))).await);
        }
        assert!(gate.counts.lock().unwrap().networks.len() < 1_000);
        assert!(
            gate.enter("good.example", Some(&asker("198.51.100.7")))
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_at_a_time_per_host() {
        let gate = Gate::default();
        let first = gate.enter("a.example", None).await.unwrap();
        let second = gate.enter("a.example", None);
        tokio::pin!(second);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), &mut second)
                .await
                .is_err()
        );
        assert!(gate.enter("b.example", None).await.is_ok());
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_map_is_bounded_and_recovers() {
        let gate = Gate::default();
        for number in 0..MAX_HOSTS {
            drop(gate.enter(&format!("h{number}.example"), None).await.unwrap());
        }
        assert!(gate.enter("one-too-many.example", None).await.is_err());
        assert!(gate.enter("h0.example", None).await.is_ok());
        tokio::time::advance(WINDOW).await;
        assert!(gate.enter("one-too-many.example", None).await.is_ok());
        assert!(gate.counts.lock().unwrap().hosts.len() < MAX_HOSTS);
    }
}
