//! Connections that have yet to prove themselves: TLS handshakes, and requests to be redirected. Their number is bounded, for all and
//! for each network, and when there are too many, the oldest is dropped: an honest client takes two round trips, and one that dawdles is
//! soon the oldest.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// A site: an address of IPv4, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Network(u128);

impl Network {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            // Global unicast begins with 001 (RFC 4291 section 2.4), so no network of IPv6 is one of IPv4.
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        })
    }
}

/// Those that are there.
#[derive(Debug)]
pub(super) struct Newcomers {
    /// How many there can be.
    max: usize,
    /// How many of one network.
    max_of_network: usize,
    present: Arc<Mutex<Present>>,
}

#[derive(Debug, Default)]
struct Present {
    next: u64,
    all: BTreeMap<u64, (Option<Network>, CancellationToken)>,
    of_network: HashMap<Network, usize>,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub(super) struct Newcomer {
    number: u64,
    /// Cancelled when others need the place.
    pub(super) displaced: CancellationToken,
    present: Arc<Mutex<Present>>,
}

impl Newcomers {
    /// No one yet; at most `max`, and `max_of_network` of one network.
    pub(super) fn new(max: usize, max_of_network: usize) -> Self {
        Self {
            max,
            max_of_network,
            present: Arc::default(),
        }
    }

    /// Begins one. Those of a trusted proxy, which passes on the connections of many, are not counted by network (`None`).
    pub(super) fn begin(&self, address: Option<IpAddr>) -> Newcomer {
        let mut present = lock(&self.present);
        let network = address.map(Network::of);
        let of_network = network.and_then(|network| present.of_network.get(&network));
        if of_network.is_some_and(|count| *count >= self.max_of_network) {
            let mut of_it = present.all.iter().filter(|(_, (of, _))| *of == network);
            let oldest = of_it.next().map(|(number, _)| *number);
            present.displace(oldest);
        } else if present.all.len() >= self.max {
            let oldest = present.all.keys().next().copied();
            present.displace(oldest);
        }
        let (number, displaced) = (present.next, CancellationToken::new());
        present.next += 1;
        present.all.insert(number, (network, displaced.clone()));
        if let Some(network) = network {
            *present.of_network.entry(network).or_default() += 1;
        }
        Newcomer {
            number,
            displaced,
            present: Arc::clone(&self.present),
        }
    }
}

impl Present {
    fn displace(&mut self, number: Option<u64>) {
        if let Some(token) = number.and_then(|number| self.remove(number)) {
            token.cancel();
        }
    }

    fn remove(&mut self, number: u64) -> Option<CancellationToken> {
        let (network, token) = self.all.remove(&number)?;
        if let Some(network) = network
            && let Some(count) = self.of_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                self.of_network.remove(&network);
            }
        }
        Some(token)
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        lock(&self.present).remove(self.number);
    }
}

fn lock(present: &Mutex<Present>) -> MutexGuard<'_, Present> {
    present.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn displaced(all: &[Newcomer]) -> Vec<u64> {
        let gone = all.iter().filter(|each| each.displaced.is_cancelled());
        gone.map(|each| each.number).collect()
    }

    #[test]
    fn a_network_displaces_its_own_oldest() {
        let newcomers = Newcomers::new(100, 3);
        let other = newcomers.begin(Some(v4(7)));
        let mut flood: Vec<_> = (0..3).map(|_| newcomers.begin(Some(v4(9)))).collect();
        assert_eq!(displaced(&flood), [] as [u64; 0]);
        flood.push(newcomers.begin(Some(v4(9))));
        flood.push(newcomers.begin(Some(v4(9))));
        assert_eq!(displaced(&flood), [1, 2]);
        assert!(!other.displaced.is_cancelled());
        // Addresses of one site of IPv6 are one network.
        let site = |low: u128| Some(IpAddr::V6(((0x2001_0db8_u128 << 96) + low).into()));
        let v6: Vec<_> = (0..4).map(|low| newcomers.begin(site(low))).collect();
        assert_eq!(displaced(&v6).len(), 1);
    }

    #[test]
    fn all_together_displace_the_oldest_and_who_leaves_makes_room() {
        let newcomers = Newcomers::new(10, 3);
        let mut all: Vec<_> = (0..10).map(|number| newcomers.begin(Some(v4(number)))).collect();
        all.push(newcomers.begin(Some(v4(10))));
        assert_eq!(displaced(&all), [0]);
        all.clear();
        assert!(lock(&newcomers.present).all.is_empty());
        assert!(lock(&newcomers.present).of_network.is_empty());
        // Those of a proxy have the room of all.
        let of_proxy: Vec<_> = (0..11).map(|_| newcomers.begin(None)).collect();
        assert_eq!(displaced(&of_proxy).len(), 1);
    }
}
