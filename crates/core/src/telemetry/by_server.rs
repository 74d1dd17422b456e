//! What went wrong with MCP servers, counted by server and reason. Deleted servers are forgotten, and there is a limit: a
//! project that creates and deletes servers all day fills neither the memory nor the answer to who reads the metrics.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use gatewright_domain::id::ServerId;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

/// Further pairs of a server and a reason are counted without the server.
const MOST: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    /// The id of the server; empty where a request failed before one was chosen.
    server: String,
    reason: &'static str,
}

/// A counter by server and reason.
#[derive(Debug, Default)]
pub(super) struct ByServer {
    counters: Family<Labels, Counter>,
    /// The labels that name a server, and which.
    named: Mutex<HashMap<Labels, ServerId>>,
}

impl ByServer {
    /// The counters, to be registered.
    pub(super) fn counters(&self) -> Family<Labels, Counter> {
        self.counters.clone()
    }

    /// Counts one.
    pub(super) fn count(&self, server: Option<ServerId>, reason: &'static str) {
        // Held until it is counted, so that no server is forgotten in between and then counted unseen.
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let mut labels = Labels {
            server: String::new(),
            reason,
        };
        if let Some(id) = server {
            let of_server = Labels {
                server: id.to_string(),
                reason,
            };
            if named.len() < MOST || named.contains_key(&of_server) {
                named.insert(of_server.clone(), id);
                labels = of_server;
            }
        }
        self.counters.get_or_create(&labels).inc();
    }

    /// Forgets all servers but these.
    pub(super) fn keep(&self, servers: &HashSet<ServerId>) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|labels, id| {
            let stays = servers.contains(id);
            if !stays {
                self.counters.remove(labels);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(number: usize) -> Vec<ServerId> {
        (1..).take(number).map(ServerId::of_number).collect()
    }

    fn counted(counts: &ByServer, server: &str) -> Option<u64> {
        let labels = Labels {
            server: server.to_owned(),
            reason: "timeout",
        };
        counts.counters.get(&labels).map(|counter| counter.get())
    }

    #[test]
    fn a_deleted_server_is_forgotten_and_no_other() {
        let counts = ByServer::default();
        let (stays, goes) = (ServerId::of_number(1), ServerId::of_number(2));
        for server in [None, Some(stays), Some(goes), Some(goes)] {
            counts.count(server, "timeout");
        }
        assert_eq!(counted(&counts, &goes.to_string()), Some(2));
        counts.keep(&HashSet::from([stays]));
        assert_eq!(counted(&counts, &goes.to_string()), None);
        assert_eq!(counted(&counts, &stays.to_string()), Some(1));
        assert_eq!(counted(&counts, ""), Some(1));
        // One of a request that began before it was deleted.
        counts.count(Some(goes), "timeout");
        assert_eq!(counted(&counts, &goes.to_string()), Some(1));
    }

    #[test]
    fn beyond_the_limit_failures_are_counted_without_their_server() {
        let counts = ByServer::default();
        let servers = servers(MOST + 2);
        for server in &servers {
            counts.count(Some(*server), "timeout");
        }
        assert_eq!(counted(&counts, ""), Some(2));
        counts.count(Some(servers[0]), "timeout");
        assert_eq!(counted(&counts, &servers[0].to_string()), Some(2));
        counts.keep(&HashSet::new());
        counts.count(Some(servers[MOST]), "timeout");
        assert_eq!(counted(&counts, &servers[MOST].to_string()), Some(1));
        assert_eq!(counted(&counts, ""), Some(2));
    }
}
