//! Projects written as declarations. Servers stay in their order, which decides between equal names; the rest is sorted by name.

use std::collections::{BTreeMap, HashSet};

use gatewright_domain::{
    api_key::KeyScope,
    gateway::{Allowed, Gateway},
    id::ServerId,
    member::Role,
    project::Project,
    server::{DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, Server},
    user_source::UserSource,
};
use serde_json::Value;

use super::present::Present;
use crate::{
    Admin,
    declared::{
        model::{self, SecretReference, VERSION},
        write,
    },
    service::{Authority, ServiceError, change::every, projects, servers::is_reference},
};

/// What stands in the place of the values of secrets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum References {
    /// `existing: true`: for the instance that has them.
    #[default]
    Existing,
    /// `env: NAME`, for another instance: the reader has to set these variables.
    Environment,
}

/// A project, written as a declaration.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Its name.
    pub project: String,
    /// The document.
    pub text: String,
    /// Headers of servers whose value is written out and not a reference to a secret, like `search: X-Key`.
    pub plain_headers: Vec<String>,
}

/// Writes the project of this name, or (`None`) all projects.
pub async fn export(
    app: &Admin,
    authority: &Authority,
    project: Option<&str>,
    references: References,
) -> Result<Vec<Exported>, ServiceError> {
    let mut projects = every!(page => projects::list(app, authority, &page));
    if let Some(name) = project {
        projects.retain(|project| is_named(project, name));
        if projects.is_empty() {
            return Err(ServiceError::not_found("project"));
        }
    }
    let mut exported = Vec::with_capacity(projects.len());
    for project in projects {
        let mut tx = app.store.read(authority.read(project.id)?).await?;
        let present = Present::read(&mut tx, project.id, app.now()).await?;
        drop(tx);
        let headers = present
            .servers
            .iter()
            .flat_map(|server| server.headers.iter().map(move |header| (server, header)));
        let plain = headers.filter(|(_, header)| !is_reference(&header.value));
        exported.push(Exported {
            plain_headers: plain
                .map(|(server, header)| format!("{}: {}", server.slug, header.name))
                .collect(),
            text: write(&declared(&project, &present, references)),
            project: project.name,
        });
    }
    Ok(exported)
}

/// Whether a project has this name, or this ID.
fn is_named(project: &Project, name: &str) -> bool {
    project.name.to_lowercase() == name.trim().to_lowercase() || project.id.to_string() == name
}

/// A project as a file declares it.
pub(super) fn declared(project: &Project, present: &Present, references: References) -> model::Project {
    let mut named = Variables {
        project: &project.name,
        references,
        taken: HashSet::new(),
    };
    let mut secrets: Vec<_> = present.secrets.iter().collect();
    secrets.sort_by_key(|secret| &secret.name);
    let secrets = secrets.into_iter().map(|secret| model::StoredSecret {
        name: secret.name.clone(),
        value: named.reference(&secret.name, ""),
        origins: secret.origins.clone(),
    });
    let secrets = Some(secrets.collect());
    let mut sources: Vec<_> = present.sources.iter().collect();
    sources.sort_by_key(|source| source.name.to_lowercase());
    let sources = sources.into_iter().map(|source| {
        let secret = named.reference(&source.name, "_CLIENT_SECRET");
        user_source(source, secret)
    });
    let user_sources = Some(sources.collect());
    let mut gateways: Vec<_> = present.gateways.iter().collect();
    gateways.sort_by_key(|gateway| gateway.slug.to_lowercase());
    model::Project {
        version: VERSION,
        project: project.name.clone(),
        secrets,
        user_sources,
        servers: Some(present.servers.iter().map(server).collect()),
        gateways: Some(
            gateways
                .into_iter()
                .map(|found| gateway(found, present))
                .collect(),
        ),
        members: Some(members(present)),
        keys: Some(keys(present)),
    }
}

fn user_source(source: &UserSource, client_secret: SecretReference) -> model::UserSource {
    model::UserSource {
        name: source.name.clone(),
        description: source.description.clone(),
        issuer: source.issuer.clone(),
        client_id: source.client_id.clone(),
        client_secret,
        client_secret_expires_at: source.client_secret_expires_at,
        client_authentication: source.client_authentication.choice,
        scopes: source.scopes.clone(),
        subject_claim: Some(source.subject_claim.clone()),
        callback: source.callback,
        status: source.status,
    }
}

fn server(server: &Server) -> model::Server {
    let is_own = server.name != server.slug;
    let name = if is_own {
        server.name.clone()
    } else {
        String::new()
    };
    model::Server {
        slug: server.slug.clone(),
        name,
        prefix: server.prefix.clone().unwrap_or_default(),
        url: server.url.clone(),
        timeout_ms: Some(server.timeout_ms).filter(|timeout| *timeout != DEFAULT_TIMEOUT_MS),
        retries: Some(server.retries).filter(|retries| *retries != DEFAULT_RETRIES),
        headers: server.headers.clone(),
        identity: server.identity,
        protocol: server.protocol,
    }
}

fn gateway(gateway: &Gateway, present: &Present) -> model::Gateway {
    let slug = |id: ServerId| present.server_slug(id).map(str::to_owned);
    let source = gateway.authentication.user_source();
    model::Gateway {
        slug: gateway.slug.clone(),
        name: gateway.name.clone(),
        description: gateway.description.clone(),
        instructions: gateway.instructions.clone(),
        server_instructions: gateway.server_instructions,
        authentication_mode: gateway.authentication.mode(),
        user_source: source.and_then(|id| present.source_name(id)).map(str::to_owned),
        servers: gateway.servers.iter().filter_map(|id| slug(*id)).collect(),
        prefix_mode: gateway.prefix_mode,
        offers: gateway.offers,
        allowed_tools: chosen(&gateway.allowed_tools, slug, |server, tool| model::AllowedTool {
            server,
            tool,
        }),
        allowed_prompts: chosen(&gateway.allowed_prompts, slug, |server, prompt| {
            model::AllowedPrompt { server, prompt }
        }),
        allowed_resources: chosen(&gateway.allowed_resources, slug, |server, uri| {
            model::AllowedResource { server, uri }
        }),
        trusted_clients: gateway.trusted_clients.clone(),
        status: gateway.status,
        settings: gateway.settings.clone(),
        record_arguments: gateway.record_arguments.clone(),
        clients: Some(clients(gateway, present)),
    }
}

fn chosen<A: Allowed, D>(
    items: &[A],
    slug: impl Fn(ServerId) -> Option<String>,
    make: impl Fn(String, String) -> D,
) -> Vec<D> {
    let items = items.iter();
    items
        .filter_map(|item| Some(make(slug(item.server())?, item.key().to_owned())))
        .collect()
}

fn clients(gateway: &Gateway, present: &Present) -> Vec<model::Client> {
    let of_gateway = present
        .clients
        .iter()
        .filter(|client| client.gateway_id == gateway.id);
    let mut clients: Vec<_> = of_gateway
        .map(|client| model::Client {
            name: client.name.clone(),
            redirect_uris: client
                .redirect_uri_texts()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            token_endpoint_auth_method: client.proof.method().as_str().to_owned(),
            jwks: client
                .proof
                .jwks()
                .and_then(|jwks| serde_json::from_str::<Value>(jwks).ok()),
        })
        .collect();
    clients.sort_by(|one, other| one.name.cmp(&other.name));
    clients
}

/// Members, and those who are invited. Of several accounts with one address the highest role counts.
fn members(present: &Present) -> Vec<model::Member> {
    let mut roles: BTreeMap<String, (String, Role)> = BTreeMap::new();
    let members = present
        .members
        .iter()
        .map(|(member, account)| (&account.email, member.role));
    let invited = present.invitations.iter().map(|it| (&it.email, it.role));
    let is_member: HashSet<String> = members.clone().map(|(email, _)| email.key()).collect();
    let invited = invited.filter(|(email, _)| !is_member.contains(&email.key()));
    for (email, role) in members.chain(invited) {
        let known = roles
            .entry(email.key())
            .or_insert_with(|| (email.as_str().to_owned(), role));
        known.1 = known.1.max(role);
    }
    let roles = roles.into_values();
    roles.map(|(email, role)| model::Member { email, role }).collect()
}

/// Keys that work. A key of a gateway that was deleted does not.
fn keys(present: &Present) -> Vec<model::Key> {
    let mut keys: Vec<model::Key> = Vec::new();
    for key in &present.keys {
        let KeyScope::Project { role, gateway_id, .. } = key.scope else {
            continue;
        };
        let gateway = match gateway_id.map(|id| present.gateway_slug(id)) {
            Some(None) => continue,
            Some(Some(slug)) => Some(slug.to_owned()),
            None => None,
        };
        let is_same =
            |known: &model::Key| known.name == key.name && known.role == role && known.gateway == gateway;
        if !keys.iter().any(is_same) {
            keys.push(model::Key {
                name: key.name.clone(),
                role,
                gateway,
                expires_at: key.expires_at,
            });
        }
    }
    keys.sort_by(|one, other| {
        (&one.name, one.role, &one.gateway).cmp(&(&other.name, other.role, &other.gateway))
    });
    keys
}

/// Names of variables that the reader sets, each once.
struct Variables<'a> {
    project: &'a str,
    references: References,
    taken: HashSet<String>,
}

impl Variables<'_> {
    fn reference(&mut self, name: &str, ending: &str) -> SecretReference {
        if self.references == References::Existing {
            return SecretReference::Existing(true);
        }
        let raw = format!("{}_{name}{ending}", self.project);
        let mut variable: String = raw
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect();
        if !variable.starts_with(|c: char| c.is_ascii_uppercase()) || variable.starts_with("GATEWRIGHT") {
            variable.insert_str(0, "SECRET_");
        }
        let mut number = 2;
        let first = variable.clone();
        while !self.taken.insert(variable.clone()) {
            variable = format!("{first}_{number}");
            number += 1;
        }
        SecretReference::Env(variable)
    }
}
