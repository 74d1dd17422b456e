//! The present directory, and how it is kept up to date: one reading at a time, and only of what is new.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use gatewright_domain::{Clock, Timestamp, gateway::REVOCATION_LEEWAY, sealed::Keyring};
use gatewright_store::{
    Store, StoreError, Tx,
    revision::{self, Latest},
    revocation::{self, Place},
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    Configuration, Directory, Stale,
    deny_list::{DenyList, number_of},
};
use crate::config::Config;

/// How old a reading can be before requests are refused with 503: never a stale "allow".
const STALE_AFTER: Duration = Duration::from_secs(5);
/// A reading, or a page of one, that takes longer counts as failed, so that the next can try.
const READ_DEADLINE: Duration = Duration::from_secs(3);
/// The same for the first reading of the configuration.
const FULL_READ_DEADLINE: Duration = Duration::from_mins(1);
/// How often a part of the deny-list is searched for what has expired.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// The present directory, replaced as a whole when something changes.
#[derive(Debug)]
pub struct DirectoryHandle {
    clock: Arc<dyn Clock>,
    current: ArcSwap<Directory>,
    /// Milliseconds on the monotonic clock: setting the machine's clock back makes nothing fresh.
    confirmed_at: AtomicI64,
    /// Readings asked for so far.
    asked: AtomicU64,
    /// The right to read. A caller that waits for it is often served by another's reading.
    turn: Mutex<Turn>,
    /// Whether the time of day went back since it was last asked.
    went_back: AtomicBool,
    readings: Readings,
}

/// The state of the reader.
#[derive(Debug, Default)]
struct Turn {
    /// The last reading answered everyone who had asked by this number.
    answered: u64,
    /// Whether it failed. Waiters share the failure, so a queue behind a database that hangs drains at once.
    failed: bool,
    /// Whether what is in memory may lack something that the numbers do not show, so that the next reading takes all.
    whole: bool,
    /// Where in the deny-list to look for what has expired, and when that was last done.
    round: usize,
    forgot_at: Duration,
    /// The latest time of day, by which what has expired was forgotten.
    latest: Timestamp,
}

impl Turn {
    /// Whether the time of day went back by so much that revocations were forgotten too early.
    fn goes_back(&mut self, now: Timestamp) -> bool {
        let goes_back = now < self.latest.minus(REVOCATION_LEEWAY);
        self.latest = if goes_back { now } else { self.latest.max(now) };
        goes_back
    }
}

/// What a reading of news begins with.
struct News {
    known: Option<Latest>,
    latest: Latest,
    now: Timestamp,
}

/// How often something was read.
#[derive(Debug, Default)]
struct Readings {
    all: AtomicU64,
    of_configuration: AtomicU64,
}

impl DirectoryHandle {
    /// An empty directory, stale until it is read.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            current: ArcSwap::default(),
            confirmed_at: AtomicI64::new(i64::MIN),
            asked: AtomicU64::new(0),
            turn: Mutex::default(),
            went_back: AtomicBool::new(false),
            readings: Readings::default(),
        }
    }

    /// The present directory, when it has been confirmed within the last five seconds.
    pub fn current(&self) -> Result<arc_swap::Guard<Arc<Directory>>, Stale> {
        let confirmed = self.confirmed_at.load(Ordering::Acquire);
        let age = millis(self.clock.monotonic()).saturating_sub(confirmed);
        if age > millis(STALE_AFTER) {
            return Err(Stale);
        }
        Ok(self.current.load())
    }

    /// How long ago the configuration in memory was last confirmed.
    pub fn age(&self) -> Duration {
        let confirmed = self.confirmed_at.load(Ordering::Acquire);
        let age = millis(self.clock.monotonic()).saturating_sub(confirmed);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    /// Reads what is new: the configuration when its revision changed, and the revocations that were added. Everything
    /// committed before this call acts when it returns. Calls coalesce: while one reading is in progress, all others wait
    /// for one more.
    pub async fn refresh(&self, store: &Store, keyring: &Keyring, config: &Config) -> Result<(), StoreError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut turn = self.turn.lock().await;
        if turn.answered >= number {
            return if turn.failed {
                Err(StoreError::Busy)
            } else {
                Ok(())
            };
        }
        // Callers up to now have committed what they want to see: this reading begins after that.
        let answered = self.asked.load(Ordering::SeqCst);
        let result = self.read(store, keyring, config, &mut turn).await;
        turn.answered = answered;
        turn.failed = result.is_err();
        turn.whole = turn.failed;
        result
    }

    /// Whether the time of day went back by more than clocks may differ since this was last asked. Revocations that were
    /// forgotten by the later time may be gone from the database too, so anyone who remembers that something was valid must
    /// look again.
    pub fn take_went_back(&self) -> bool {
        self.went_back.swap(false, Ordering::AcqRel)
    }

    async fn read(
        &self,
        store: &Store,
        keyring: &Keyring,
        config: &Config,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        self.readings.all.fetch_add(1, Ordering::Relaxed);
        // The time is taken before the reading: what was read is at least as new.
        let (read_at, now) = (self.clock.monotonic(), self.clock.now());
        let confirmed = self.confirmed_at.load(Ordering::Acquire);
        if turn.goes_back(now) {
            turn.whole = true;
            self.went_back.store(true, Ordering::Release);
        }
        turn.whole |= millis(read_at).saturating_sub(confirmed) > millis(STALE_AFTER);
        let begin = async {
            let mut tx = store.read().await?;
            let latest = revision::read_latest(&mut tx).await?;
            Ok::<_, StoreError>((tx, latest))
        };
        let (mut tx, latest) = within(READ_DEADLINE, begin).await?;
        let current = self.current.load_full();
        // A database that lost changes, as after a failover or a restored backup, is believed, and read as a whole. While
        // it could not be read, it may have lost some and then have passed the old numbers with others.
        let known = current.latest.filter(|known| {
            !turn.whole
                && known.configuration <= latest.configuration
                && known.revocations <= latest.revocations
        });
        let mut next = Directory::clone(&current);
        next.latest = Some(latest);
        let mut changed = known != Some(latest);
        if changed {
            let news = News { known, latest, now };
            self.read_news(&mut tx, &mut next, &news, keyring, config).await?;
        }
        drop(tx);
        if read_at.saturating_sub(turn.forgot_at) >= FORGET_EVERY {
            turn.forgot_at = read_at;
            turn.round = turn.round.wrapping_add(1);
            changed |= next.deny_list.forget_expired(now, turn.round);
        }
        if changed {
            self.current.store(Arc::new(next));
        }
        self.confirmed_at.fetch_max(millis(read_at), Ordering::AcqRel);
        Ok(())
    }

    async fn read_news(
        &self,
        tx: &mut Tx,
        next: &mut Directory,
        news: &News,
        keyring: &Keyring,
        config: &Config,
    ) -> Result<(), StoreError> {
        let News { known, latest, now } = *news;
        if known.is_none_or(|known| known.configuration != latest.configuration) {
            self.readings.of_configuration.fetch_add(1, Ordering::Relaxed);
            let deadline = known.map_or(FULL_READ_DEADLINE, |_| READ_DEADLINE);
            let reading = within(deadline, gatewright_store::directory::read(tx)).await?;
            next.configuration = Arc::new(Configuration::build(
                reading,
                &next.configuration,
                keyring,
                config,
            ));
        }
        if known.is_none() {
            next.deny_list = DenyList::default();
        }
        let since = known.map(|known| known.revocations);
        let list = &mut next.deny_list;
        let mut deny = |what, until| {
            if let Some(number) = number_of(what) {
                list.insert(number, until);
            }
        };
        let mut place = Some(Place::after(since));
        while let Some(page) = place {
            // All of them, so that the revocations of a blocked client with a million grants are read as well.
            let next = revocation::read_page(tx, page, now, &mut deny);
            place = within(READ_DEADLINE, next).await?;
        }
        Ok(())
    }

    /// How often the store was asked, and how often the configuration was read.
    #[cfg(any(test, feature = "testing"))]
    pub fn readings(&self) -> (u64, u64) {
        let Readings {
            all,
            of_configuration,
        } = &self.readings;
        (
            all.load(Ordering::Relaxed),
            of_configuration.load(Ordering::Relaxed),
        )
    }

    /// How many revocations are in memory.
    #[cfg(any(test, feature = "testing"))]
    pub fn revocations(&self) -> usize {
        self.current.load().deny_list.len()
    }

    /// The revision in memory.
    #[cfg(any(test, feature = "testing"))]
    pub fn revision(&self) -> i64 {
        self.current.load().revision()
    }
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(deadline, work).await.unwrap_or(Err(StoreError::Busy))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
