//! The state of what end users and clients meet, composed once at start-up.

use std::{ops::Deref, sync::Arc};

use gatewright_core::{Core, config::Config};
use gatewright_domain::{Clock, Entropy};
use gatewright_identity::Providers;
use gatewright_store::{StoreError, assertion_origin};

use crate::{
    admission::Admission, authorization_server::AuthorizationServer, resource_server::ResourceServer,
    sign_in_trace::SignInTrace,
};

/// Origins named in the warning at start.
const SHARED_ORIGINS_TOLD: u32 = 20;

/// The authorization server, the identity providers and the resource server of all gateways.
#[derive(Debug)]
pub struct Gateways {
    core: Arc<Core>,
    /// How much sign-in and refresh work is done at the same time.
    pub(crate) admission: Arc<Admission>,
    /// The authorization server and its state: metadata document cache, limits.
    pub authorization_server: Arc<AuthorizationServer>,
    /// What is known about identity providers: their documents and keys, and the limits of work there.
    pub providers: Providers,
    /// The resource server and its state: token cache, federation.
    pub resource_server: Arc<ResourceServer>,
    /// The trace of attempts to sign in.
    pub sign_in_trace: Arc<SignInTrace>,
}

impl Deref for Gateways {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Gateways {
    /// Starts a core and builds on it. See [`Core::build`].
    pub async fn build(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Arc<Self>> {
        let core = Arc::new(Core::build(config, clock, entropy).await?);
        let gateways = Arc::new(Self::new(core));
        gateways.warn_of_shared_origins().await?;
        Ok(gateways)
    }

    /// Over a core.
    pub fn new(core: Arc<Core>) -> Self {
        let admission = Arc::new(Admission::of(&core.config));
        let sign_in_trace = SignInTrace::new(&core);
        let resource_server = Arc::new(ResourceServer::new(Arc::clone(&core), Arc::clone(&sign_in_trace)));
        let authorization_server = Arc::new(AuthorizationServer::new(
            Arc::clone(&core),
            Arc::clone(&admission),
            Arc::clone(&sign_in_trace),
            Arc::clone(&resource_server),
        ));
        let lists = Arc::downgrade(&resource_server);
        core.telemetry
            .condition
            .watch_lists(move || lists.upgrade().map_or(0, |server| server.list_bytes()));
        Self {
            admission,
            authorization_server,
            providers: Providers::new(&core),
            resource_server,
            sign_in_trace,
            core,
        }
    }

    /// What every part uses.
    pub fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// Says which servers get identity assertions of several projects although the configuration does not list them: they
    /// were registered before that was refused, and continue.
    async fn warn_of_shared_origins(&self) -> Result<(), StoreError> {
        let mut tx = self.store.read().await?;
        let mut shared = assertion_origin::list_all_shared(&mut tx, SHARED_ORIGINS_TOLD).await?;
        shared.retain(|origin| !self.config.servers.may_share(origin));
        if !shared.is_empty() {
            tracing::warn!(
                origins = %shared.join(" "),
                "several projects send identity assertions to the same servers; make sure that these servers check the claim \
                 `project`, then list their origins in servers.shared_assertion_origins"
            );
        }
        Ok(())
    }

    /// Reads what is new in the directory: after a committed change, so that the change acts before its own answer is sent,
    /// and every second, because a change may have been made elsewhere.
    pub async fn refresh_directory(&self) -> Result<(), StoreError> {
        self.resource_server.refresh_directory().await
    }
}
