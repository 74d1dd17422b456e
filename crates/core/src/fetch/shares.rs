//! Shares of the connections to identity providers: providers of one project that hang leave some to those of the others.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use gatewright_domain::id::ProjectId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A share is this part of all places, within these bounds: if places are few, half of them.
const PART: usize = 4;
const LEAST: usize = 24;
/// What comes between a country and the names that people register below it.
const OF_COUNTRIES: [&str; 10] = ["ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"];
/// The table is cleaned when it has grown to twice what was alive the last time, and to this many at least.
const CLEANED_AT: usize = 64;

/// Who is charged for a request to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    /// A project, whose people wait for the answer.
    Project(ProjectId),
    /// The same project, whose people wait for what others can wait for too. It has half a share of these: what is asked for
    /// them is at the expense of a domain that others want to use as well.
    Waiting(ProjectId),
    /// Not a project's: waiters share one answer. The hosts of one domain are counted together, because names below it
    /// cost nothing.
    Domain(String),
}

impl Payer {
    /// The project, or the domain of the host that is asked.
    pub(super) fn of(project: Option<ProjectId>, host: &str) -> Self {
        project.map_or_else(
            || Self::Domain(domain_of(host).to_ascii_lowercase()),
            Self::Project,
        )
    }
}

/// How many requests each payer has in progress.
#[derive(Debug)]
pub(super) struct Shares {
    of_one: usize,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    shares: HashMap<Payer, Weak<Semaphore>>,
    clean_at: usize,
}

impl Shares {
    /// Shares of this many places.
    pub(super) fn of(places: usize) -> Self {
        let half = (places / 2).max(1);
        Self {
            of_one: (places / PART).max(LEAST).min(half),
            table: Mutex::new(Table {
                shares: HashMap::new(),
                clean_at: CLEANED_AT,
            }),
        }
    }

    /// Waits until a payer has less than its share in progress. It is returned when it is dropped.
    pub(super) async fn enter(&self, payer: Payer) -> Option<OwnedSemaphorePermit> {
        self.share(payer).acquire_owned().await.ok()
    }

    fn share(&self, payer: Payer) -> Arc<Semaphore> {
        // It is whole after each of its operations, so a panic elsewhere does not spoil it.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.shares.get(&payer).and_then(Weak::upgrade) {
            return known;
        }
        if table.shares.len() >= table.clean_at {
            table.shares.retain(|_, share| share.strong_count() > 0);
            table.clean_at = CLEANED_AT.max(table.shares.len() * 2);
        }
        let places = match payer {
            Payer::Waiting(_) => (self.of_one / 2).max(1),
            Payer::Project(_) | Payer::Domain(_) => self.of_one,
        };
        let fresh = Arc::new(Semaphore::new(places));
        table.shares.insert(payer, Arc::downgrade(&fresh));
        fresh
    }
}

/// The part of a host's name that someone registered, as nearly as can be determined without a list: two labels, or three
/// below names like `co.uk`. An address is itself.
pub(super) fn domain_of(host: &str) -> &str {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return bare;
    }
    let mut labels = host.rsplit('.');
    let (Some(top), Some(second)) = (labels.next(), labels.next()) else {
        return host;
    };
    let mut length = top.len() + 1 + second.len();
    if top.len() == 2
        && OF_COUNTRIES.contains(&second)
        && let Some(third) = labels.next()
    {
        length += 1 + third.len();
    }
    &host[host.len() - length..]
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn names_below_a_domain_are_one() {
        for (host, domain) in [
            ("a1.evil.example", "evil.example"),
            ("b.a1.evil.example.", "evil.example"),
            ("evil.example", "evil.example"),
            ("x.shop.co.uk", "shop.co.uk"),
            ("shop.co.uk", "shop.co.uk"),
            ("a1.bad.io", "bad.io"),
            ("localhost", "localhost"),
            ("203.0.113.7", "203.0.113.7"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("", ""),
        ] {
            assert_eq!(domain_of(host), domain, "{host}");
        }
    }

    #[test]
    fn a_share_is_a_quarter_or_where_places_are_few_half() {
        let of = |places| Shares::of(places).of_one;
        assert_eq!([1_024, 200, 48, 4, 1].map(of), [256, 50, 24, 2, 1]);
    }

    #[tokio::test]
    async fn those_of_one_project_who_wait_leave_half_of_a_domain_to_others() {
        let shares = Shares::of(8);
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(3));
        let [hanging, other] = [(); 2].map(|()| ProjectId::generate(&clock, &entropy));
        let enter = |payer| shares.enter(payer).now_or_never().flatten();
        let waiting: Vec<_> = (0..8).filter_map(|_| enter(Payer::Waiting(hanging))).collect();
        let asked: Vec<_> = waiting
            .iter()
            .filter_map(|_| enter(Payer::of(None, "login.example")))
            .collect();
        assert_eq!((waiting.len(), asked.len()), (2, 2));
        let turn = enter(Payer::Waiting(other));
        assert!(turn.is_some() && enter(Payer::of(None, "login.example")).is_some());
        // Requests for the project alone are counted separately.
        assert!(enter(Payer::Project(hanging)).is_some());
    }

    #[tokio::test]
    async fn unused_shares_are_forgotten() {
        let shares = Shares::of(4);
        let held = shares.enter(Payer::of(None, "held.example")).await;
        for number in 0..CLEANED_AT * 4 {
            drop(shares.enter(Payer::of(None, &format!("h{number}.example"))).await);
        }
        assert!(held.is_some());
        let table = shares.table.lock().unwrap();
        assert!(table.shares.len() <= CLEANED_AT + 1, "{}", table.shares.len());
        assert!(table.shares.contains_key(&Payer::of(None, "a.held.example")));
    }
}
