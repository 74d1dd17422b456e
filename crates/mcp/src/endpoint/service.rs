//! The MCP endpoint of all gateways of the process.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use gatewright_domain::{Clock, Entropy, id::ServerId, sealed::Keyring};

use tokio_util::sync::CancellationToken;

use super::{elsewhere::Replicas, listen::PlanNow, resumable::Resumables, session::Sessions};
use crate::{
    federation::{
        inspection::{Health, Seen, Unwell},
        list_memory::ListLimits,
        plan::{GatewayConfig, Plan},
        servers::Federation,
    },
    peer::{config::UpstreamConfig, mailbox::Mailbox, net::Net, seals::Seals, transport::Transport},
};

/// The MCP endpoint of all gateways of the process: the servers they federate, and the sessions of their clients.
#[derive(Debug)]
pub struct Endpoint<T: Transport> {
    pub(crate) federation: Arc<Federation<Net<T>>>,
    /// Sessions of clients of the session-based revisions.
    pub sessions: Arc<Sessions>,
    /// What servers ask of clients.
    pub(super) mailbox: Arc<Mailbox>,
    /// The other replicas, if there can be some.
    pub(super) replicas: OnceLock<Box<dyn Replicas>>,
    /// Answers that clients can come back to.
    pub(super) resumables: Arc<Resumables<T::Body>>,
    /// The next ID of our own requests.
    pub(super) own_requests: AtomicU64,
}

/// What an answer needs that may last: a stream that a client listens to.
pub struct Lasting<'a> {
    /// Ends it.
    pub shutdown: &'a CancellationToken,
    /// Makes what returns the plan of the gateway from then on. Only called when a stream begins, so that other requests
    /// do not pay for it.
    pub plan_now: &'a (dyn Fn() -> PlanNow + Sync),
}

impl std::fmt::Debug for Lasting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lasting")
    }
}

impl<T: Transport> Endpoint<T> {
    /// An endpoint without gateways; plans bring them in, and their servers with them.
    pub fn new(
        transport: T,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        lists: ListLimits,
    ) -> Self {
        let seals = Seals::new(keyring.clone(), Arc::clone(&clock), Arc::clone(&entropy));
        Self {
            federation: Arc::new(Federation::new(Net::new(transport, Arc::clone(&clock)), lists)),
            mailbox: Arc::new(Mailbox::new(seals)),
            replicas: OnceLock::new(),
            resumables: Arc::new(Resumables::new(Arc::clone(&entropy))),
            sessions: Arc::new(Sessions::new(keyring, clock, entropy)),
            own_requests: AtomicU64::new(1),
        }
    }

    /// Makes the plan of a gateway. What is known about its servers is kept where their configuration is the same.
    pub fn plan(&self, config: GatewayConfig) -> Plan {
        self.federation.plan(config)
    }

    /// Bytes that lists of tools hold.
    pub fn list_bytes(&self) -> usize {
        self.federation.list_bytes()
    }

    /// What is known about a server at this URL without asking it; `None` while no gateway has used it.
    pub fn health(&self, id: ServerId, url: &str) -> Option<Health> {
        self.federation.health(id, url)
    }

    /// Inspects a server within `deadline`: detects its era and lists what it has. It is sent its custom headers
    /// and no identity assertion, and nothing is tried twice.
    pub async fn inspect(&self, config: UpstreamConfig, deadline: Duration) -> Result<Seen, Unwell> {
        // Boxed because it is rare and large.
        Box::pin(self.federation.inspect(config, deadline)).await
    }
}
