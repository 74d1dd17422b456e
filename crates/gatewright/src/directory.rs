//! The directory: an immutable snapshot of configuration and deny-list that requests read without lock or query.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use gatewright_domain::{
    Clock,
    api_key::ApiKey,
    gateway::Gateway,
    id::{AccountId, GatewayId, ProjectId, UserSourceId},
    sealed::{Keyring, Purpose},
    server::Server,
    stored_secret::StoredSecret,
    token_hash::TokenHash,
    user_source::UserSource,
};
use gatewright_mcp::federation::Plan;
use gatewright_store::{Store, StoreError, directory::Reading, revocation::Denied};
use http::{HeaderName, HeaderValue};

use crate::config::Config;

/// How old a revision reading may be before requests are refused with 503: never a stale "allow".
const STALE_AFTER: Duration = Duration::from_secs(5);

/// One reading of the configuration, ready for requests.
#[derive(Debug, Default)]
pub struct Directory {
    /// The revision it belongs to.
    pub revision: i64,
    gateways: HashMap<String, Arc<GatewayEntry>>,
    gateways_by_id: HashMap<GatewayId, Arc<GatewayEntry>>,
    sources: HashMap<UserSourceId, Arc<UserSource>>,
    servers: Vec<Arc<ServerEntry>>,
    /// The secrets the servers' headers were filled in with, sealed: equal ones need not be opened again.
    secrets: Vec<StoredSecret>,
    keys: HashMap<TokenHash, Arc<ApiKey>>,
    members: HashSet<(ProjectId, AccountId)>,
    denied: HashSet<Denied>,
}

/// An active gateway with all it refers to.
#[derive(Debug)]
pub struct GatewayEntry {
    /// The gateway.
    pub gateway: Gateway,
    /// Its URL: issuer, resource and audience alike.
    pub url: String,
    /// Its source, in User Source mode and while that is active.
    pub source: Option<Arc<UserSource>>,
    /// The servers it federates, in order; all of the project when none was chosen.
    pub servers: Vec<Arc<ServerEntry>>,
    /// Whether tools are named `{server}_{tool}`: when more than one server is chosen, whatever their health.
    pub prefixed: bool,
    /// What the federation makes of it, at the first request.
    pub plan: OnceLock<Arc<Plan>>,
    /// What clients read about it.
    pub documents: Documents,
}

/// The metadata documents of a gateway as bytes, each written at its first request: clients and monitors read them over and
/// over, and they say the same until the configuration changes.
#[derive(Debug, Default)]
pub struct Documents {
    /// `oauth-protected-resource`.
    pub protected_resource: OnceLock<Bytes>,
    /// `oauth-authorization-server`.
    pub authorization_server: OnceLock<Bytes>,
    /// `openid-configuration`.
    pub openid_configuration: OnceLock<Bytes>,
}

/// A server with its headers resolved.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerEntry {
    /// The server.
    pub server: Server,
    /// Its custom headers with secrets filled in; values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Why a header could not be resolved: such a server is not called, and this is logged and shown to admins.
    pub problem: Option<String>,
}

/// The database could not be read for too long: answer 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has not been confirmed for more than five seconds")]
pub struct Stale;

impl Directory {
    /// An active gateway by the slug of its URL, in the case it was typed in: the URL is the issuer, and clients compare
    /// it exactly (RFC 8414 section 3.3), so another spelling could not sign anybody in.
    pub fn gateway(&self, slug: &str) -> Option<&Arc<GatewayEntry>> {
        self.gateways.get(slug)
    }

    /// An active gateway by id.
    pub fn gateway_by_id(&self, id: GatewayId) -> Option<&Arc<GatewayEntry>> {
        self.gateways_by_id.get(&id)
    }

    /// A source by id, active or not.
    pub fn source(&self, id: UserSourceId) -> Option<&Arc<UserSource>> {
        self.sources.get(&id)
    }

    /// A key of role `gateway` by the hash of its text. Expiry is the caller's to check.
    pub fn gateway_key(&self, hash: &TokenHash) -> Option<&Arc<ApiKey>> {
        self.keys.get(hash)
    }

    /// Whether an account that may sign in is a member of a project: what every grant of a member hangs on. An account
    /// that was disabled, or removed from the project, is not from the next request on.
    pub fn is_member(&self, project: ProjectId, account: AccountId) -> bool {
        self.members.contains(&(project, account))
    }

    /// Whether a grant, user or client is on the deny-list.
    pub fn denies(&self, what: Denied) -> bool {
        self.denied.contains(&what)
    }

    /// All active gateways, in no order.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<GatewayEntry>> {
        self.gateways.values()
    }

    /// All servers of all projects, in no order.
    pub fn servers(&self) -> &[Arc<ServerEntry>] {
        &self.servers
    }

    /// All sources of all projects, active or not, in no order.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<UserSource>> {
        self.sources.values()
    }

    /// Makes a reading ready. What is equal in `previous` is taken from there, plans of gateways included: a revocation
    /// must not make every gateway find its servers anew.
    fn build(reading: Reading, previous: &Self, keyring: &Keyring, config: &Config) -> Self {
        let same_secrets = reading.secrets == previous.secrets;
        let known: HashMap<_, _> = previous
            .servers
            .iter()
            .map(|entry| (entry.server.id, entry))
            .collect();
        let secrets: HashMap<_, _> = reading
            .secrets
            .iter()
            .map(|secret| ((secret.project_id, secret.name.as_str()), secret))
            .collect();
        let resolve = |server: Server| {
            let known = known.get(&server.id).filter(|known| known.server == server);
            if let Some(known) = known
                && same_secrets
            {
                return Arc::clone(known);
            }
            let find = |name: &str| {
                let secret = secrets.get(&(server.project_id, name))?;
                let context = StoredSecret::context(secret.id);
                let value = keyring
                    .open_secret(Purpose::StoredSecret, &context, &secret.value)
                    .ok()?;
                Some((value, secret.origins.clone()))
            };
            let (headers, problem) = match crate::service::headers::resolve(&server, find) {
                Ok(headers) => (headers, None),
                Err(problem) => (Vec::new(), Some(problem)),
            };
            let entry = ServerEntry {
                server,
                headers,
                problem,
            };
            match known.filter(|known| ****known == entry) {
                Some(known) => Arc::clone(known),
                None => Arc::new(entry),
            }
        };
        let servers: Vec<Arc<ServerEntry>> = reading.servers.into_iter().map(resolve).collect();
        let sources: HashMap<_, _> = reading
            .user_sources
            .into_iter()
            .map(|source| (source.id, Arc::new(source)))
            .collect();
        let mut directory = Self {
            revision: reading.revision,
            ..Self::default()
        };
        for gateway in reading.gateways {
            let chosen: Vec<Arc<ServerEntry>> = if gateway.servers.is_empty() {
                let of_project = |entry: &&Arc<ServerEntry>| entry.server.project_id == gateway.project_id;
                servers.iter().filter(of_project).cloned().collect()
            } else {
                let by_id = |id| servers.iter().find(|entry| entry.server.id == id).cloned();
                gateway.servers.iter().copied().filter_map(by_id).collect()
            };
            let source = gateway
                .authentication
                .user_source()
                .and_then(|id| sources.get(&id).cloned());
            let plan = previous
                .gateways_by_id
                .get(&gateway.id)
                .filter(|known| known.gateway == gateway && same_servers(&known.servers, &chosen))
                .map_or_else(OnceLock::new, |known| known.plan.clone());
            let entry = Arc::new(GatewayEntry {
                url: config.gateway_url(&gateway.slug),
                source,
                prefixed: chosen.len() > 1,
                plan,
                documents: Documents::default(),
                servers: chosen,
                gateway,
            });
            directory
                .gateways
                .insert(entry.gateway.slug.clone(), Arc::clone(&entry));
            directory.gateways_by_id.insert(entry.gateway.id, entry);
        }
        directory.keys = reading
            .gateway_keys
            .into_iter()
            .map(|key| (key.hash, Arc::new(key)))
            .collect();
        directory.members = reading.members.into_iter().collect();
        directory.denied = reading.denied.into_iter().collect();
        directory.sources = sources;
        directory.servers = servers;
        directory.secrets = reading.secrets;
        directory
    }
}

/// Whether these are the very same entries in the same order.
fn same_servers(ours: &[Arc<ServerEntry>], theirs: &[Arc<ServerEntry>]) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|(one, other)| Arc::ptr_eq(one, other))
}

/// The present directory, replaced as a whole when the configuration changes.
#[derive(Debug)]
pub struct DirectoryHandle {
    clock: Arc<dyn Clock>,
    current: ArcSwap<Directory>,
    /// Milliseconds on the monotonic clock: setting the machine's clock back makes nothing fresh.
    confirmed_at: AtomicI64,
}

impl DirectoryHandle {
    /// An empty directory, stale until it is read.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            current: ArcSwap::default(),
            confirmed_at: AtomicI64::new(i64::MIN),
        }
    }

    /// The present directory, when it has been confirmed within the last five seconds.
    pub fn current(&self) -> Result<arc_swap::Guard<Arc<Directory>>, Stale> {
        let confirmed = self.confirmed_at.load(Ordering::Acquire);
        let age = millis(self.clock.monotonic()).saturating_sub(confirmed);
        if age > millis(STALE_AFTER) {
            return Err(Stale);
        }
        Ok(self.current.load())
    }

    /// Reads everything anew. `superseded` is a revision that was in memory when the database had a lower one, as after
    /// a failover or a restored backup: it gives way to whatever is read now.
    pub async fn refresh(
        &self,
        store: &Store,
        keyring: &Keyring,
        config: &Config,
        superseded: Option<i64>,
    ) -> Result<(), StoreError> {
        let read_at = self.clock.monotonic();
        let mut tx = store.read().await?;
        let reading = gatewright_store::directory::read(&mut tx, self.clock.now()).await?;
        drop(tx);
        let next = Arc::new(Directory::build(reading, &self.current.load(), keyring, config));
        let mut installed = false;
        // Two refreshes may finish in the other order than they began: the newer revision stays.
        self.current.rcu(|current| {
            installed = current.revision <= next.revision || superseded == Some(current.revision);
            Arc::clone(if installed { &next } else { current })
        });
        // What was not installed confirms nothing: whoever read the newer revision has confirmed that.
        if installed {
            self.confirm(read_at);
        }
        Ok(())
    }

    /// Notes that the revision in memory was still the database's when that was read, at a moment of
    /// [`Clock::monotonic`] before.
    pub fn confirm(&self, read_at: Duration) {
        self.confirmed_at.fetch_max(millis(read_at), Ordering::AcqRel);
    }

    /// The revision in memory.
    pub fn revision(&self) -> i64 {
        self.current.load().revision
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
