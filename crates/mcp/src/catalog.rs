//! What tools each server has: fetched when needed, kept as long as the server says, shared between users only where
//! the server may not tell them apart (2026-07-28 server/utilities/caching).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use gatewright_domain::Timestamp;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::{
    caller::{Caller, CallerKey},
    jsonrpc::{self, ErrorCode},
    listing::{self, CacheScope, ListKind, ServerList},
    upstream::{Unavailable, Upstream},
    upstream_ask::{AskError, Net},
    upstream_transport::Transport,
    version::Era,
};

/// A list without `ttlMs` (servers of the session-based era) counts as fresh this long.
const TTL_DEFAULT: Duration = Duration::from_secs(30);
/// A server may ask for more; a list is asked for again all the same.
const TTL_MAX: Duration = Duration::from_mins(5);
/// While a server is down its last list is still offered this long, so that a restart is not noticed.
const STALE_MAX: Duration = Duration::from_mins(10);
/// A name that is not in the list makes us ask again, but not more often than this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// All pages of a list together may take this long: people wait for it, and others behind them.
const LIST_DEADLINE: Duration = Duration::from_secs(15);
/// Users of whom it is known, per server, which list is theirs where lists may differ; some 400 bytes each.
const USERS_MAX: u64 = 50_000;
/// What is known of a user's list is forgotten after so long without a request of theirs.
const USER_IDLE: Duration = Duration::from_hours(1);
/// Bytes of different lists kept per server. Users with equal lists share one.
const LISTS_BYTES: u64 = 64 * 1024 * 1024;

/// Tells lists apart by their content: SHA-256 of their entries.
pub(crate) type Fingerprint = [u8; 32];

/// The tools of one server, as one user or all users see them.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The list.
    pub list: Arc<ServerList>,
    pub(crate) fingerprint: Fingerprint,
    /// Until when it need not be asked for again.
    pub fresh_until: Timestamp,
}

/// What is known of a list without having it at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glance {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) fresh_until: Timestamp,
}

/// What was read last.
#[derive(Debug)]
struct Noted {
    fingerprint: Fingerprint,
    /// Kept here where it is everybody's; the lists of single users are kept within a bound of their own.
    list: Option<Arc<ServerList>>,
    read_at: Timestamp,
    /// Until when it need not be asked for again, milliseconds; zero once the server said that it has changed.
    fresh_until: AtomicI64,
}

impl Noted {
    fn fresh_until(&self) -> Timestamp {
        Timestamp::from_millis(self.fresh_until.load(Ordering::Acquire))
    }
}

#[derive(Debug, Default)]
struct Slot {
    current: ArcSwapOption<Noted>,
    /// Held while the list is fetched, so that requests arriving together fetch it once. Never taken while it is fresh.
    fetching: Mutex<()>,
}

/// The catalogs of one server.
#[derive(Debug)]
pub struct Catalogs {
    shared: Arc<Slot>,
    of_users: Cache<CallerKey, Arc<Slot>>,
    lists: Cache<Fingerprint, Arc<ServerList>>,
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
                .max_capacity(LISTS_BYTES)
                .weigher(|_, list: &Arc<ServerList>| u32::try_from(bytes_of(list)).unwrap_or(u32::MAX))
                .build(),
            private: AtomicBool::new(false),
        }
    }
}

/// Bytes a list holds, roughly.
pub(crate) fn bytes_of(list: &ServerList) -> usize {
    let entries: usize = list.entries.iter().map(|entry| entry.raw.len() + 128).sum();
    256 + entries
}

fn fingerprint(list: &ServerList) -> Fingerprint {
    let mut digest = Sha256::new();
    for entry in &list.entries {
        digest.update((entry.raw.len() as u64).to_le_bytes());
        digest.update(&entry.raw);
    }
    digest.finalize().into()
}

/// How old a catalog may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Fresh by the server's own hint.
    Fresh,
    /// Whatever there is.
    Any,
    /// A name was missing: newer than what there is, unless that was read just now.
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
    /// Whether its lists are kept apart by user.
    pub fn is_private(&self, upstream: &Upstream) -> bool {
        upstream.knows_users() || self.private.load(Ordering::Acquire)
    }

    /// Says that the list may have changed: the next request for it asks the server.
    pub fn invalidate(&self, upstream: &Upstream, caller: CallerKey) {
        // The catalog stays in use for calls; only its freshness ends.
        if let Some(noted) = self.slot(upstream, caller).current.load().as_ref() {
            noted.fresh_until.store(0, Ordering::Release);
        }
    }

    fn slot(&self, upstream: &Upstream, caller: CallerKey) -> Arc<Slot> {
        if self.is_private(upstream) {
            self.of_users.get_with(caller, Arc::default)
        } else {
            Arc::clone(&self.shared)
        }
    }

    fn noted(&self, upstream: &Upstream, caller: CallerKey) -> Option<Arc<Noted>> {
        if self.is_private(upstream) {
            self.of_users.get(&caller)?.current.load_full()
        } else {
            self.shared.current.load_full()
        }
    }

    /// Which list is in memory for a user, however old.
    pub(crate) fn glance(&self, upstream: &Upstream, caller: CallerKey) -> Option<Glance> {
        let noted = self.noted(upstream, caller)?;
        Some(Glance {
            fingerprint: noted.fingerprint,
            fresh_until: noted.fresh_until(),
        })
    }

    /// What is in memory, if that is good enough.
    pub(crate) fn peek(
        &self,
        upstream: &Upstream,
        caller: CallerKey,
        freshness: Freshness,
        now: Timestamp,
    ) -> Option<Catalog> {
        let noted = self.noted(upstream, caller)?;
        if !freshness.accepts(&noted, now) {
            return None;
        }
        self.open(&noted)
    }

    fn open(&self, noted: &Noted) -> Option<Catalog> {
        let list = match &noted.list {
            Some(list) => Arc::clone(list),
            None => self.lists.get(&noted.fingerprint)?,
        };
        Some(Catalog {
            list,
            fingerprint: noted.fingerprint,
            fresh_until: noted.fresh_until(),
        })
    }

    /// Keeps what a user was given.
    fn keep(&self, upstream: &Upstream, caller: CallerKey, slot: &Arc<Slot>, fetched: Fetched) -> Catalog {
        let fingerprint = fingerprint(&fetched.list);
        // An equal list is kept once, whoever read it, and what was made of it stays good.
        let list = self.lists.get_with(fingerprint, || Arc::new(fetched.list));
        let noted = Arc::new(Noted {
            fingerprint,
            list: (!fetched.private).then(|| Arc::clone(&list)),
            read_at: fetched.read_at,
            fresh_until: AtomicI64::new(fetched.fresh_until.as_millis()),
        });
        if fetched.private && Arc::ptr_eq(slot, &self.shared) {
            // What this user saw must not be seen by the next one.
            self.private.store(true, Ordering::Release);
            slot.current.store(None);
            self.slot(upstream, caller).current.store(Some(noted));
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

/// The catalog of a server for a user, fetched where what is in memory is not good enough. While the server is down its
/// last catalog is given for a while, but not where a name was missing in it.
pub(crate) async fn catalog<T: Transport>(
    net: &Net<T>,
    upstream: &Upstream,
    caller: Caller<'_>,
    freshness: Freshness,
) -> Result<Catalog, Unavailable> {
    let now = net.now();
    if let Some(catalog) = upstream.catalogs.peek(upstream, caller.key, freshness, now) {
        return Ok(catalog);
    }
    loop {
        let slot = upstream.catalogs.slot(upstream, caller.key);
        let _fetching = slot.fetching.lock().await;
        if let Some(catalog) = upstream.catalogs.peek(upstream, caller.key, freshness, now) {
            return Ok(catalog);
        }
        // The server may have turned out to tell users apart while this request waited.
        if upstream.catalogs.is_private(upstream) && Arc::ptr_eq(&slot, &upstream.catalogs.shared) {
            continue;
        }
        let last = slot.current.load_full();
        let why = match upstream.failure(now) {
            Some(why) => Unavailable::clone(&why),
            None => match fetch_in_time(net, upstream, caller).await {
                Ok(fetched) => return Ok(upstream.catalogs.keep(upstream, caller.key, &slot, fetched)),
                Err(why) => {
                    tracing::warn!(server = upstream.slug(), %why, "the tools of a server could not be listed");
                    why
                }
            },
        };
        return last
            .filter(|last| now.since(last.read_at) < STALE_MAX)
            .and_then(|last| upstream.catalogs.open(&last))
            .ok_or(why);
    }
}

/// A list just read.
struct Fetched {
    list: ServerList,
    private: bool,
    read_at: Timestamp,
    fresh_until: Timestamp,
}

/// Reads the list once, whatever is in memory, and keeps nothing.
pub(crate) async fn read_list<T: Transport>(
    net: &Net<T>,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<ServerList, Unavailable> {
    fetch(net, upstream, caller).await.map(|fetched| fetched.list)
}

async fn fetch_in_time<T: Transport>(
    net: &Net<T>,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<Fetched, Unavailable> {
    let fetching = fetch(net, upstream, caller);
    tokio::time::timeout(LIST_DEADLINE, fetching)
        .await
        .unwrap_or_else(|_| {
            let why = upstream.timed_out();
            upstream.note_failure(&why, net.now());
            Err(why)
        })
}

async fn fetch<T: Transport>(
    net: &Net<T>,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<Fetched, Unavailable> {
    let mut list = ServerList::default();
    let mut private = upstream.knows_users();
    let mut members = String::new();
    loop {
        let result = match net
            .ask(upstream, caller, ListKind::Tools.method(), &members)
            .await
        {
            Ok(result) => result,
            // A server without tools need not know the method.
            Err(AskError::Refused(ErrorCode::METHOD_NOT_FOUND)) => break,
            Err(AskError::Refused(code)) => {
                return Err(upstream.not_mcp(format!("error {} to `tools/list`", code.0)));
            }
            Err(AskError::Unavailable(why)) => return Err(why),
        };
        let page = listing::parse_page(ListKind::Tools, &result)
            .map_err(|error| upstream.not_mcp(format!("a list of tools that cannot be read: {error}")))?;
        private |= page.cache_scope == Some(CacheScope::Private);
        for invalid in &page.invalid {
            tracing::warn!(server = upstream.slug(), tool = invalid.key.as_deref(), reason = %invalid.reason, "a tool is left out");
        }
        let Some(cursor) = list.push(page) else {
            break;
        };
        members = format!(r#""cursor":{}"#, jsonrpc::json_string(&cursor));
    }
    if list.truncated {
        tracing::warn!(
            server = upstream.slug(),
            tools = list.entries.len(),
            "a server lists more tools than are taken from one server"
        );
    }
    let read_at = net.now();
    let ttl = list
        .ttl_ms
        .map_or(TTL_DEFAULT, Duration::from_millis)
        .min(TTL_MAX);
    // A server that keeps a state for the user may list what only they may see, and says nothing of it.
    private |= upstream.era() != Some(Era::Modern)
        && (upstream.sessions.slot(caller.key).get()).is_none_or(|session| session.id.is_some());
    Ok(Fetched {
        list,
        private,
        read_at,
        fresh_until: read_at.plus(ttl),
    })
}
