//! The federation: the upstream servers of the process, and for each gateway the plan of which of them it offers.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{
    Clock, Entropy, Timestamp,
    id::{GatewayId, ProjectId, ServerId},
    sealed::Keyring,
};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::{
    list::{Made, View},
    list_memory::{Kept, ListLimits, ListMemory},
    lists::Lists,
    naming::Naming,
};
use crate::{
    endpoint::session::Sessions,
    peer::{
        config::UpstreamConfig, net::Net, session::FAREWELLS_AT_ONCE, transport::Transport,
        upstream::Upstream,
    },
    wire::json::json_string,
};

/// Merged lists known at once, whether or not they had to give way. Users whose lists are equal share one.
const VIEWS_MAX: u64 = 50_000;
/// A merged list nobody has made use of for so long is forgotten; those of earlier configurations go that way.
const VIEW_IDLE: Duration = Duration::from_mins(10);
/// A server no gateway has used for so long is forgotten.
const UNUSED_FOR: Duration = Duration::from_mins(10);

/// What a gateway offers, in the words of its configuration.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Its id.
    pub id: GatewayId,
    /// Its project, whose share of the memory for lists its merged lists take.
    pub project: ProjectId,
    /// What people call it; clients show it.
    pub name: String,
    /// Returned to clients as `instructions`; empty for none.
    pub instructions: String,
    /// How its tools are named.
    pub naming: Naming,
    /// Its servers, in order.
    pub servers: Vec<UpstreamConfig>,
    /// The tools it offers by the names they have at their servers; empty means all.
    pub allowed_tools: Vec<(ServerId, String)>,
}

/// What a gateway offers, ready for requests. Made once per configuration.
#[derive(Debug)]
pub struct Plan {
    /// The gateway.
    pub gateway_id: GatewayId,
    pub(crate) project: ProjectId,
    /// Tells plans of one gateway apart: what was made for an earlier configuration is not used for a later one.
    pub(crate) serial: u64,
    /// Who answers (`serverInfo`), as JSON text.
    pub(crate) server_info: Arc<str>,
    pub(crate) instructions: String,
    pub(crate) naming: Naming,
    pub(crate) servers: Vec<Offered>,
    /// The merged list made last: where lists do not differ between users, the one all of them have.
    pub(crate) last: arc_swap::ArcSwapOption<Kept<View>>,
}

/// A server as one gateway offers it.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) upstream: Arc<Upstream>,
    /// The tools offered; `None` means all.
    pub(crate) allowed: Option<HashSet<String>>,
}

impl Offered {
    /// The name a tool would have at this server; `None` when it could not be of this server.
    pub(crate) fn own_name<'n>(&self, naming: Naming, name: &'n str) -> Option<&'n str> {
        match naming {
            Naming::Plain => Some(name),
            // A slug holds no underscore, so the first one ends it.
            Naming::Prefixed => name.strip_prefix(self.upstream.slug())?.strip_prefix('_'),
        }
    }
}

/// The upstream side of the process and the sessions of its clients.
#[derive(Debug)]
pub struct Federation<T> {
    pub(crate) net: Arc<Net<T>>,
    pub(super) lists: Arc<Lists<T>>,
    /// Sessions of clients of the session-based revisions.
    pub sessions: Arc<Sessions>,
    /// Merged lists by the plan and what they were made of.
    pub(crate) views: Cache<(u64, Made), Arc<Kept<View>>>,
    next_serial: AtomicU64,
    /// Locked only while a plan is made, which is once per configuration, and where an administrator looks at a server.
    upstreams: Mutex<HashMap<ServerId, Known>>,
}

#[derive(Debug)]
struct Known {
    upstream: Arc<Upstream>,
    used_at: Timestamp,
}

impl<T: Transport> Federation<T> {
    /// A federation without servers; plans bring them in.
    pub fn new(
        transport: T,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        lists: ListLimits,
    ) -> Self {
        let net = Arc::new(Net {
            transport,
            clock: Arc::clone(&clock),
            budget: Arc::default(),
            farewells: Arc::new(Semaphore::new(FAREWELLS_AT_ONCE)),
        });
        Self {
            sessions: Arc::new(Sessions::new(keyring, clock, entropy)),
            lists: Arc::new(Lists {
                net: Arc::clone(&net),
                memory: Arc::new(ListMemory::new(lists)),
                behind: Arc::default(),
            }),
            net,
            views: Cache::builder()
                .max_capacity(VIEWS_MAX)
                .time_to_idle(VIEW_IDLE)
                .build(),
            next_serial: AtomicU64::new(0),
            upstreams: Mutex::default(),
        }
    }

    /// Makes the plan of a gateway. What is known of its servers is kept where their configuration is the same.
    pub fn plan(&self, config: GatewayConfig) -> Plan {
        let narrowed = !config.allowed_tools.is_empty();
        let mut allowed: HashMap<ServerId, HashSet<String>> = HashMap::new();
        for (server, tool) in config.allowed_tools {
            allowed.entry(server).or_default().insert(tool);
        }
        let servers = config
            .servers
            .into_iter()
            .map(|server| Offered {
                allowed: narrowed.then(|| allowed.remove(&server.id).unwrap_or_default()),
                upstream: self.upstream(server),
            })
            .collect();
        Plan {
            gateway_id: config.id,
            project: config.project,
            serial: self.next_serial.fetch_add(1, Ordering::Relaxed),
            server_info: server_info(&config.name),
            instructions: config.instructions,
            naming: config.naming,
            servers,
            last: arc_swap::ArcSwapOption::empty(),
        }
    }

    /// Bytes that lists of tools hold.
    pub fn list_bytes(&self) -> usize {
        self.lists.memory.bytes()
    }

    /// What plans made of a server, if any uses it.
    pub(crate) fn known(&self, id: ServerId) -> Option<Arc<Upstream>> {
        let upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        upstreams.get(&id).map(|known| Arc::clone(&known.upstream))
    }

    fn upstream(&self, config: UpstreamConfig) -> Arc<Upstream> {
        let now = self.net.now();
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the map holds a server that no plan offers any more.
        upstreams.retain(|_, known| {
            Arc::strong_count(&known.upstream) > 1 || now.since(known.used_at) < UNUSED_FOR
        });
        if let Some(known) = upstreams.get_mut(&config.id)
            && known.upstream.config == config
        {
            known.used_at = now;
            return Arc::clone(&known.upstream);
        }
        let upstream = Arc::new(Upstream::new(config));
        upstreams.insert(
            upstream.config.id,
            Known {
                upstream: Arc::clone(&upstream),
                used_at: now,
            },
        );
        upstream
    }
}

/// `Implementation` of the gateway: the program by its name and version, and what people call the gateway.
fn server_info(title: &str) -> Arc<str> {
    let title = json_string(title);
    let version = env!("CARGO_PKG_VERSION");
    format!(r#"{{"name":"gatewright","title":{title},"version":"{version}"}}"#).into()
}
