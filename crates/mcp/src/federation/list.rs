//! `tools/list` of a gateway: the lists of its servers merged in a stable order, written once and served from memory.

use std::{collections::HashSet, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use gatewright_domain::Timestamp;
use tokio::time::Instant;

use super::{
    catalog::{Catalog, Fingerprint, Freshness, bytes_of},
    catalog_read::{Awaited, Found, catalog, find},
    merge::{CacheHint, Merged, PAGE_BYTES, Source},
    naming::Target,
    servers::{Federation, Offered, Plan},
};
use crate::{
    peer::{caller::Caller, transport::Transport, unavailable::Unavailable, upstream::Upstream},
    wire::{
        listing::{CacheScope, Entry, ListKind, ServerList},
        version::Era,
    },
};

/// Clients are told to ask again after this long at the latest: an administrator's edit acts on the next request here,
/// and a client that does not ask cannot notice.
const CLIENT_TTL_MAX: Duration = Duration::from_mins(1);
/// Once there is something to answer a list with, servers that are being asked get this much longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A written list is written anew after this long, so that the `ttlMs` in it stays true to a second.
const WRITTEN_FOR: Duration = Duration::from_secs(1);

/// A merged list of a gateway. Users whose lists are equal share it.
#[derive(Debug)]
pub struct View {
    /// Names and where they lead.
    pub(crate) merged: Merged,
    /// What it was made of, in the order of the plan's servers.
    lists: Vec<Option<Arc<ServerList>>>,
    made_of: Made,
    /// Who answers, as stateless clients are told it: the plan's.
    server_info: Arc<str>,
    written: ArcSwapOption<Written>,
    legacy: std::sync::OnceLock<Bytes>,
}

/// What a view was made of, in the order of the plan's servers; `None` for a server without a list.
pub(crate) type Made = Box<[Option<Fingerprint>]>;

/// A view as one user has it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) view: Arc<View>,
    hint: Hint,
}

/// What clients are told about keeping a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hint {
    /// When it must be asked for again.
    fresh_until: Timestamp,
    scope: CacheScope,
}

/// The first page for clients of the stateless era.
#[derive(Debug)]
struct Written {
    at: Timestamp,
    hint: Hint,
    result: Bytes,
}

impl Seen {
    /// The result object of one page for a client.
    pub(crate) fn result(&self, era: Era, page: usize, now: Timestamp) -> Option<Bytes> {
        self.view.result(self.hint, era, page, now)
    }
}

impl View {
    /// Bytes it holds, roughly: the entries, and the first page as it is written for each era.
    pub(crate) fn weight(&self) -> usize {
        let lists = self.lists.iter().flatten();
        let entries: usize = lists.map(|list| bytes_of(list)).sum();
        1_024 + entries + 2 * entries.min(PAGE_BYTES)
    }

    fn result(&self, hint: Hint, era: Era, page: usize, now: Timestamp) -> Option<Bytes> {
        let told = CacheHint {
            ttl_ms: u64::try_from(hint.fresh_until.since(now).min(CLIENT_TTL_MAX).as_millis()).unwrap_or(0),
            scope: hint.scope,
        };
        if page > 0 {
            return self.page(era, told, page);
        }
        if era == Era::Legacy {
            if let Some(result) = self.legacy.get() {
                return Some(result.clone());
            }
            let result = self.page(era, told, 0)?;
            return Some(self.legacy.get_or_init(|| result).clone());
        }
        if let Some(written) = self.written.load().as_ref()
            && written.hint == hint
            && now.since(written.at) < WRITTEN_FOR
        {
            return Some(written.result.clone());
        }
        let result = self.page(era, told, 0)?;
        self.written.store(Some(Arc::new(Written {
            at: now,
            hint,
            result: result.clone(),
        })));
        Some(result)
    }

    /// Writes one page.
    fn page(&self, era: Era, told: CacheHint, page: usize) -> Option<Bytes> {
        self.merged
            .result(ListKind::Tools, era, told, &self.server_info, page)
    }

    /// The server that has a tool of this name.
    pub(crate) fn target<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Offered> {
        plan.servers.get(self.selected(name)?.server)
    }

    /// Where a name leads.
    pub(crate) fn selected(&self, name: &str) -> Option<&Target> {
        self.merged.selection.resolve(name)
    }

    /// The tool as its server lists it.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        let target = self.selected(name)?;
        self.lists.get(target.server)?.as_ref()?.entries.get(target.entry)
    }

    /// Every tool it offers, in the order in which clients get them: its name here, its server, and it as listed there.
    pub(crate) fn tools<'a>(
        &'a self,
        plan: &'a Plan,
    ) -> impl Iterator<Item = (String, &'a Offered, &'a Entry)> {
        let of_servers = plan.servers.iter().zip(&self.lists).enumerate();
        of_servers.flat_map(move |(server, (offered, list))| {
            let entries = list.iter().flat_map(|list| list.entries.iter().enumerate());
            entries.filter_map(move |(index, entry)| {
                let name = plan.naming.expose(offered.upstream.slug(), &entry.key);
                let target = self.selected(&name)?;
                (target.server == server && target.entry == index).then_some((name, offered, entry))
            })
        })
    }

    /// The server that would have this tool by its prefix, offers such a name, and is down.
    pub(crate) fn missing_server<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Upstream> {
        plan.servers.iter().zip(&self.lists).find_map(|(offered, list)| {
            let own = offered.own_name(plan.naming, name)?;
            let offers = offered
                .allowed
                .as_ref()
                .is_none_or(|allowed| allowed.contains(own));
            (list.is_none() && offers).then_some(offered.upstream.as_ref())
        })
    }

    /// Until when it need not be made again, where it is made of exactly what is in memory for this user. Costs a
    /// comparison per server.
    fn fresh_until(&self, plan: &Plan, caller: Caller<'_>, now: Timestamp) -> Option<Timestamp> {
        let mut until = now.plus(CLIENT_TTL_MAX);
        for (offered, ours) in plan.servers.iter().zip(&self.made_of) {
            let upstream: &Upstream = &offered.upstream;
            until = match (ours, upstream.catalogs.glance(upstream, caller.key)) {
                (Some(ours), Some(theirs)) if *ours == theirs.fingerprint => until.min(theirs.fresh_until),
                // A server without a list is asked again as soon as its pause is over.
                (None, None) => until.min(now),
                _ => return None,
            };
        }
        Some(until)
    }
}

impl<T: Transport> Federation<T> {
    /// The merged list for a user. Servers that are down are left out; when all are, why. With `name` only the server
    /// that could have such a tool is asked and waited for.
    pub(crate) async fn view(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        freshness: Freshness,
        name: Option<&str>,
    ) -> Result<Seen, Unavailable> {
        let now = self.net.now();
        if freshness != Freshness::LookAgain
            && let Some(kept) = plan.last.load_full()
            && let Some(view) = kept.get(now)
            && let Some(fresh_until) = view.fresh_until(plan, caller, now)
            && (freshness == Freshness::Any || now < fresh_until)
        {
            let hint = Hint {
                fresh_until,
                scope: scope(plan),
            };
            return Ok(Seen { view, hint });
        }
        // Boxed because it is rare and large.
        Box::pin(self.make_view(plan, caller, freshness, name)).await
    }

    async fn make_view(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        freshness: Freshness,
        name: Option<&str>,
    ) -> Result<Seen, Unavailable> {
        let mut catalogs = Vec::with_capacity(plan.servers.len());
        let mut failure = None;
        let answers = if freshness == Freshness::Fresh && name.is_none() {
            self.gather(plan, caller).await
        } else {
            self.ask_for(plan, caller, freshness, name).await
        };
        for answer in answers {
            catalogs.push(answer.unwrap_or_else(|why| {
                failure = Some(why);
                None
            }));
        }
        if let Some(why) = failure
            && catalogs.iter().all(Option::is_none)
        {
            return Err(why);
        }
        let now = self.net.now();
        let fresh_until = catalogs
            .iter()
            .map(|catalog| catalog.as_ref().map_or(now, |catalog| catalog.fresh_until))
            .fold(now.plus(CLIENT_TTL_MAX), Timestamp::min);
        let made_of: Made = catalogs
            .iter()
            .map(|catalog| catalog.as_ref().map(|catalog| catalog.fingerprint))
            .collect();
        let mut lists: Vec<_> = catalogs
            .into_iter()
            .map(|catalog| catalog.map(|catalog| catalog.list))
            .collect();
        leave_out_what_does_not_fit(plan, &mut lists, self.lists.memory.limits().of_view());
        let key = (plan.serial, made_of.clone());
        let known = self.views.get(&key);
        let known = known.and_then(|kept| Some((kept.get(now)?, kept)));
        let (view, kept) = known.unwrap_or_else(|| {
            let view = Arc::new(merge(plan, lists, made_of));
            let kept = (self.lists.memory).keep(plan.project, Arc::clone(&view), view.weight(), now);
            self.views.insert(key, Arc::clone(&kept));
            (view, kept)
        });
        plan.last.store(Some(kept));
        let hint = Hint {
            fresh_until,
            scope: scope(plan),
        };
        Ok(Seen { view, hint })
    }

    /// The lists of the servers that could have a tool of this name, waited for to the end; of all others what is known.
    async fn ask_for(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        freshness: Freshness,
        name: Option<&str>,
    ) -> Vec<Result<Option<Catalog>, Unavailable>> {
        let asked = plan.servers.iter().map(async |offered| {
            let upstream = &offered.upstream;
            if name.is_none_or(|name| offered.own_name(plan.naming, name).is_some()) {
                return catalog(&self.lists, upstream, caller, freshness).await.map(Some);
            }
            // A hung server must not hold up the calls of others.
            Ok((upstream.catalogs).peek(upstream, caller.key, Freshness::Any, self.net.now()))
        });
        join_all(asked).await
    }

    /// The lists of all servers. Once there is something to answer with, what is being read is waited for a moment more,
    /// and not again by those who ask while it still is; what was known of it before takes its place. It goes on behind,
    /// and the next list has it.
    async fn gather(&self, plan: &Plan, caller: Caller<'_>) -> Vec<Result<Option<Catalog>, Unavailable>> {
        let mut answers = Vec::with_capacity(plan.servers.len());
        let mut waiting = FuturesUnordered::new();
        let mut behind = Vec::new();
        let mut until: Option<Instant> = None;
        for (index, offered) in plan.servers.iter().enumerate() {
            let upstream = &offered.upstream;
            answers.push(match find(&self.lists, upstream, caller, Freshness::Fresh) {
                Found::Now(answer) => answer.map(Some),
                Found::Reading { reading, last } => {
                    until = until.max(Some(reading.began + PATIENCE));
                    behind.push(reading.behind());
                    waiting.push(async move {
                        let awaited = reading.wait(upstream, caller.key).await;
                        let answer = match awaited {
                            Awaited::Ours(answer) => answer,
                            Awaited::Again => catalog(&self.lists, upstream, caller, Freshness::Fresh).await,
                        };
                        (index, answer)
                    });
                    Ok(last)
                }
            });
        }
        let is_known = |answers: &[Result<Option<Catalog>, Unavailable>]| {
            answers.iter().any(|answer| matches!(answer, Ok(Some(_))))
        };
        let mut until = until.filter(|_| is_known(&answers));
        loop {
            // What is here already is taken, however long ago its time was over.
            let next = tokio::select! {
                biased;
                next = waiting.next() => next,
                () = at(until) => {
                    for reading in &behind {
                        reading.goes_on();
                    }
                    return answers;
                }
            };
            let Some((index, answer)) = next else {
                return answers;
            };
            match answer {
                Ok(catalog) => answers[index] = Ok(Some(catalog)),
                Err(why) if !matches!(answers[index], Ok(Some(_))) => answers[index] = Err(why),
                // Its last list is good enough for a while.
                Err(_) => {}
            }
            if until.is_none() && is_known(&answers) {
                until = Some(Instant::now() + PATIENCE);
            }
        }
    }
}

/// Waits until then, or for ever.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Leaves out servers whose lists would make the merged list larger than what is kept of one.
fn leave_out_what_does_not_fit(plan: &Plan, lists: &mut [Option<Arc<ServerList>>], bytes: usize) {
    let mut left = bytes;
    for (offered, slot) in plan.servers.iter().zip(lists) {
        let Some(list) = slot else { continue };
        if let Some(rest) = left.checked_sub(bytes_of(list)) {
            left = rest;
        } else {
            tracing::warn!(gateway = %plan.gateway_id, server = offered.upstream.slug(), "the tools of a server are left out: the lists of all servers of the gateway together are too large");
            *slot = None;
        }
    }
}

/// Whether the list of a gateway may differ between users.
fn scope(plan: &Plan) -> CacheScope {
    let private = plan
        .servers
        .iter()
        .any(|offered| offered.upstream.catalogs.is_private(&offered.upstream));
    if private {
        CacheScope::Private
    } else {
        CacheScope::Public
    }
}

fn merge(plan: &Plan, lists: Vec<Option<Arc<ServerList>>>, made_of: Made) -> View {
    let sources: Vec<Source<'_>> = plan
        .servers
        .iter()
        .zip(&lists)
        .map(|(offered, list)| Source {
            slug: offered.upstream.slug(),
            list: list.as_deref(),
            allowed: offered.allowed.as_ref(),
        })
        .collect();
    let merged = Merged::new(ListKind::Tools, plan.naming, &sources);
    let mut reported = HashSet::new();
    for report in &merged.reports {
        if reported.insert((report.server, &report.upstream_name)) {
            tracing::warn!(gateway = %plan.gateway_id, tool = &*report.exposed, finding = ?report.finding, "a tool's name is not usable as it is");
        }
    }
    View {
        merged,
        lists,
        made_of,
        server_info: Arc::clone(&plan.server_info),
        written: ArcSwapOption::empty(),
        legacy: std::sync::OnceLock::new(),
    }
}
