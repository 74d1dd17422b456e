//! A server and what is known of its lists. It is shared by all gateways that federate the server and survives changes of
//! the configuration that do not concern it.

use std::sync::Arc;

use super::catalogs::Catalogs;
use crate::peer::{call_guard::Lists, caller::CallerKey, config::UpstreamConfig, upstream::Upstream};

/// A server and what is known of its lists.
#[derive(Debug)]
pub(crate) struct Server {
    /// The server itself.
    pub(crate) upstream: Arc<Upstream>,
    /// Its tools.
    pub(crate) catalogs: Catalogs,
}

impl Server {
    /// A server of which nothing is known yet.
    pub(super) fn new(config: UpstreamConfig) -> Self {
        Self {
            upstream: Arc::new(Upstream::new(config)),
            catalogs: Catalogs::default(),
        }
    }

    pub(super) fn slug(&self) -> &str {
        self.upstream.slug()
    }
}

impl Lists for Server {
    /// The next request for one asks the server.
    fn have_changed(&self, caller: CallerKey) {
        self.catalogs.invalidate(&self.upstream, caller);
    }
}
