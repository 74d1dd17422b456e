//! The federation: the servers of the process, and what is made of their lists.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{Timestamp, id::ServerId};
use moka::sync::Cache;

use super::{
    list_memory::{Kept, ListLimits, ListMemory},
    lists::Lists,
    places::{Bounds, Places},
    plan::{GatewayConfig, Plan},
    seen_uris::SeenUris,
    server::Server,
    subscribed::Subscriptions,
    view::{View, ViewKey},
};
use crate::peer::{
    caller::{Caller, CallerKey},
    config::UpstreamConfig,
    peers::Peers,
    seals::SessionId,
    session::SlotKey,
};

/// Merged lists known at the same time, whether or not they were dropped. Users whose lists are equal share one.
const VIEWS_MAX: u64 = 50_000;
/// A merged list that is unused for this long is forgotten; so are those of earlier configurations.
const VIEW_IDLE: Duration = Duration::from_mins(10);
/// A server that gateways have not used for this long is forgotten.
const UNUSED_FOR: Duration = Duration::from_mins(10);

/// The servers of the process, and what is made of their lists.
#[derive(Debug)]
pub(crate) struct Federation<P> {
    pub(super) peers: Arc<P>,
    pub(super) lists: Arc<Lists<P>>,
    /// Merged lists by the plan and what they were made of.
    pub(crate) views: Cache<ViewKey, Arc<Kept<View>>>,
    next_serial: AtomicU64,
    /// Places for streams that servers are listened to with.
    pub(super) listening: Arc<Places>,
    /// The resources whose changes clients want.
    pub(super) subscriptions: Subscriptions,
    /// URIs that answers of servers named.
    pub(super) seen: Arc<SeenUris>,
    /// Locked only while a plan is made, which is once per configuration, and when an administrator inspects a server.
    servers: Mutex<HashMap<ServerId, Known>>,
}

#[derive(Debug)]
struct Known {
    server: Arc<Server>,
    used_at: Timestamp,
}

impl Known {
    /// Whether anything but the map holds it.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.server) > 1 || Arc::strong_count(&self.server.upstream) > 1
    }
}

impl<P: Peers> Federation<P> {
    /// A federation without servers; plans bring them in.
    pub(crate) fn new(peers: P, lists: ListLimits) -> Self {
        let peers = Arc::new(peers);
        Self {
            lists: Arc::new(Lists {
                peers: Arc::clone(&peers),
                memory: Arc::new(ListMemory::new(lists)),
                behind: Arc::default(),
            }),
            peers,
            views: Cache::builder()
                .max_capacity(VIEWS_MAX)
                .time_to_idle(VIEW_IDLE)
                .build(),
            next_serial: AtomicU64::new(0),
            listening: Arc::new(Places::new(Bounds::STREAMS)),
            subscriptions: Subscriptions::default(),
            seen: Arc::default(),
            servers: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.peers.now()
    }

    /// Makes the plan of a gateway. What is known about its servers is kept where their configuration is the same.
    pub(crate) fn plan(&self, config: GatewayConfig) -> Plan {
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        Plan::new(serial, config, |server| self.server(server))
    }

    /// Bytes that lists of tools hold.
    pub(crate) fn list_bytes(&self) -> usize {
        self.lists.memory.bytes()
    }

    /// What plans made of a server, if any uses it.
    pub(super) fn known(&self, id: ServerId) -> Option<Arc<Server>> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.get(&id).map(|known| Arc::clone(&known.server))
    }

    /// Ends the sessions with servers that belong to the session of a client, which has ended, and forgets their lists.
    pub(crate) fn leave_client(&self, caller: CallerKey, client: SessionId) {
        let key = SlotKey::of_client(caller, client);
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let servers_now: Vec<_> = servers.values().map(|known| Arc::clone(&known.server)).collect();
        drop(servers);
        for server in servers_now {
            server.upstream.sessions.leave(key);
            server.forget(key);
        }
    }

    /// Tells the servers of a gateway that a client has sessions with that its roots have changed.
    pub(crate) fn tell_changed_roots(&self, plan: &Plan, caller: Caller<'_>, client: SessionId) {
        let key = SlotKey::of_client(caller.key, client);
        for offered in &plan.servers {
            let upstream = &offered.server.upstream;
            self.peers.tell_changed_roots(upstream, caller, key);
        }
    }

    fn server(&self, config: UpstreamConfig) -> Arc<Server> {
        let now = self.peers.now();
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the map holds a server that no plan offers any more, and that no call waits for.
        servers.retain(|_, known| known.is_held() || now.since(known.used_at) < UNUSED_FOR);
        if let Some(known) = servers.get_mut(&config.id)
            && known.server.upstream.config == config
        {
            known.used_at = now;
            return Arc::clone(&known.server);
        }
        let id = config.id;
        let server = Arc::new(Server::new(config, Arc::clone(&self.seen)));
        let known = Known {
            server: Arc::clone(&server),
            used_at: now,
        };
        servers.insert(id, known);
        server
    }
}
