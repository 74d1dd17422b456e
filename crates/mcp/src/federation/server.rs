//! A server and what is known of its lists. It is shared by all gateways that federate the server and survives changes of
//! the configuration that do not concern it.

use std::sync::Arc;

use super::{catalogs::Catalogs, seen_uris::SeenUris};
use crate::{
    peer::{call_guard::Lists, caller::CallerKey, config::UpstreamConfig, upstream::Upstream},
    wire::listing::{ByKind, ListKind},
};

/// A server and what is known of its lists.
#[derive(Debug)]
pub(crate) struct Server {
    /// The server itself.
    pub(crate) upstream: Arc<Upstream>,
    /// Its lists.
    pub(crate) catalogs: ByKind<Catalogs>,
    /// What its answers named, and those of all others.
    seen: Arc<SeenUris>,
}

impl Server {
    /// Whether its lists of this kind are kept apart by user.
    pub(super) fn is_private(&self, kind: ListKind) -> bool {
        self.catalogs.of(kind).is_private(&self.upstream)
    }

    /// A server of which nothing is known yet.
    pub(super) fn new(config: UpstreamConfig, seen: Arc<SeenUris>) -> Self {
        Self {
            upstream: Arc::new(Upstream::new(config)),
            catalogs: ByKind::default(),
            seen,
        }
    }

    pub(super) fn slug(&self) -> &str {
        self.upstream.slug()
    }
}

impl Lists for Server {
    /// The next request for it asks the server.
    fn has_changed(&self, kind: ListKind, caller: CallerKey) {
        self.catalogs.of(kind).invalidate(&self.upstream, caller);
        // One notification speaks of resources and of their templates.
        if kind == ListKind::Resources {
            self.catalogs
                .of(ListKind::ResourceTemplates)
                .invalidate(&self.upstream, caller);
        }
    }

    fn has_shown(&self, uri: &str, caller: CallerKey) {
        self.seen.note(caller, uri, self.upstream.config.id);
    }
}
