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
use tokio::sync::Mutex;

use crate::{
    caller::{Caller, CallerKey},
    jsonrpc::{self, ErrorCode},
    listing::{self, CacheScope, ListKind, ServerList},
    upstream::{Unavailable, Upstream},
    upstream_ask::{AskError, Net},
    upstream_transport::Transport,
};

/// A list without `ttlMs` (servers of the session-based era) counts as fresh this long.
const TTL_DEFAULT: Duration = Duration::from_secs(30);
/// A server may ask for more; a list is asked for again all the same.
const TTL_MAX: Duration = Duration::from_mins(5);
/// While a server is down its last list is still offered this long, so that a restart is not noticed.
const STALE_MAX: Duration = Duration::from_mins(10);
/// A name that is not in the list makes us ask again, but not more often than this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Lists of users kept per server where they may differ.
const USERS_MAX: u64 = 1_000;

/// The tools of one server, as one user or all users see them.
#[derive(Debug)]
pub struct Catalog {
    /// The list.
    pub list: ServerList,
    /// Whether it is for one user only.
    pub private: bool,
    /// When it was read.
    pub read_at: Timestamp,
    /// Until when it need not be asked for again, milliseconds; zero once the server said that it has changed.
    fresh_until: AtomicI64,
}

impl Catalog {
    /// Until when it need not be asked for again.
    pub fn fresh_until(&self) -> Timestamp {
        Timestamp::from_millis(self.fresh_until.load(Ordering::Acquire))
    }
}

#[derive(Debug, Default)]
struct Slot {
    current: ArcSwapOption<Catalog>,
    /// Held while the list is fetched, so that requests arriving together fetch it once. Never taken while it is fresh.
    fetching: Mutex<()>,
}

/// The catalogs of one server.
#[derive(Debug)]
pub struct Catalogs {
    shared: Arc<Slot>,
    of_users: Cache<CallerKey, Arc<Slot>>,
    /// Whether the server has said that its list is for one user only.
    private: AtomicBool,
}

impl Default for Catalogs {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            of_users: Cache::new(USERS_MAX),
            private: AtomicBool::new(false),
        }
    }
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
    fn accepts(self, catalog: &Catalog, now: Timestamp) -> bool {
        match self {
            Self::Fresh => now < catalog.fresh_until(),
            Self::Any => true,
            Self::LookAgain => {
                catalog.fresh_until() > Timestamp::from_millis(0)
                    && now.since(catalog.read_at) < LOOK_AGAIN_AFTER
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
        if let Some(catalog) = self.slot(upstream, caller).current.load().as_ref() {
            catalog.fresh_until.store(0, Ordering::Release);
        }
    }

    fn slot(&self, upstream: &Upstream, caller: CallerKey) -> Arc<Slot> {
        if self.is_private(upstream) {
            self.of_users.get_with(caller, Arc::default)
        } else {
            Arc::clone(&self.shared)
        }
    }

    /// What is in memory, if that is good enough.
    pub(crate) fn peek(
        &self,
        upstream: &Upstream,
        caller: CallerKey,
        freshness: Freshness,
        now: Timestamp,
    ) -> Option<Arc<Catalog>> {
        let accept = |slot: &Slot| {
            slot.current
                .load_full()
                .filter(|catalog| freshness.accepts(catalog, now))
        };
        if self.is_private(upstream) {
            accept(self.of_users.get(&caller)?.as_ref())
        } else {
            accept(&self.shared)
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
) -> Result<Arc<Catalog>, Unavailable> {
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
        let fetched = match upstream.failure(now) {
            Some(why) => Err(Unavailable::clone(&why)),
            None => fetch(net, upstream, caller).await,
        };
        return match fetched {
            Ok(fetched) => Ok(keep(upstream, caller.key, &slot, fetched)),
            Err(why) => {
                tracing::warn!(server = upstream.slug(), %why, "the tools of a server could not be listed");
                last.filter(|last| now.since(last.read_at) < STALE_MAX).ok_or(why)
            }
        };
    }
}

fn keep(upstream: &Upstream, caller: CallerKey, slot: &Arc<Slot>, fetched: Catalog) -> Arc<Catalog> {
    let catalog = Arc::new(fetched);
    if catalog.private && Arc::ptr_eq(slot, &upstream.catalogs.shared) {
        // What this user saw must not be seen by the next one.
        upstream.catalogs.private.store(true, Ordering::Release);
        slot.current.store(None);
        upstream
            .catalogs
            .slot(upstream, caller)
            .current
            .store(Some(Arc::clone(&catalog)));
    } else {
        slot.current.store(Some(Arc::clone(&catalog)));
    }
    catalog
}

async fn fetch<T: Transport>(
    net: &Net<T>,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<Catalog, Unavailable> {
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
    Ok(Catalog {
        list,
        private,
        read_at,
        fresh_until: AtomicI64::new(read_at.plus(ttl).as_millis()),
    })
}
