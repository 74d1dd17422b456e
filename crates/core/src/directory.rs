//! The directory: an immutable snapshot of configuration and deny-list that requests read without lock or query. What was
//! revoked is separate from the rest: it grows with every revocation, and the configuration is not read again for that.

mod deny_list;
mod handle;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use gatewright_domain::{
    api_key::ApiKey,
    gateway::{Gateway, Redaction, names_tools_by_server},
    id::{AccountId, GatewayId, ProjectId, UserSourceId},
    sealed::{Keyring, Purpose},
    server::Server,
    stored_secret::StoredSecret,
    token_hash::TokenHash,
    user_source::UserSource,
};
use gatewright_mcp::federation::Plan;
use gatewright_store::{directory::Reading, revision::Latest, revocation::Denied};
use http::{HeaderName, HeaderValue};

pub use handle::DirectoryHandle;

use self::deny_list::DenyList;
use crate::config::Config;

/// One moment of configuration and deny-list, ready for requests.
#[derive(Debug, Default, Clone)]
pub struct Directory {
    /// What it belongs to; `None` until it is read for the first time.
    latest: Option<Latest>,
    configuration: Arc<Configuration>,
    deny_list: DenyList,
}

/// One reading of the configuration.
#[derive(Debug, Default)]
struct Configuration {
    gateways: HashMap<String, Arc<GatewayEntry>>,
    gateways_by_id: HashMap<GatewayId, Arc<GatewayEntry>>,
    sources: HashMap<UserSourceId, Arc<UserSource>>,
    servers: Vec<Arc<ServerEntry>>,
    /// The secrets the servers' headers were filled in with, sealed: equal ones need not be opened again.
    secrets: Vec<StoredSecret>,
    keys: HashMap<TokenHash, Arc<ApiKey>>,
    members: HashSet<(ProjectId, AccountId)>,
    /// Blocked users and blocked clients: denied until an administrator changes it.
    blocked: HashSet<Denied>,
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
    /// What is replaced in the arguments that it records, if it records them.
    pub redaction: Option<Arc<Redaction>>,
    /// The servers it federates, in order; all of the project when none was chosen.
    pub servers: Vec<Arc<ServerEntry>>,
    /// Whether tools and prompts are named `{prefix}_{name}`, whatever the health of the servers.
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
    /// it exactly (RFC 8414 section 3.3), so another spelling could not sign anyone in.
    pub fn gateway(&self, slug: &str) -> Option<&Arc<GatewayEntry>> {
        self.configuration.gateways.get(slug)
    }

    /// An active gateway by id.
    pub fn gateway_by_id(&self, id: GatewayId) -> Option<&Arc<GatewayEntry>> {
        self.configuration.gateways_by_id.get(&id)
    }

    /// The active gateways of all projects.
    pub(crate) fn gateway_ids(&self) -> HashSet<GatewayId> {
        self.configuration.gateways_by_id.keys().copied().collect()
    }

    /// A source by id, active or not.
    pub fn source(&self, id: UserSourceId) -> Option<&Arc<UserSource>> {
        self.configuration.sources.get(&id)
    }

    /// A key of role `gateway` by the hash of its text. Expiry is the caller's to check.
    pub fn gateway_key(&self, hash: &TokenHash) -> Option<&Arc<ApiKey>> {
        self.configuration.keys.get(hash)
    }

    /// Whether an account that may sign in is a member of a project: what every grant of a member hangs on. An account
    /// that was disabled, or removed from the project, is not from the next request.
    pub fn is_member(&self, project: ProjectId, account: AccountId) -> bool {
        self.configuration.members.contains(&(project, account))
    }

    /// Whether a grant, user or client is on the deny-list.
    pub fn denies(&self, what: Denied) -> bool {
        let revoked = deny_list::number_of(what).is_some_and(|number| self.deny_list.contains(number));
        revoked || self.configuration.blocked.contains(&what)
    }

    /// All active gateways, in no order.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<GatewayEntry>> {
        self.configuration.gateways.values()
    }

    /// All servers of all projects, in no order.
    pub fn servers(&self) -> &[Arc<ServerEntry>] {
        &self.configuration.servers
    }

    /// All sources of all projects, active or not, in no order.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<UserSource>> {
        self.configuration.sources.values()
    }

    /// The revision it belongs to.
    #[cfg(any(test, feature = "testing"))]
    fn revision(&self) -> i64 {
        self.latest.map_or(0, |latest| latest.configuration)
    }
}

impl Configuration {
    /// Makes a reading ready. What is equal in `previous` is taken from there, plans of gateways included: a
    /// change of one gateway must not make every other one find its servers again.
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
            let (headers, problem) = match crate::headers::resolve(&server, find) {
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
        let mut ready = Self::default();
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
                prefixed: names_tools_by_server(gateway.prefix_mode, chosen.len()),
                plan,
                documents: Documents::default(),
                redaction: gateway
                    .record_arguments
                    .as_ref()
                    .map(|settings| Arc::new(Redaction::of(settings))),
                servers: chosen,
                gateway,
            });
            ready
                .gateways
                .insert(entry.gateway.slug.clone(), Arc::clone(&entry));
            ready.gateways_by_id.insert(entry.gateway.id, entry);
        }
        ready.keys = reading
            .gateway_keys
            .into_iter()
            .map(|key| (key.hash, Arc::new(key)))
            .collect();
        ready.members = reading.members.into_iter().collect();
        ready.blocked = reading.denied.into_iter().collect();
        ready.sources = sources;
        ready.servers = servers;
        ready.secrets = reading.secrets;
        ready
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
