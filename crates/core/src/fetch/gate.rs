//! Fetches whose URL a stranger chose: one at a time and a limited number a minute per host, few at once in all, and of all
//! that at most a share for any one network, or for any one project if a project vouches for the URL.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{FetchError, asker::Standing, shares::domain_of};

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
/// This part of the hosts or networks is forgotten at once when there are too many, so that looking for them is rare.
const FORGOTTEN: usize = 16;
/// Fetches at once in all.
const MAX_AT_ONCE: usize = 32;

const WINDOW: Duration = Duration::from_mins(1);

/// What one network or project may use.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Of the fetches to one host in a minute.
    of_host: u32,
    /// Of all fetches in a minute.
    of_all: u32,
    /// Fetches waiting or running at once.
    at_once: u32,
}

/// A quarter of all; of all hosts that are remembered, a sixteenth.
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

/// As much for a project as for a network. Each URL of a project has the fetches of a host to itself.
const OF_PROJECT: Share = Share {
    of_host: PER_MINUTE,
    of_all: 256,
    at_once: 8,
};

/// Who a fetch is counted for. The wider network comes first, and nothing is remembered before all agree: anyone who has many
/// narrow networks would fill the map with those that were refused.
fn shares(standing: Option<Standing<'_>>) -> Vec<(String, Share)> {
    match standing {
        None => Vec::new(),
        Some(Standing::Unknown(asker)) => {
            vec![(asker.wide.clone(), OF_WIDE), (asker.network.clone(), OF_NETWORK)]
        }
        Some(Standing::Known(project) | Standing::Listed(project)) => {
            vec![(project.to_string(), OF_PROJECT)]
        }
    }
}

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
    /// A gate that lets this many fetches a minute through to a host, or to whatever else it counts by.
    pub(super) fn with(per_minute: u32) -> Self {
        Self {
            per_minute,
            counts: Arc::default(),
            all: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        }
    }

    /// Waits for its turn at a host; [`FetchError::Limited`] when too many came before, or too many from the same
    /// network or for the same project.
    pub(super) async fn enter(&self, host: &str, standing: Option<Standing<'_>>) -> Result<Turn, FetchError> {
        let limited = || FetchError::Limited(host.to_owned());
        let (turn, presence) = self
            .admit(&host.to_ascii_lowercase(), &shares(standing))
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

    fn admit(&self, host: &str, shares: &[(String, Share)]) -> Option<(Arc<Semaphore>, Presence)> {
        let now = Instant::now();
        let mut counts = lock(&self.counts);
        for (name, share) in shares {
            if !counts.has_room_for_network(name, *share, now) {
                return None;
            }
        }
        if !counts.has_room_for_host(host, self.per_minute, shares, now) {
            return None;
        }
        for (name, _) in shares {
            counts.begin_for_network(name, now);
        }
        let turn = counts.begin_at_host(host, shares, now);
        let presence = Presence {
            counts: Arc::clone(&self.counts),
            networks: shares.iter().map(|(name, _)| name.clone()).collect(),
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
        if networks.len() + WIDTHS > MAX_NETWORKS {
            let idle = networks.iter().filter(|(_, network)| network.under_way == 0);
            let mut idle: Vec<_> = idle
                .map(|(name, network)| (network.begun, name.clone()))
                .collect();
            idle.sort_unstable();
            for (_, name) in idle.into_iter().take(MAX_NETWORKS / FORGOTTEN) {
                networks.remove(&name);
            }
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

    /// Whether another fetch from a host may begin, by these networks.
    fn has_room_for_host(
        &mut self,
        name: &str,
        per_minute: u32,
        shares: &[(String, Share)],
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
        if hosts.len() >= MAX_HOSTS {
            self.forget_hosts();
        }
        self.hosts.len() < MAX_HOSTS
    }

    /// Makes room for newcomers: of the domain, or project, with the most hosts, those go that were asked the least. So
    /// anyone who makes up names below a domain pushes out their own, and a host whose fetches are used up stays
    /// remembered.
    fn forget_hosts(&mut self) {
        let mut of_owner: HashMap<&str, usize> = HashMap::new();
        for name in self.hosts.keys() {
            *of_owner.entry(owner_of(name)).or_default() += 1;
        }
        let ranked = self.hosts.iter().filter_map(|(name, known)| {
            let many = of_owner.get(owner_of(name)).copied().unwrap_or_default();
            let is_idle = Arc::strong_count(&known.turn) == 1;
            is_idle.then(|| (Reverse(many), known.begun, name.clone()))
        });
        let mut idle: Vec<_> = ranked.collect();
        idle.sort_unstable();
        for (.., name) in idle.into_iter().take(MAX_HOSTS / FORGOTTEN) {
            self.hosts.remove(&name);
        }
    }

    /// Notes that a fetch from a host begins, and returns its turn.
    fn begin_at_host(&mut self, name: &str, shares: &[(String, Share)], now: Instant) -> Arc<Semaphore> {
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
            *known.shares.entry(network.clone()).or_default() += 1;
        }
        Arc::clone(&known.turn)
    }
}

/// Who made up a name: those whose domain it is, or the project before a URL that is counted for one.
fn owner_of(name: &str) -> &str {
    name.split_once(' ')
        .map_or_else(|| domain_of(name), |(project, _)| project)
}

/// A panic while the counts were held leaves them whole: nothing is done by halves.
fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
