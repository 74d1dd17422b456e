//! A server and what is known about its lists. It is shared by all gateways that federate the server and survives changes of
//! the configuration that do not concern it.

use std::sync::Arc;

use super::{
    catalogs::Catalogs,
    changes::{Change, Changes},
    seen_uris::SeenUris,
};
use crate::{
    peer::{
        announced::{ANNOUNCED, News},
        call_guard::Lists,
        caller::CallerKey,
        config::UpstreamConfig,
        session::SlotKey,
        upstream::Upstream,
    },
    wire::listing::{ByKind, ListKind},
};

/// A server and what is known about its lists.
#[derive(Debug)]
pub(crate) struct Server {
    /// The server itself.
    pub(crate) upstream: Arc<Upstream>,
    /// Its lists.
    pub(crate) catalogs: ByKind<Catalogs>,
    /// What its answers named, and those of all others.
    seen: Arc<SeenUris>,
    /// What it announces.
    pub(super) changes: Changes,
}

impl Server {
    /// Whether its lists of this kind are kept separately for each user.
    pub(super) fn is_private(&self, kind: ListKind) -> bool {
        self.catalogs.of(kind).is_private(&self.upstream)
    }

    /// A server of which nothing is known yet.
    pub(super) fn new(config: UpstreamConfig, seen: Arc<SeenUris>) -> Self {
        Self {
            upstream: Arc::new(Upstream::new(config)),
            catalogs: ByKind::default(),
            seen,
            changes: Changes::default(),
        }
    }

    /// The next request for a list asks the server.
    pub(super) fn invalidate(&self, kind: ListKind, whose: SlotKey) {
        for kind in told_with(kind) {
            let catalogs = self.catalogs.of(*kind);
            catalogs.invalidate(&self.upstream, self.upstream.whose(whose));
        }
    }

    /// A conversation has ended: its lists are not wanted again.
    pub(super) fn forget(&self, whose: SlotKey) {
        for kind in ANNOUNCED.iter().flat_map(|kind| told_with(*kind)) {
            self.catalogs.of(*kind).forget(whose);
        }
    }

    /// The server says to everyone that a list of it has changed.
    pub(super) fn has_changed_for_all(&self, kind: ListKind) {
        for kind in told_with(kind) {
            self.catalogs.of(*kind).invalidate_all();
        }
        self.changes.tell(Change {
            what: News::List(kind),
            of: None,
        });
    }

    pub(super) fn slug(&self) -> &str {
        self.upstream.slug()
    }
}

/// The lists that one notification is about: there is one for resources and their templates.
const fn told_with(kind: ListKind) -> &'static [ListKind] {
    match kind {
        ListKind::Tools => &[ListKind::Tools],
        ListKind::Prompts => &[ListKind::Prompts],
        ListKind::Resources | ListKind::ResourceTemplates => {
            &[ListKind::Resources, ListKind::ResourceTemplates]
        }
    }
}

impl Lists for Server {
    /// The next request for it asks the server, and listeners are notified.
    fn has_changed(&self, kind: ListKind, whose: SlotKey) {
        self.invalidate(kind, whose);
        self.changes.tell(Change {
            what: News::List(kind),
            of: self.is_private(kind).then(|| self.upstream.whose(whose)),
        });
    }

    fn has_updated(&self, uri: &str, whose: SlotKey) {
        for (of, uri) in self.changes.wanted_by(uri, self.upstream.whose(whose)) {
            self.changes.tell(Change {
                what: News::Resource(uri),
                of,
            });
        }
    }

    fn has_shown(&self, uri: &str, caller: CallerKey) {
        let config = &self.upstream.config;
        self.seen.note(config.project, caller, uri, config.id);
    }
}
