//! What is known about a server's lists of one kind: kept as long as the server says, shared between users only if the
//! server cannot distinguish them (2026-07-28 server/utilities/caching). How lists are read is in [`super::catalog_read`].
//!
//! The rule: a list belongs to the owner of the session in which it was read. A stateless server that does not learn who
//! its users are has one list for all, unless it calls it private; a stateless one that learns who the user is has one
//! for each user; and one with sessions has one for each conversation, because it can change what it lists there and need
//! not say so ([`Upstream::whose`]). What is kept of equal lists is kept once, so that a list for each conversation costs
//! its reading and a few hundred bytes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use gatewright_domain::Timestamp;
use moka::sync::Cache;

use super::{
    catalog::{Catalog, Fetched, Fingerprint, bytes_of, fingerprint},
    list_memory::{Kept, ListMemory},
    under_way::UnderWay,
};
use crate::{
    peer::{session::SlotKey, unavailable::Unavailable, upstream::Upstream},
    wire::listing::ServerList,
};

/// While a server is down its last list is still offered this long, so that a restart is not noticed.
const STALE_MAX: Duration = Duration::from_mins(10);
/// A name that is not in the list makes us ask again, but not more often than this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A list that could not be read, though the server can be used, is left out this long without asking again.
const FAILED_FOR: Duration = Duration::from_secs(15);
/// Users and conversations of which it is known, per server, which list is theirs where lists may differ; some 400 bytes each.
const USERS_MAX: u64 = 50_000;
/// What is known about a user's list is forgotten after this long without a request from them.
const USER_IDLE: Duration = Duration::from_hours(1);

/// What is known about a list that is not in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    pub(super) fingerprint: Fingerprint,
    pub(super) fresh_until: Timestamp,
}

/// What was read last.
#[derive(Debug)]
struct Noted {
    fingerprint: Fingerprint,
    list: Arc<Kept<ServerList>>,
    read_at: Timestamp,
    /// Until when it need not be asked for again, milliseconds; zero once the server said that it has changed.
    fresh_until: AtomicI64,
}

impl Noted {
    fn fresh_until(&self) -> Timestamp {
        Timestamp::from_millis(self.fresh_until.load(Ordering::Acquire))
    }
}

/// What is known about one list.
#[derive(Debug, Default)]
pub(super) struct Slot {
    current: ArcSwapOption<Noted>,
    /// Why it could not be read, and until when it is not asked for again.
    failed: ArcSwapOption<(Timestamp, Unavailable)>,
    /// The reading that is in progress, so that requests arriving together read the list once. Never locked while it is fresh.
    pub(super) reading: Mutex<Option<UnderWay>>,
}

impl Slot {
    /// Notes that the list could not be read.
    pub(super) fn note_failure(&self, why: &Unavailable, now: Timestamp) {
        self.failed
            .store(Some(Arc::new((now.plus(FAILED_FOR), why.clone()))));
    }

    /// Why the list could not be read a moment ago.
    fn failure(&self, now: Timestamp) -> Option<Unavailable> {
        let failed = self.failed.load();
        let (until, why) = &**failed.as_ref()?;
        (now < *until).then(|| why.clone())
    }
}

/// The catalogs of one server.
#[derive(Debug)]
pub(crate) struct Catalogs {
    shared: Arc<Slot>,
    of_users: Cache<SlotKey, Arc<Slot>>,
    /// Users with equal lists share one.
    lists: Cache<Fingerprint, Arc<Kept<ServerList>>>,
    /// Whether the server's list may differ between users: it said so, or it was read within a session of one.
    private: AtomicBool,
}

impl Default for Catalogs {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            of_users: Cache::builder()
                .max_capacity(USERS_MAX)
                .time_to_idle(USER_IDLE)
                .build(),
            lists: Cache::builder()
                .max_capacity(USERS_MAX)
                .time_to_idle(USER_IDLE)
                .build(),
            private: AtomicBool::new(false),
        }
    }
}

/// How old a catalog can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Fresh by the server's own hint.
    Fresh,
    /// Whatever there is.
    Any,
    /// A name was missing: newer than the present one, unless that was read just now.
    LookAgain,
}

impl Freshness {
    fn accepts(self, noted: &Noted, now: Timestamp) -> bool {
        match self {
            Self::Fresh => now < noted.fresh_until(),
            Self::Any => true,
            Self::LookAgain => {
                noted.fresh_until() > Timestamp::from_millis(0) && now.since(noted.read_at) < LOOK_AGAIN_AFTER
            }
        }
    }
}

impl Catalogs {
    /// Whether its lists are kept separately for each user.
    pub(super) fn is_private(&self, upstream: &Upstream) -> bool {
        upstream.knows_users() || self.private.load(Ordering::Acquire)
    }

    /// Notes that the list may have changed: the next request for it asks the server.
    pub(super) fn invalidate(&self, upstream: &Upstream, whose: SlotKey) {
        // The catalog stays in use for calls; only its freshness ends.
        if let Some(noted) = self.slot(upstream, whose).current.load().as_ref() {
            noted.fresh_until.store(0, Ordering::Release);
        }
    }

    /// Forgets which list is whose.
    pub(super) fn forget(&self, whose: SlotKey) {
        self.of_users.invalidate(&whose);
    }

    /// Notes that the lists of all users may have changed.
    pub(super) fn invalidate_all(&self) {
        let of_users = self.of_users.iter().map(|(_, slot)| slot);
        for slot in of_users.chain([Arc::clone(&self.shared)]) {
            if let Some(noted) = slot.current.load().as_ref() {
                noted.fresh_until.store(0, Ordering::Release);
            }
        }
    }

    /// The slot for the list of a user.
    pub(super) fn slot(&self, upstream: &Upstream, whose: SlotKey) -> Arc<Slot> {
        if self.is_private(upstream) {
            self.of_users.get_with(whose, Arc::default)
        } else {
            Arc::clone(&self.shared)
        }
    }

    fn noted(&self, upstream: &Upstream, whose: SlotKey) -> Option<Arc<Noted>> {
        if self.is_private(upstream) {
            self.of_users.get(&whose)?.current.load_full()
        } else {
            self.shared.current.load_full()
        }
    }

    /// Which list is in memory for a user, however old.
    pub(super) fn glance(&self, upstream: &Upstream, whose: SlotKey) -> Option<Glance> {
        let noted = self.noted(upstream, whose)?;
        Some(Glance {
            fingerprint: noted.fingerprint,
            fresh_until: noted.fresh_until(),
        })
    }

    /// What is in memory, if that is good enough.
    pub(super) fn peek(
        &self,
        upstream: &Upstream,
        whose: SlotKey,
        freshness: Freshness,
        now: Timestamp,
    ) -> Option<Catalog> {
        let noted = self.noted(upstream, whose)?;
        if !freshness.accepts(&noted, now) {
            return None;
        }
        Self::open(&noted, now)
    }

    /// The list, unless it was dropped for others of its project.
    fn open(noted: &Noted, now: Timestamp) -> Option<Catalog> {
        Some(Catalog {
            list: noted.list.get(now)?,
            fingerprint: noted.fingerprint,
            fresh_until: noted.fresh_until(),
        })
    }

    /// The last list of a user, unless it is too old to be offered in the place of a newer one.
    pub(crate) fn last(&self, upstream: &Upstream, whose: SlotKey, now: Timestamp) -> Option<Catalog> {
        let noted = self.noted(upstream, whose)?;
        (now.since(noted.read_at) < STALE_MAX)
            .then(|| Self::open(&noted, now))
            .flatten()
    }

    /// The last list of a user, however old, as long as it is in memory: it says which names are the server's.
    pub(super) fn remembered(
        &self,
        upstream: &Upstream,
        whose: SlotKey,
        now: Timestamp,
    ) -> Option<(Fingerprint, Arc<ServerList>)> {
        let noted = self.noted(upstream, whose)?;
        Some((noted.fingerprint, noted.list.get(now)?))
    }

    /// Why the list of a user could not be read a moment ago.
    pub(super) fn failure(&self, upstream: &Upstream, whose: SlotKey, now: Timestamp) -> Option<Unavailable> {
        if let Some(why) = upstream.failure(now) {
            return Some(Unavailable::clone(&why));
        }
        if self.is_private(upstream) {
            self.of_users.get(&whose)?.failure(now)
        } else {
            self.shared.failure(now)
        }
    }

    /// Whether a list in this slot is everyone's.
    pub(super) fn is_shared(&self, slot: &Arc<Slot>) -> bool {
        Arc::ptr_eq(slot, &self.shared)
    }

    /// Keeps what a user received.
    pub(super) fn keep(
        &self,
        memory: &Arc<ListMemory>,
        upstream: &Upstream,
        whose: SlotKey,
        slot: &Arc<Slot>,
        fetched: Fetched,
    ) -> Catalog {
        let fingerprint = fingerprint(&fetched.list);
        slot.failed.store(None);
        // An equal list is kept once, no matter for whom it was read, and what was made of it stays valid.
        let known = self.lists.get(&fingerprint);
        let known = known.and_then(|kept| Some((kept.get(fetched.read_at)?, kept)));
        let (list, kept) = known.unwrap_or_else(|| {
            let list = Arc::new(fetched.list);
            let (project, bytes) = (upstream.config.project, bytes_of(&list));
            let kept = memory.keep(project, Arc::clone(&list), bytes, fetched.read_at);
            self.lists.insert(fingerprint, Arc::clone(&kept));
            (list, kept)
        });
        let noted = Arc::new(Noted {
            fingerprint,
            list: kept,
            read_at: fetched.read_at,
            fresh_until: AtomicI64::new(fetched.fresh_until.as_millis()),
        });
        if fetched.private && Arc::ptr_eq(slot, &self.shared) {
            // What this user saw must not be seen by the next one.
            self.private.store(true, Ordering::Release);
            slot.current.store(None);
            self.slot(upstream, whose).current.store(Some(noted));
        } else {
            slot.current.store(Some(noted));
        }
        Catalog {
            list,
            fingerprint,
            fresh_until: fetched.fresh_until,
        }
    }
}
