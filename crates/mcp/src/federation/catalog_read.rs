//! Reading the lists of servers: in the background, once for all who wait, and no longer than the time limit of the server
//! allows. Each caller decides how long to wait. What continues after all have left is bounded in [`super::list_behind`].

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{
    catalog::{Catalog, Fetched, bytes_of},
    catalogs::{Freshness, Slot},
    list_counting::{Counter, Ending},
    list_memory::ListMemory,
    lists::Lists,
    server::Server,
    under_way::{Awaited, Outcome, Reading, UnderWay},
};
use crate::{
    peer::{
        ask::AskError, caller::Caller, metered::Meter, peers::Peers, session::SlotKey,
        unavailable::Unavailable, upstream::Upstream,
    },
    wire::{
        capabilities::Capability,
        json::json_string,
        jsonrpc::ErrorCode,
        listing::{self, CacheScope, ListKind, ServerList},
    },
};

/// A list without `ttlMs` (servers of the session-based era) counts as fresh this long.
const TTL_DEFAULT: Duration = Duration::from_secs(30);
/// A server may ask for more; a list is asked for again all the same.
const TTL_MAX: Duration = Duration::from_mins(5);
/// All pages of a list together, with what comes before the first, can take this many times as long as one request.
const LIST_REQUESTS: u32 = 3;

/// What there is to answer a list with.
pub(super) enum Found {
    /// This is good enough, or nothing better is available now.
    Now(Result<Catalog, Unavailable>),
    /// The list is being read; `last` is the answer if that takes too long.
    Reading {
        /// The reading.
        reading: Reading,
        /// The last list.
        last: Option<Catalog>,
    },
}

/// Looks for the list of a user, and has it read where what is in memory is not good enough. While a server is down its
/// last list is returned for a while.
pub(super) fn find<P: Peers>(
    lists: &Arc<Lists<P>>,
    server: &Arc<Server>,
    kind: ListKind,
    caller: Caller<'_>,
    freshness: Freshness,
) -> Found {
    let now = lists.peers.now();
    let (upstream, catalogs) = (&*server.upstream, server.catalogs.of(kind));
    let whose = upstream.whose(caller.slot());
    if let Some(catalog) = catalogs.peek(upstream, whose, freshness, now) {
        return Found::Now(Ok(catalog));
    }
    let last = catalogs.last(upstream, whose, now);
    if let Some(why) = catalogs.failure(upstream, whose, now) {
        return Found::Now(last.ok_or(why));
    }
    let reading = read(lists, server, kind, caller, &catalogs.slot(upstream, whose));
    Found::Reading { reading, last }
}

/// The catalog of a server for a user, waited for where what is in memory is not good enough.
pub(super) async fn catalog<P: Peers>(
    lists: &Arc<Lists<P>>,
    server: &Arc<Server>,
    kind: ListKind,
    caller: Caller<'_>,
    freshness: Freshness,
) -> Result<Catalog, Unavailable> {
    loop {
        let now = lists.peers.now();
        let (upstream, catalogs) = (&*server.upstream, server.catalogs.of(kind));
        let whose = upstream.whose(caller.slot());
        if let Some(catalog) = catalogs.peek(upstream, whose, freshness, now) {
            return Ok(catalog);
        }
        let last = catalogs.last(upstream, whose, now);
        if let Some(why) = catalogs.failure(upstream, whose, now) {
            return last.ok_or(why);
        }
        let reading = read(lists, server, kind, caller, &catalogs.slot(upstream, whose));
        match reading.wait(upstream, caller.slot()).await {
            Awaited::Ours(outcome) => return outcome.or_else(|why| last.ok_or(why)),
            // If the server has turned out to distinguish users, the next reading is this user's own.
            Awaited::Again => {}
        }
    }
}

/// The reading of a list that is in progress; begins one if there is none.
fn read<P: Peers>(
    lists: &Arc<Lists<P>>,
    server: &Arc<Server>,
    kind: ListKind,
    caller: Caller<'_>,
    slot: &Arc<Slot>,
) -> Reading {
    let mut current = slot.reading.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reading) = current.as_ref().and_then(UnderWay::join) {
        return reading;
    }
    let (under_way, reading, told) = UnderWay::begin(caller.slot());
    *current = Some(under_way);
    drop(current);
    let (lists, server, slot) = (Arc::clone(lists), Arc::clone(server), Arc::clone(slot));
    let (key, class, behind) = (caller.key, caller.class, reading.behind());
    let (identity, conversation) = (caller.identity.kept(), caller.conversation.cloned());
    tokio::spawn(async move {
        let caller = Caller {
            identity: &*identity,
            key,
            class,
            conversation: conversation.as_ref(),
        };
        let upstream = &server.upstream;
        let fetched = tokio::select! {
            biased;
            fetched = fetch_in_time(&lists.peers, &lists.memory, kind, upstream, caller) => Some(fetched),
            () = lists.behind.given_up(upstream.config.project, &told, &behind.0) => None,
        };
        let outcome = match fetched {
            Some(fetched) => keep(&lists, &server, kind, caller.slot(), &slot, fetched),
            None => Outcome::GivenUp,
        };
        *slot.reading.lock().unwrap_or_else(PoisonError::into_inner) = None;
        told.send_replace(Some(outcome));
    });
    reading
}

/// Keeps what a reading led to.
fn keep<P: Peers>(
    lists: &Lists<P>,
    server: &Server,
    kind: ListKind,
    of: SlotKey,
    slot: &Arc<Slot>,
    fetched: Result<Fetched, Unavailable>,
) -> Outcome {
    let catalogs = server.catalogs.of(kind);
    let private = fetched.as_ref().is_ok_and(|fetched| fetched.private) && catalogs.is_shared(slot);
    let whose = server.upstream.whose(of);
    let catalog = fetched.map(|fetched| catalogs.keep(&lists.memory, &server.upstream, whose, slot, fetched));
    if let Err(why) = &catalog {
        // A failure at the tools counts for the whole server, which remembers it itself; and an account can be connected
        // at any moment.
        if kind != ListKind::Tools && !matches!(why, Unavailable::ConnectFirst { .. }) {
            slot.note_failure(why, lists.peers.now());
        }
        tracing::warn!(server = server.slug(), %why, "the {} of a server could not be listed", kind.noun());
    }
    Outcome::Read { catalog, private }
}

/// Reads the list once, whatever is in memory, and keeps nothing.
pub(super) async fn read_list<P: Peers>(
    peers: &Arc<P>,
    memory: &Arc<ListMemory>,
    kind: ListKind,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<ServerList, Unavailable> {
    fetch(peers, memory, kind, upstream, caller)
        .await
        .map(|fetched| fetched.list)
}

async fn fetch_in_time<P: Peers>(
    peers: &Arc<P>,
    memory: &Arc<ListMemory>,
    kind: ListKind,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<Fetched, Unavailable> {
    let deadline = upstream.config.timeout.saturating_mul(LIST_REQUESTS);
    let fetching = fetch(peers, memory, kind, upstream, caller);
    tokio::time::timeout(deadline, fetching)
        .await
        .unwrap_or_else(|_| {
            let why = upstream.timed_out();
            if kind == ListKind::Tools {
                upstream.note_failure(&why, peers.now());
            }
            Err(why)
        })
}

fn no_room(upstream: &Upstream, kind: ListKind) -> Unavailable {
    upstream.not_mcp(format!(
        "a list of {} that does not fit into the memory for lists of its project",
        kind.noun()
    ))
}

/// Reads the pages of a list; whether the server calls it one user's own.
async fn read_pages<P: Peers>(
    peers: &Arc<P>,
    kind: ListKind,
    (upstream, caller): (&Upstream, Caller<'_>),
    counter: &Counter,
    list: &mut ServerList,
) -> Result<bool, Unavailable> {
    let meter: Arc<dyn Meter> = Arc::new(counter.clone());
    let mut private = false;
    let mut members = String::new();
    loop {
        let method = kind.method();
        let result = match peers.ask(upstream, caller, method, &members, &meter).await {
            Ok(result) => result,
            // A server without such a list need not know the method.
            Err(AskError::Refused(ErrorCode::METHOD_NOT_FOUND)) => return Ok(private),
            Err(AskError::Refused(code)) => {
                return Err(upstream.not_mcp(format!("error {} to `{method}`", code.0)));
            }
            Err(AskError::Unavailable(_)) if counter.is_full() => return Err(no_room(upstream, kind)),
            Err(AskError::Unavailable(why)) => return Err(why),
        };
        let page = listing::parse_page(kind, &result).map_err(|error| {
            upstream.not_mcp(format!("a list of {} that cannot be read: {error}", kind.noun()))
        })?;
        private |= page.cache_scope == Some(CacheScope::Private);
        for invalid in &page.invalid {
            tracing::warn!(server = upstream.slug(), name = invalid.key.as_deref(), reason = %invalid.reason, "a {} is left out", kind.singular());
        }
        let further = list.push(page);
        drop(result);
        if !counter.settle(bytes_of(list)) {
            return Err(no_room(upstream, kind));
        }
        let Some(cursor) = further else {
            return Ok(private);
        };
        members = format!(r#""cursor":{}"#, json_string(&cursor));
    }
}

async fn fetch<P: Peers>(
    peers: &Arc<P>,
    memory: &Arc<ListMemory>,
    kind: ListKind,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<Fetched, Unavailable> {
    let counter = Counter::new(memory.reading(upstream.config.project));
    let _ending = Ending(counter.clone());
    let mut list = ServerList::within(memory.limits().of_server());
    let mut private = upstream.knows_users();
    // What a server does not declare it need not know, and servers are in use that leave unknown methods without an answer.
    let is_declared = match kind {
        ListKind::Tools => true,
        _ => (peers.capabilities(upstream, caller).await?).has(Capability::of_list(kind)),
    };
    if is_declared {
        private |= read_pages(peers, kind, (upstream, caller), &counter, &mut list).await?;
    }
    if list.truncated {
        tracing::warn!(
            server = upstream.slug(),
            taken = list.entries.len(),
            "a server lists more {} than are taken from one server",
            kind.noun()
        );
    }
    let read_at = peers.now();
    let ttl = list
        .ttl_ms
        .map_or(TTL_DEFAULT, Duration::from_millis)
        .min(TTL_MAX);
    // A server that keeps a state for the conversation may list what only that may see, and says nothing of it.
    private |= upstream.may_keep_state();
    Ok(Fetched {
        list,
        private,
        read_at,
        fresh_until: read_at.plus(ttl),
    })
}
