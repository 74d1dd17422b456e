//! Looking at a server for the people who administer: everything is asked again, for no user, and shown as it is. What
//! gateways keep of the server is neither used nor touched, but that a server which answers is not down.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gatewright_domain::{Timestamp, id::ServerId, server::IdentityForwarding};
use tokio::time::Instant;

use super::{catalog_read, list_memory::ListMemory, servers::Federation};
use crate::{
    peer::{
        about::About,
        caller::{Alive, Caller, CallerKey, Identify, RuleClass},
        config::UpstreamConfig,
        credentials::{Asked, NoCredentials},
        peers::Peers,
        unavailable::Unavailable,
        upstream::Upstream,
    },
    wire::{
        capabilities::Capabilities,
        listing::{ListKind, ServerList},
        version::{Era, ProtocolVersion},
    },
};

/// What is known about a server from serving gateways, without asking it.
#[derive(Debug, Clone)]
pub struct Health {
    /// Its era, once it has answered.
    pub era: Option<Era>,
    /// The name it reports.
    pub about: Option<Arc<About>>,
    /// When it was last unusable and why, unless it has answered since.
    pub failure: Option<(Timestamp, Arc<Unavailable>)>,
}

/// What a server showed.
#[derive(Debug)]
pub struct Seen {
    /// The revision that it uses with us.
    pub version: ProtocolVersion,
    /// Whether it is reached over the HTTP+SSE transport of 2024-11-05, which is deprecated.
    pub is_over_http_sse: bool,
    /// The name it reports, if any.
    pub about: Option<Arc<About>>,
    /// What it declares that it can do.
    pub capabilities: Capabilities,
    /// Its tools.
    pub tools: ServerList,
    /// How long it took to list them.
    pub listed_in: Duration,
    /// Its prompts; empty if it declares none. A server whose tools can be used counts as available, whatever these say.
    pub prompts: Result<ServerList, Unavailable>,
    /// Its resources, likewise.
    pub resources: Result<ServerList, Unavailable>,
    /// Its resource templates, likewise.
    pub resource_templates: Result<ServerList, Unavailable>,
}

/// A name, URI or URI template that several servers have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKey {
    /// The name, URI or template.
    pub key: Box<str>,
    /// The servers that have it, by their index, in their order: the first serves it.
    pub servers: Vec<usize>,
}

/// The keys that several servers have, in the order in which a second server is found to have them. `lists` are those of the
/// servers of a gateway in the gateway's order, as clients see them; empty for one whose list is not known.
pub fn shared_keys(lists: &[Vec<&str>]) -> Vec<SharedKey> {
    let mut by_key: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut shared = Vec::new();
    for (server, list) in lists.iter().enumerate() {
        for key in list.iter().copied() {
            let servers = by_key.entry(key).or_default();
            if servers.last() == Some(&server) {
                continue;
            }
            servers.push(server);
            if servers.len() == 2 {
                shared.push(key);
            }
        }
    }
    let with_servers = shared.into_iter().map(|key| SharedKey {
        key: key.into(),
        servers: by_key.remove(key).unwrap_or_default(),
    });
    with_servers.collect()
}

/// Why a server could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwell {
    /// What happened.
    pub why: Unavailable,
    /// What the connection said, in words for an administrator.
    pub cause: Option<String>,
}

/// There is no user: a server that learns who its users are receives nothing in a check.
struct NoUser;

impl Identify for NoUser {
    fn credentials<'a>(&'a self, _: &'a UpstreamConfig) -> Asked<'a> {
        Asked::Known(Err(NoCredentials::NotSigned))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(Self)
    }

    fn alive(&self) -> Alive {
        Box::new(|| true)
    }
}

impl<P: Peers> Federation<P> {
    /// What is known about a server at this URL without asking it; `None` while no gateway has used it.
    pub(crate) fn health(&self, id: ServerId, url: &str) -> Option<Health> {
        let upstream = &self.known(id)?.upstream;
        (upstream.config.audience == url).then(|| Health {
            era: upstream.era(),
            about: upstream.about(),
            failure: upstream.last_failure(),
        })
    }

    /// Inspects a server within `deadline`: detects its era and lists what it has. It is sent its custom headers
    /// and no identity assertion, and nothing is tried twice.
    pub(crate) async fn inspect(&self, config: UpstreamConfig, deadline: Duration) -> Result<Seen, Unwell> {
        let id = config.id;
        let upstream = Upstream::new(UpstreamConfig {
            identity: IdentityForwarding::None,
            retries: 0,
            ..config
        });
        let (peers, said) = self.peers.witnessed();
        let caller = Caller {
            key: CallerKey::NOBODY,
            class: RuleClass::EVERYONE,
            identity: &NoUser,
            conversation: None,
        };
        let looking = Looking {
            peers: &peers,
            memory: &self.lists.memory,
            upstream: &upstream,
            caller,
            until: Instant::now() + deadline,
        };
        let outcome = looking.look().await;
        self.peers.leave(&upstream, caller.key).await;
        if outcome.is_ok() {
            self.note_answer(id, &upstream.config.audience);
        }
        outcome.map_err(|why| Unwell {
            cause: said
                .take()
                .filter(|_| matches!(why, Unavailable::Unreachable { .. } | Unavailable::Lost { .. })),
            why,
        })
    }

    /// Lists need not leave out any longer a server that has just answered.
    fn note_answer(&self, id: ServerId, audience: &str) {
        if let Some(server) = self.known(id)
            && server.upstream.config.audience == audience
        {
            server.upstream.note_success();
        }
    }
}

/// A look at a server.
struct Looking<'a, P> {
    peers: &'a Arc<P>,
    memory: &'a Arc<ListMemory>,
    upstream: &'a Upstream,
    caller: Caller<'a>,
    until: Instant,
}

impl<P: Peers> Looking<'_, P> {
    async fn look(&self) -> Result<Seen, Unavailable> {
        let (upstream, caller) = (self.upstream, self.caller);
        let looking = self.in_time(async {
            let era = self.peers.era(upstream, caller).await?;
            let began = Instant::now();
            let tools = self.list(ListKind::Tools).await?;
            Ok((era, tools, began.elapsed()))
        });
        let (era, tools, listed_in) = looking.await?;
        // A server that fails at these is not unavailable: each is read separately.
        let (prompts, resources, resource_templates) = tokio::join!(
            self.in_time(self.list(ListKind::Prompts)),
            self.in_time(self.list(ListKind::Resources)),
            self.in_time(self.list(ListKind::ResourceTemplates)),
        );
        let version = match era {
            Era::Modern => ProtocolVersion::LATEST_MODERN,
            Era::Legacy => upstream
                .session_version(caller.key)
                .unwrap_or(ProtocolVersion::LATEST_LEGACY),
        };
        Ok(Seen {
            version,
            is_over_http_sse: upstream.is_over_http_sse(),
            about: upstream.about(),
            capabilities: upstream.declared().unwrap_or_default(),
            tools,
            listed_in,
            prompts,
            resources,
            resource_templates,
        })
    }

    async fn list(&self, kind: ListKind) -> Result<ServerList, Unavailable> {
        catalog_read::read_list(self.peers, self.memory, kind, self.upstream, self.caller).await
    }

    async fn in_time<V>(
        &self,
        looking: impl Future<Output = Result<V, Unavailable>>,
    ) -> Result<V, Unavailable> {
        let looked = tokio::time::timeout_at(self.until, looking).await;
        looked.unwrap_or_else(|_| Err(self.upstream.timed_out()))
    }
}
