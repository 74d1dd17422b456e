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
    /// A stream of what changes.
    Listen,
    /// Which log messages are wanted.
    SetLevel,
    /// Being notified that a resource changes.
    Subscribe,
    /// No longer being notified.
    Unsubscribe,
    /// Tasks of its user at all servers.
    TaskList,
    /// A request that names something of one server, which answers it.
    Call,
}

impl Feature {
    /// The methods, and the era of one that is not of both.
    const TABLE: [(&'static str, Option<Era>, Self); 19] = [
        ("tools/call", None, Self::Call),
        ("tools/list", None, Self::List(ListKind::Tools)),
        ("resources/read", None, Self::Call),
        ("prompts/get", None, Self::Call),
        ("completion/complete", None, Self::Call),
        ("resources/list", None, Self::List(ListKind::Resources)),
        (
            "resources/templates/list",
            None,
            Self::List(ListKind::ResourceTemplates),
        ),
        ("prompts/list", None, Self::List(ListKind::Prompts)),
        ("tasks/get", None, Self::Call),
        ("tasks/cancel", None, Self::Call),
        ("tasks/update", Some(Era::Modern), Self::Call),
        ("tasks/result", Some(Era::Legacy), Self::Call),
        ("tasks/list", Some(Era::Legacy), Self::TaskList),
        ("server/discover", Some(Era::Modern), Self::Discover),
        ("subscriptions/listen", Some(Era::Modern), Self::Listen),
        ("ping", Some(Era::Legacy), Self::Ping),
        ("logging/setLevel", Some(Era::Legacy), Self::SetLevel),
        ("resources/subscribe", Some(Era::Legacy), Self::Subscribe),
        ("resources/unsubscribe", Some(Era::Legacy), Self::Unsubscribe),
    ];

    /// What a method of an era is.
    pub(super) fn find(method: &str, era: Era) -> Option<Self> {
        Self::TABLE
            .into_iter()
            .find(|(name, of, _)| *name == method && of.is_none_or(|of| of == era))
            .map(|(_, _, feature)| feature)
    }

    /// Whether it takes a place for running requests: servers may have to be asked for it.
    pub(super) const fn asks_servers(self) -> bool {
        matches!(
            self,
            Self::List(_) | Self::TaskList | Self::Call | Self::Subscribe
        )
    }
}
