//! A merged list of a gateway: written once and served from memory.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use gatewright_domain::{Timestamp, id::GatewayId};

use super::{
    catalog::{Fingerprint, bytes_of},
    merge::{CacheHint, Merged, PAGE_BYTES, Source},
    naming::Naming,
    offered::Offered,
    selection::Target,
};
use crate::{
    peer::{
        caller::{Caller, RuleClass},
        unavailable::Unavailable,
        upstream::Upstream,
    },
    wire::{
        listing::{CacheScope, Entry, ListKind, ServerList},
        uri_template::UriTemplate,
        version::Era,
    },
};

/// Clients are asked to request it again after this long at the latest: an administrator's edit applies to the next request here,
/// and a client that does not ask cannot notice.
pub(super) const CLIENT_TTL_MAX: Duration = Duration::from_mins(1);
/// Templates of one server that URIs are matched with; a server that has more can list what it has.
const TEMPLATES_MAX: usize = 256;
/// A written list is written again after this long, so that the `ttlMs` in it stays true to a second.
const WRITTEN_FOR: Duration = Duration::from_secs(1);

/// A merged list of a gateway. Users whose lists are equal share it.
#[derive(Debug)]
pub(crate) struct View {
    /// Names and where they lead.
    pub(super) merged: Merged,
    /// What it was made of, in the order of the plan's servers.
    lists: Vec<Option<Arc<ServerList>>>,
    kind: ListKind,
    class: RuleClass,
    made_of: Made,
    /// The name of the responding server for stateless clients: the plan's.
    server_info: Arc<str>,
    /// Templates that URIs can be matched with, made when the first is.
    templates: OnceLock<Box<[Template]>>,
    written: ArcSwapOption<Written>,
    legacy: OnceLock<Bytes>,
}

/// A resource template of a server.
#[derive(Debug)]
struct Template {
    server: usize,
    is_offered: bool,
    /// `None` for what cannot be matched.
    pattern: Option<UriTemplate>,
}

impl Template {
    /// Whether a URI can be an expansion. If it cannot be matched, or not within the remaining budget, that is unknown, so it
    /// counts as one where that forbids something.
    fn matches(&self, uri: &str, budget: &mut usize) -> bool {
        let known = self
            .pattern
            .as_ref()
            .and_then(|pattern| pattern.matches_within(uri, budget));
        known.unwrap_or(!self.is_offered)
    }
}

/// What a view was made of, in the order of the plan's servers; `None` for a server without a list.
pub(super) type Made = Box<[Option<Fingerprint>]>;

/// What distinguishes merged lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ViewKey {
    /// The plan.
    pub(super) serial: u64,
    /// Whom it was made for: rules decide what a class of users is offered.
    pub(super) class: RuleClass,
    pub(super) kind: ListKind,
    pub(super) made_of: Made,
    /// What servers without a list had before.
    pub(super) before: Made,
}

/// The list that a server without one had before.
pub(super) type Before = Option<(Fingerprint, Arc<ServerList>)>;

/// A view as one user has it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) view: Arc<View>,
    pub(super) hint: Hint,
    /// The first server that was asked and sent no list, by its place among the plan's, and why.
    pub(super) failure: Option<(usize, Unavailable)>,
}

/// What clients receive about keeping a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hint {
    /// When it must be asked for again.
    pub(super) fresh_until: Timestamp,
    pub(super) scope: CacheScope,
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
    /// The lists of a gateway's servers as one.
    pub(super) fn merge(
        gateway: GatewayId,
        (kind, class): (ListKind, RuleClass),
        naming: Naming,
        servers: &[Offered],
        (lists, before): (Vec<Option<Arc<ServerList>>>, &[Before]),
        made_of: Made,
        server_info: Arc<str>,
    ) -> Self {
        let sources: Vec<Source<'_>> = servers
            .iter()
            .zip(&lists)
            .zip(before)
            .map(|((offered, list), before)| Source {
                prefix: offered.prefix(),
                list: list.as_deref(),
                before: before.as_ref().map(|(_, list)| &**list),
                chosen: offered.chosen(kind),
            })
            .collect();
        let merged = Merged::new(kind, naming, &sources);
        let mut reported = HashSet::new();
        for report in &merged.reports {
            if reported.insert((report.server, &report.upstream_name)) {
                tracing::warn!(%gateway, name = &*report.exposed, finding = ?report.finding, "the name of a {} is not usable as it is", kind.singular());
            }
        }
        Self {
            merged,
            lists,
            kind,
            class,
            made_of,
            server_info,
            templates: OnceLock::new(),
            written: ArcSwapOption::empty(),
            legacy: OnceLock::new(),
        }
    }

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
        self.merged.result(self.kind, era, told, &self.server_info, page)
    }

    /// Where a name leads.
    pub(super) fn selected(&self, name: &str) -> Option<&Target> {
        self.merged.selection.resolve(name)
    }

    /// The tool at this place of the list of a server.
    pub(super) fn entry_at(&self, server: usize, entry: usize) -> Option<&Entry> {
        self.lists.get(server)?.as_ref()?.entries.get(entry)
    }

    /// What a server lists, offered or not; `None` if that is not known.
    pub(super) fn entries_of(&self, server: usize) -> Option<&[Entry]> {
        Some(&self.lists.get(server)?.as_ref()?.entries)
    }

    /// Whether all that a server lists is known.
    pub(super) fn is_whole(&self, server: usize) -> bool {
        let list = self.lists.get(server).and_then(Option::as_ref);
        list.is_some_and(|list| !list.truncated)
    }

    /// Whether a server lists this name or URI, offered or not; `None` if its list is not known, or not all of it.
    pub(super) fn lists(&self, server: usize, key: &str) -> Option<bool> {
        let list = self.lists.get(server)?.as_ref()?;
        let is_listed = list.entries.iter().any(|entry| *entry.key == *key);
        (is_listed || !list.truncated).then_some(is_listed)
    }

    /// The first server that offers a template which a URI matches, none that the URI matches is not offered, and that
    /// `may_read` agrees to.
    pub(super) fn matching_server(
        &self,
        servers: &[Offered],
        uri: &str,
        budget: &mut usize,
        may_read: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let templates = self.templates.get_or_init(|| self.read_templates(servers));
        let mut matched = templates
            .iter()
            .filter(|template| template.matches(uri, budget))
            .peekable();
        while let Some(first) = matched.next() {
            let mut all_offered = first.is_offered;
            while let Some(next) = matched.next_if(|next| next.server == first.server) {
                all_offered &= next.is_offered;
            }
            if all_offered && may_read(first.server) {
                return Some(first.server);
            }
        }
        None
    }

    /// The templates of all servers, offered or not. One represents those of a server that are too many, if any of them is
    /// not offered.
    fn read_templates(&self, servers: &[Offered]) -> Box<[Template]> {
        let mut templates = Vec::new();
        for (server, (offered, list)) in servers.iter().zip(&self.lists).enumerate() {
            let entries = list.iter().flat_map(|list| &list.entries);
            for (number, entry) in entries.enumerate() {
                let is_offered = offered.chosen(self.kind).offers(&entry.key);
                let is_matched = number < TEMPLATES_MAX;
                if is_matched || !is_offered {
                    templates.push(Template {
                        server,
                        is_offered,
                        pattern: UriTemplate::parse(&entry.key).filter(|_| is_matched),
                    });
                }
                if !is_matched && !is_offered {
                    break;
                }
            }
        }
        templates.into()
    }

    /// Everything it offers, in the order in which clients get it: its name here, its server, and it as listed there.
    pub(crate) fn offered<'a>(
        &'a self,
        naming: Naming,
        servers: &'a [Offered],
    ) -> impl Iterator<Item = (String, &'a Offered, &'a Entry)> {
        let of_servers = servers.iter().zip(&self.lists).enumerate();
        of_servers.flat_map(move |(server, (offered, list))| {
            let entries = list.iter().flat_map(|list| list.entries.iter().enumerate());
            entries.filter_map(move |(index, entry)| {
                let name = naming.expose_entry(self.kind, offered.prefix(), &entry.key);
                let target = self.selected(&name)?;
                let leads_here = target.server == server && target.entry == index;
                leads_here.then(|| (name.into_owned(), offered, entry))
            })
        })
    }

    /// The server that could have this name, offers such a name, and is down; with its place in the plan.
    pub(super) fn missing_server<'a>(
        &self,
        naming: Naming,
        servers: &'a [Offered],
        name: &str,
    ) -> Option<(usize, &'a Upstream)> {
        servers
            .iter()
            .zip(&self.lists)
            .enumerate()
            .find_map(|(place, (offered, list))| {
                let is_missing = list.is_none() && offered.could_offer(self.kind, naming, name);
                is_missing.then_some((place, &*offered.server.upstream))
            })
    }

    /// Until when it does not have to be made again, if it was made for this user's class from exactly what is in memory
    /// for them. Costs a comparison per server.
    pub(super) fn fresh_until(
        &self,
        servers: &[Offered],
        caller: Caller<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.class != caller.class {
            return None;
        }
        let mut until = now.plus(CLIENT_TTL_MAX);
        for (offered, ours) in servers.iter().zip(&self.made_of) {
            let server = &offered.server;
            until = match (
                ours,
                (server.catalogs.of(self.kind))
                    .glance(&server.upstream, server.upstream.whose(caller.slot())),
            ) {
                (Some(ours), Some(theirs)) if *ours == theirs.fingerprint => until.min(theirs.fresh_until),
                // A server without a list is asked again as soon as its pause has ended.
                (None, None) => until.min(now),
                _ => return None,
            };
        }
        Some(until)
    }
}
