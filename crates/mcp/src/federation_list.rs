//! `tools/list` of a gateway: the lists of its servers merged in a stable order, written once and served from memory.

use std::{collections::HashSet, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::future::join_all;
use gatewright_domain::Timestamp;

use crate::{
    caller::Caller,
    catalog::{Catalog, Freshness, catalog},
    federation::{Federation, Offered, Plan},
    listing::{CacheHint, CacheScope, Entry, ListKind, Merged, Source},
    naming::Target,
    upstream::{Unavailable, Upstream},
    upstream_transport::Transport,
    version::Era,
};

/// Clients are told to ask again after this long at the latest: an administrator's edit acts on the next request here,
/// and a client that does not ask cannot notice.
const CLIENT_TTL_MAX: Duration = Duration::from_mins(1);
/// A written list is written anew after this long, so that the `ttlMs` in it stays true to a second.
const WRITTEN_FOR: Duration = Duration::from_secs(1);

/// The merged list of a gateway as one user or all users see it.
#[derive(Debug)]
pub struct View {
    /// The plan it was made for.
    serial: u64,
    /// Names and where they lead.
    pub(crate) merged: Merged,
    /// What it was made of, in the order of the plan's servers.
    catalogs: Vec<Option<Arc<Catalog>>>,
    scope: CacheScope,
    /// When it must be made again.
    fresh_until: Timestamp,
    written: ArcSwapOption<Written>,
    legacy: std::sync::OnceLock<Bytes>,
}

/// The first page for clients of the stateless era.
#[derive(Debug)]
struct Written {
    at: Timestamp,
    result: Bytes,
}

impl View {
    /// Bytes it holds, roughly: the merged entries, and each written form.
    pub(crate) fn weight(&self) -> usize {
        let entries: usize = self
            .catalogs
            .iter()
            .flatten()
            .map(|catalog| {
                catalog
                    .list
                    .entries
                    .iter()
                    .map(|entry| entry.raw.len() + 128)
                    .sum::<usize>()
            })
            .sum();
        1_024 + entries * 3
    }

    /// The result object of one page for a client.
    pub(crate) fn result(&self, era: Era, page: usize, now: Timestamp) -> Option<Bytes> {
        let hint = CacheHint {
            ttl_ms: u64::try_from(self.fresh_until.since(now).min(CLIENT_TTL_MAX).as_millis()).unwrap_or(0),
            scope: self.scope,
        };
        if page > 0 {
            return self.merged.result(ListKind::Tools, era, hint, page);
        }
        if era == Era::Legacy {
            if let Some(result) = self.legacy.get() {
                return Some(result.clone());
            }
            let result = self.merged.result(ListKind::Tools, era, hint, 0)?;
            return Some(self.legacy.get_or_init(|| result).clone());
        }
        if let Some(written) = self.written.load().as_ref()
            && now.since(written.at) < WRITTEN_FOR
        {
            return Some(written.result.clone());
        }
        let result = self.merged.result(ListKind::Tools, era, hint, 0)?;
        self.written.store(Some(Arc::new(Written {
            at: now,
            result: result.clone(),
        })));
        Some(result)
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
        self.catalogs
            .get(target.server)?
            .as_ref()?
            .list
            .entries
            .get(target.entry)
    }

    /// The server that would have this tool by its prefix, offers such a name, and is down.
    pub(crate) fn missing_server<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Upstream> {
        plan.servers
            .iter()
            .zip(&self.catalogs)
            .find_map(|(offered, catalog)| {
                let own = offered.own_name(plan.naming, name)?;
                let offers = offered
                    .allowed
                    .as_ref()
                    .is_none_or(|allowed| allowed.contains(own));
                (catalog.is_none() && offers).then_some(offered.upstream.as_ref())
            })
    }

    /// Whether it is made of exactly what is in memory now.
    fn is_current(&self, catalogs: &[Option<Arc<Catalog>>]) -> bool {
        self.catalogs.len() == catalogs.len()
            && self.catalogs.iter().zip(catalogs).all(|pair| match pair {
                (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
                (None, None) => true,
                _ => false,
            })
    }
}

impl<T: Transport> Federation<T> {
    /// The merged list for a user. Servers that are down are left out; when all are, why. With `name` only the server
    /// that could have such a tool is asked for what is fresher.
    pub(crate) async fn view(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        freshness: Freshness,
        name: Option<&str>,
    ) -> Result<Arc<View>, Unavailable> {
        let now = self.net.now();
        let private = plan
            .servers
            .iter()
            .any(|offered| offered.upstream.catalogs.is_private(&offered.upstream));
        let kept = self.kept(plan, caller, private);
        if let Some(view) = kept
            && (freshness == Freshness::Any || (freshness == Freshness::Fresh && now < view.fresh_until))
            && view.names_what_is_in_memory(plan, caller, now)
        {
            return Ok(view);
        }
        self.make_view(plan, caller, freshness, name).await
    }

    fn kept(&self, plan: &Plan, caller: Caller<'_>, private: bool) -> Option<Arc<View>> {
        let kept = if private {
            self.user_views.get(&(plan.gateway_id, caller.key))
        } else {
            plan.shared.load_full()
        };
        kept.filter(|view| view.serial == plan.serial)
    }

    async fn make_view(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        freshness: Freshness,
        name: Option<&str>,
    ) -> Result<Arc<View>, Unavailable> {
        let asked = plan.servers.iter().map(|offered| {
            // Looking for one name concerns the server that could have it.
            let concerned = name.is_none_or(|name| offered.own_name(plan.naming, name).is_some());
            let freshness = if concerned { freshness } else { Freshness::Any };
            catalog(&self.net, &offered.upstream, caller, freshness)
        });
        let mut catalogs = Vec::with_capacity(plan.servers.len());
        let mut failure = None;
        for answer in join_all(asked).await {
            match answer {
                Ok(catalog) => catalogs.push(Some(catalog)),
                Err(why) => {
                    failure = Some(why);
                    catalogs.push(None);
                }
            }
        }
        if let Some(why) = failure
            && catalogs.iter().all(Option::is_none)
        {
            return Err(why);
        }
        let private = plan
            .servers
            .iter()
            .any(|offered| offered.upstream.catalogs.is_private(&offered.upstream));
        if let Some(view) = self.kept(plan, caller, private)
            && view.is_current(&catalogs)
        {
            return Ok(view);
        }
        let view = Arc::new(merge(plan, catalogs, self.net.now(), private));
        if private {
            self.user_views
                .insert((plan.gateway_id, caller.key), Arc::clone(&view));
        } else {
            plan.shared.store(Some(Arc::clone(&view)));
        }
        Ok(view)
    }
}

impl View {
    /// Whether every server's catalog in memory is the one this view was made of. Costs a pointer comparison per server.
    fn names_what_is_in_memory(&self, plan: &Plan, caller: Caller<'_>, now: Timestamp) -> bool {
        plan.servers.iter().zip(&self.catalogs).all(|(offered, ours)| {
            let upstream: &Upstream = &offered.upstream;
            match (
                ours,
                upstream.catalogs.peek(upstream, caller.key, Freshness::Any, now),
            ) {
                (Some(ours), Some(theirs)) => {
                    Arc::ptr_eq(ours, &theirs) && ours.fresh_until() > Timestamp::from_millis(0)
                }
                (None, None) => true,
                _ => false,
            }
        })
    }
}

fn merge(plan: &Plan, catalogs: Vec<Option<Arc<Catalog>>>, now: Timestamp, private: bool) -> View {
    let sources: Vec<Source<'_>> = plan
        .servers
        .iter()
        .zip(&catalogs)
        .map(|(offered, catalog)| Source {
            slug: offered.upstream.slug(),
            list: catalog.as_deref().map(|catalog| &catalog.list),
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
    // A server that is down is asked again as soon as its pause is over, so such a list is not kept.
    let fresh_until = catalogs
        .iter()
        .map(|catalog| catalog.as_ref().map_or(now, |catalog| catalog.fresh_until()))
        .min()
        .unwrap_or_else(|| now.plus(CLIENT_TTL_MAX));
    View {
        serial: plan.serial,
        merged,
        catalogs,
        scope: if private {
            CacheScope::Private
        } else {
            CacheScope::Public
        },
        fresh_until,
        written: ArcSwapOption::empty(),
        legacy: std::sync::OnceLock::new(),
    }
}
