//! Looking at a server for the people who administer: everything is asked anew, for nobody, and told as it is. What
//! gateways keep of the server is neither used nor touched, but that a server which answers is not down.

use std::{sync::Arc, time::Duration};

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
        listing::{ListKind, ServerList},
        version::{Era, ProtocolVersion},
    },
};

/// What is known of a server from serving gateways, without asking it.
#[derive(Debug, Clone)]
pub struct Health {
    /// The era it speaks, once it has answered.
    pub era: Option<Era>,
    /// What it calls itself.
    pub about: Option<Arc<About>>,
    /// When it was last unusable and why, unless it has answered since.
    pub failure: Option<(Timestamp, Arc<Unavailable>)>,
}

/// What a server showed.
#[derive(Debug)]
pub struct Seen {
    /// The revision it speaks with us.
    pub version: ProtocolVersion,
    /// What it calls itself, where it says so.
    pub about: Option<Arc<About>>,
    /// Its tools.
    pub tools: ServerList,
    /// How long it took to list them.
    pub listed_in: Duration,
}

/// Why a server could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwell {
    /// What happened.
    pub why: Unavailable,
    /// What the connection said, in words for an administrator.
    pub cause: Option<String>,
}

/// Nobody: a server that is told who its users are is told nothing when nobody uses it.
struct Nobody;

impl Identify for Nobody {
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
    /// What is known of a server at this URL without asking it; nothing while no gateway has used it.
    pub(crate) fn health(&self, id: ServerId, url: &str) -> Option<Health> {
        let upstream = &self.known(id)?.upstream;
        (upstream.config.audience == url).then(|| Health {
            era: upstream.era(),
            about: upstream.about(),
            failure: upstream.last_failure(),
        })
    }

    /// Looks at a server within `deadline`: finds out what it speaks and lists its tools. It is sent its custom headers
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
            identity: &Nobody,
        };
        let looking =
            tokio::time::timeout(deadline, look(&peers, &self.lists.memory, &upstream, caller)).await;
        let outcome = looking.unwrap_or_else(|_| Err(upstream.timed_out()));
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

async fn look<P: Peers>(
    peers: &Arc<P>,
    memory: &Arc<ListMemory>,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> Result<Seen, Unavailable> {
    let era = peers.era(upstream, caller).await?;
    let began = Instant::now();
    let tools = catalog_read::read_list(peers, memory, ListKind::Tools, upstream, caller).await?;
    let listed_in = began.elapsed();
    let version = match era {
        Era::Modern => ProtocolVersion::LATEST_MODERN,
        Era::Legacy => upstream
            .session_version(caller.key)
            .unwrap_or(ProtocolVersion::LATEST_LEGACY),
    };
    Ok(Seen {
        version,
        about: upstream.about(),
        tools,
        listed_in,
    })
}
