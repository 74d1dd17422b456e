//! What is served to clients, by method and era.

use crate::wire::{listing::ListKind, version::Era};

/// What is served to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// What the gateway is and can do.
    Discover,
    /// Whether it is there.
    Ping,
    /// A list, merged of those of its servers.
    List(ListKind),
    /// A request that names something of one server, which answers it.
    Call,
}

impl Feature {
    /// The methods of each era.
    const TABLE: [(&'static str, Era, Self); 6] = [
        ("tools/call", Era::Modern, Self::Call),
        ("tools/list", Era::Modern, Self::List(ListKind::Tools)),
        ("server/discover", Era::Modern, Self::Discover),
        ("tools/call", Era::Legacy, Self::Call),
        ("tools/list", Era::Legacy, Self::List(ListKind::Tools)),
        ("ping", Era::Legacy, Self::Ping),
    ];

    /// What a method of an era is.
    pub(super) fn find(method: &str, era: Era) -> Option<Self> {
        Self::TABLE
            .into_iter()
            .find(|(name, of, _)| *name == method && *of == era)
            .map(|(_, _, feature)| feature)
    }

    /// Whether it takes a place among what runs at once: servers may have to be asked for it.
    pub(super) const fn asks_servers(self) -> bool {
        matches!(self, Self::List(_) | Self::Call)
    }
}
