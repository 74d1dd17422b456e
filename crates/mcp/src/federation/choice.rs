//! Which of what servers have a gateway offers.

use std::collections::{HashMap, HashSet};

use gatewright_domain::id::ServerId;

/// Which tools, prompts or resources a gateway offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// All of every server.
    #[default]
    All,
    /// Of each of these servers what is said here, and nothing of others.
    Only(HashMap<ServerId, OfServer>),
}

/// Which of those of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfServer {
    /// All.
    All,
    /// These, by the names, URIs or templates they have at the server. If empty, nothing.
    Items(HashSet<String>),
}

impl Choice {
    /// These items of these servers; all of every server if the list is empty.
    pub fn of_items(items: impl IntoIterator<Item = (ServerId, String)>) -> Self {
        let mut servers: HashMap<ServerId, HashSet<String>> = HashMap::new();
        for (server, item) in items {
            servers.entry(server).or_default().insert(item);
        }
        if servers.is_empty() {
            return Self::All;
        }
        let chosen = servers
            .into_iter()
            .map(|(server, items)| (server, OfServer::Items(items)));
        Self::Only(chosen.collect())
    }

    /// Which of those of a server. A server is in a gateway only once, so its choice is moved out.
    pub(super) fn take(&mut self, server: ServerId) -> OfServer {
        match self {
            Self::All => OfServer::All,
            Self::Only(chosen) => chosen.remove(&server).unwrap_or_else(OfServer::nothing),
        }
    }
}

impl OfServer {
    /// None.
    pub fn nothing() -> Self {
        Self::Items(HashSet::new())
    }

    /// Whether this one is offered.
    pub fn offers(&self, item: &str) -> bool {
        match self {
            Self::All => true,
            Self::Items(items) => items.contains(item),
        }
    }

    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Items(items) if items.is_empty())
    }
}
