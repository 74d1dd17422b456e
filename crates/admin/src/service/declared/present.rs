//! What a project has, as far as declarations say something about it.

use std::collections::HashMap;

use gatewright_domain::{
    Timestamp,
    account::Account,
    api_key::ApiKey,
    gateway::Gateway,
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
    invitation::{Invitation, InvitationStatus},
    member::Member,
    preregistered_client::PreregisteredClient,
    server::Server,
    stored_secret::StoredSecret,
    user_source::UserSource,
};
use gatewright_store::{
    Tx, api_key, gateway,
    gateway_list::GatewayFilter,
    invitation, member, preregistered_client, secret, server,
    user_source::{self, UserSourceFilter},
};

use crate::service::{ServiceError, api_keys::is_live, change::every};

/// The contents of a project.
#[derive(Debug, Default)]
pub(super) struct Present {
    pub(super) secrets: Vec<StoredSecret>,
    pub(super) sources: Vec<UserSource>,
    /// Oldest first, which is their order at a gateway that lists none.
    pub(super) servers: Vec<Server>,
    pub(super) gateways: Vec<Gateway>,
    /// Of all gateways.
    pub(super) clients: Vec<PreregisteredClient>,
    pub(super) members: Vec<(Member, Account)>,
    /// Those that are open.
    pub(super) invitations: Vec<Invitation>,
    /// Those that work and were not rotated.
    pub(super) keys: Vec<ApiKey>,
    /// Those that were rotated, and work for a while longer.
    pub(super) rotated_keys: Vec<ApiKey>,
}

impl Present {
    /// Reads it.
    pub(super) async fn read(tx: &mut Tx, project: ProjectId, now: Timestamp) -> Result<Self, ServiceError> {
        let gateways = every!(page => gateway::list(tx, project, &GatewayFilter::default(), &page));
        let mut clients = Vec::new();
        for found in &gateways {
            let of_gateway = every!(page => preregistered_client::list(tx, project, found.id, &page));
            clients.extend(of_gateway);
        }
        let mut invitations = every!(page => invitation::list(tx, project, &page));
        invitations.retain(|invitation| invitation.status(now) == InvitationStatus::Open);
        let mut keys = every!(page => api_key::list(tx, Some(project), &page));
        keys.retain(|key| is_live(key, now));
        let (keys, rotated_keys) = keys.into_iter().partition(|key| key.successor_id.is_none());
        Ok(Self {
            secrets: every!(page => secret::list(tx, project, &page)),
            sources: every!(page => user_source::list(tx, project, &UserSourceFilter::default(), &page)),
            servers: every!(page => server::list(tx, project, &page)),
            members: every!(page => member::list(tx, project, &page)),
            gateways,
            clients,
            invitations,
            keys,
            rotated_keys,
        })
    }

    /// The source of this name.
    pub(super) fn source(&self, name: &str) -> Option<&UserSource> {
        let name = name.trim().to_lowercase();
        self.sources
            .iter()
            .find(|source| source.name.to_lowercase() == name)
    }

    /// The server of this slug.
    pub(super) fn server(&self, slug: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.slug == slug)
    }

    /// The gateway of this slug.
    pub(super) fn gateway(&self, slug: &str) -> Option<&Gateway> {
        self.gateways
            .iter()
            .find(|gateway| gateway.slug.eq_ignore_ascii_case(slug))
    }

    /// The secret of this name.
    pub(super) fn secret(&self, name: &str) -> Option<&StoredSecret> {
        self.secrets.iter().find(|secret| secret.name == name)
    }

    /// The name of a source, if it exists.
    pub(super) fn source_name(&self, id: UserSourceId) -> Option<&str> {
        let source = self.sources.iter().find(|source| source.id == id);
        source.map(|source| source.name.as_str())
    }

    /// The slug of a server, if it exists.
    pub(super) fn server_slug(&self, id: ServerId) -> Option<&str> {
        let server = self.servers.iter().find(|server| server.id == id);
        server.map(|server| server.slug.as_str())
    }

    /// The slug of a gateway, if it exists.
    pub(super) fn gateway_slug(&self, id: GatewayId) -> Option<&str> {
        let gateway = self.gateways.iter().find(|gateway| gateway.id == id);
        gateway.map(|gateway| gateway.slug.as_str())
    }

    /// What people call each thing, by ID.
    pub(super) fn names(&self) -> HashMap<String, String> {
        let mut names = HashMap::new();
        let mut add = |id: String, name: &str| names.insert(id, name.to_owned());
        for secret in &self.secrets {
            add(secret.id.to_string(), &secret.name);
        }
        for source in &self.sources {
            add(source.id.to_string(), &source.name);
        }
        for server in &self.servers {
            add(server.id.to_string(), &server.slug);
        }
        for gateway in &self.gateways {
            add(gateway.id.to_string(), &gateway.slug);
        }
        for client in &self.clients {
            let gateway = self.gateway_slug(client.gateway_id).unwrap_or_default();
            add(client.id.to_string(), &format!("{gateway}/{}", client.name));
        }
        names
    }
}
