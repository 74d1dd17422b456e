//! Secrets, servers, gateways and their clients of a declaration.

use gatewright_domain::{
    Invalid,
    gateway::{Allowed, Mode},
    id::{GatewayId, ServerId},
    preregistered_client::{ClientProof, PreregisteredClient},
    sealed::Purpose,
    secret::Secret,
    stored_secret::{StoredSecret, check_origins},
};

use super::{
    apply::{Stop, Work, at},
    credentials::Values,
    outcome::Credential,
};
use crate::{
    declared::model,
    service::{
        IfMatch, Patch,
        effects::Done,
        gateways::{self, GatewayPatch, NewGateway},
        preregistered_clients::{self as clients, NewPreregisteredClient, PreregisteredClientPatch},
        secrets::{self, NewSecret, SecretPatch},
        servers::{self, NewServer, ServerPatch, Tried, TriedChange},
    },
};

/// Whether two names are one: capitals do not count.
fn is_same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

impl Work<'_, '_> {
    /// Creates secrets, and gives others their new value and origins. No origin is taken away yet: a server may use it until
    /// it is changed.
    pub(super) async fn widen_secrets(&mut self, values: &mut Values) -> Result<(), Stop> {
        let declaration = self.declaration;
        for (index, declared) in declaration.project.secrets.iter().flatten().enumerate() {
            let pointer = format!("/secrets/{index}");
            let value = values.secrets.get_mut(index).and_then(Option::take);
            let Some(current) = self.present.secret(&declared.name) else {
                let new = NewSecret {
                    name: declared.name.clone(),
                    value,
                    origins: declared.origins.clone(),
                };
                let new = new.check().map_err(at(&pointer))?;
                let created = secrets::create_in(self.change, self.project, new).await;
                created.map_err(at(&pointer))?;
                continue;
            };
            let mut origins = check_origins("/origins", &declared.origins).map_err(at(&pointer))?;
            let is_wider = origins.iter().any(|origin| !current.origins.contains(origin));
            let value = value.filter(|value| is_wider || !self.is_stored(current, value));
            if value.is_none() && !is_wider {
                continue;
            }
            let kept = current.origins.iter().filter(|origin| !origins.contains(origin));
            let kept: Vec<_> = kept.cloned().collect();
            origins.extend(kept);
            let patch = SecretPatch {
                value: value.into(),
                origins: Patch::Set(origins),
            };
            let saved = secrets::update_in(self.change, self.project, current.id, patch, &IfMatch::Any).await;
            saved.map_err(at(&pointer))?;
        }
        Ok(())
    }

    /// Takes away origins that no server needs any more.
    pub(super) async fn narrow_secrets(&mut self) -> Result<(), Stop> {
        let declaration = self.declaration;
        for (index, declared) in declaration.project.secrets.iter().flatten().enumerate() {
            let Some(current) = self.present.secret(&declared.name) else {
                continue;
            };
            let patch = SecretPatch {
                value: Patch::Keep,
                origins: Patch::Set(declared.origins.clone()),
            };
            let saved = secrets::update_in(self.change, self.project, current.id, patch, &IfMatch::Any).await;
            saved.map_err(at(&format!("/secrets/{index}")))?;
        }
        Ok(())
    }

    /// Whether a value is the one that is stored.
    fn is_stored(&self, secret: &StoredSecret, value: &Secret) -> bool {
        let context = StoredSecret::context(secret.id);
        let keyring = &self.change.app().keyring;
        keyring
            .open_secret(Purpose::StoredSecret, &context, &secret.value)
            .is_ok_and(|stored| stored.matches(value.expose()))
    }

    /// Creates and changes servers. They are not asked: the instance that serves asks them when it needs them.
    pub(super) async fn save_servers(&mut self) -> Result<(), Stop> {
        let declaration = self.declaration;
        let declared = declaration.project.servers.as_deref().unwrap_or_default();
        let app = self.change.app();
        // IDs of one millisecond are in no order, and that of the file decides between equal names.
        let new = || ServerId::generate(app.clock.as_ref(), app.entropy.as_ref());
        let mut ids: Vec<_> = declared.iter().map(|_| new()).collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        for (index, server) in declared.iter().enumerate() {
            let pointer = format!("/servers/{index}");
            let new = NewServer {
                slug: server.slug.clone(),
                prefix: Some(server.prefix.clone()),
                name: server.name.clone(),
                url: server.url.clone(),
                timeout_ms: server.timeout_ms,
                retries: server.retries,
                headers: server.headers.clone(),
                identity: server.identity,
                protocol: server.protocol,
            };
            if let Some(seen) = self.present.server(&server.slug) {
                let patch = ServerPatch {
                    timeout_ms: server.timeout_ms.map_or(Patch::Clear, Patch::Set),
                    retries: server.retries.map_or(Patch::Clear, Patch::Set),
                    ..ServerPatch::from(new)
                };
                let tried = TriedChange::unasked(app, seen.clone(), patch).map_err(at(&pointer))?;
                let saved = servers::update_in(self.change, tried).await;
                saved.map_err(at(&pointer))?;
            } else {
                let id = ids
                    .pop()
                    .unwrap_or_else(|| ServerId::generate(app.clock.as_ref(), app.entropy.as_ref()));
                let tried = Tried::unasked(app, self.project, id, new).map_err(at(&pointer))?;
                let saved = servers::create_in(self.change, tried).await;
                saved.map_err(at(&pointer))?;
                self.servers.insert(server.slug.clone(), id);
            }
        }
        Ok(())
    }

    /// Creates and changes gateways, each with its clients.
    pub(super) async fn save_gateways(&mut self) -> Result<(), Stop> {
        let declaration = self.declaration;
        for (index, declared) in declaration.project.gateways.iter().flatten().enumerate() {
            let pointer = format!("/gateways/{index}");
            let id = self.save_gateway(&pointer, declared).await?;
            self.save_clients(&pointer, id, declared).await?;
        }
        Ok(())
    }

    async fn save_gateway(&mut self, pointer: &str, declared: &model::Gateway) -> Result<GatewayId, Stop> {
        let new = self.new_gateway(pointer, declared)?;
        let known = self.present.gateway(&declared.slug);
        let has_lost_its_source = known.is_some_and(|known| {
            let source = known.authentication.user_source();
            source.is_some_and(|id| self.present.source_name(id).is_none())
        });
        if declared.authentication_mode == Mode::UserSource
            && new.user_source_id.is_none()
            && !has_lost_its_source
        {
            let detail = "This mode needs a User Source: enter the name of one, or choose another mode.";
            return Err(at(pointer)(Invalid::one("/user_source", detail)));
        }
        let Some(known) = known else {
            let checked = gateways::check(self.change.app(), self.project, new).map_err(at(pointer))?;
            let created = gateways::create_in(self.change, checked).await;
            let id = created.map_err(at(pointer))?.id;
            self.gateways.insert(declared.slug.trim().to_lowercase(), id);
            return Ok(id);
        };
        self.note_recording(known, declared.record_arguments.is_some());
        let patch = GatewayPatch {
            record_arguments: declared.record_arguments.clone().map_or(Patch::Clear, Patch::Set),
            ..GatewayPatch::from(new)
        };
        let done = gateways::update_in(self.change, self.project, known.id, patch, &IfMatch::Any).await;
        if let Done::WouldTouch(effects) = done.map_err(at(pointer))? {
            self.touches(&known.id, effects);
        }
        Ok(known.id)
    }

    fn new_gateway(&self, pointer: &str, declared: &model::Gateway) -> Result<NewGateway, Stop> {
        let servers = declared.servers.iter().map(|slug| self.server_id(pointer, slug));
        let source = declared.user_source.as_ref();
        Ok(NewGateway {
            name: declared.name.clone(),
            description: declared.description.clone(),
            instructions: declared.instructions.clone(),
            server_instructions: declared.server_instructions,
            slug: declared.slug.clone(),
            authentication_mode: Some(declared.authentication_mode),
            user_source_id: source.and_then(|name| self.sources.get(&name.trim().to_lowercase()).copied()),
            trusted_clients: declared.trusted_clients.clone(),
            servers: servers.collect::<Result<_, _>>()?,
            prefix_mode: declared.prefix_mode,
            offers: declared.offers,
            allowed_tools: self.chosen(pointer, &declared.allowed_tools, |it| (&it.server, &it.tool))?,
            allowed_prompts: self
                .chosen(pointer, &declared.allowed_prompts, |it| (&it.server, &it.prompt))?,
            allowed_resources: self
                .chosen(pointer, &declared.allowed_resources, |it| (&it.server, &it.uri))?,
            status: Some(declared.status),
            settings: declared.settings.clone(),
            record_arguments: declared.record_arguments.clone(),
        })
    }

    fn chosen<D, A: Allowed>(
        &self,
        pointer: &str,
        declared: &[D],
        parts: impl Fn(&D) -> (&String, &String),
    ) -> Result<Vec<A>, Stop> {
        let items = declared.iter().map(parts);
        items
            .map(|(server, key)| Ok(A::new(self.server_id(pointer, server)?, key.clone())))
            .collect()
    }

    /// A server by its slug. One that cannot be found stops everything: a list that lost its only item would mean all.
    fn server_id(&self, pointer: &str, slug: &str) -> Result<ServerId, Stop> {
        self.servers.get(slug).copied().ok_or_else(|| {
            let detail =
                format!("There is no server `{slug}`. Correct the name, or add the server to the file.");
            at(pointer)(Invalid::one("/servers", detail))
        })
    }

    async fn save_clients(
        &mut self,
        pointer: &str,
        gateway: GatewayId,
        declared: &model::Gateway,
    ) -> Result<(), Stop> {
        let Some(wanted) = &declared.clients else {
            return Ok(());
        };
        let present = self.present;
        let of_gateway = |client: &&PreregisteredClient| client.gateway_id == gateway;
        if self.options.prune {
            for gone in present.clients.iter().filter(of_gateway) {
                if !wanted.iter().any(|client| is_same(&client.name, &gone.name)) {
                    let deleted =
                        clients::delete_in(self.change, self.project, gateway, gone.id, &IfMatch::Any).await;
                    deleted.map_err(at(&format!("{pointer}/clients")))?;
                }
            }
        }
        for (index, client) in wanted.iter().enumerate() {
            let pointer = format!("{pointer}/clients/{index}");
            let mut known = present.clients.iter().filter(of_gateway);
            match known.find(|known| is_same(&known.name, &client.name)) {
                Some(known) => self.change_client(&pointer, known, client).await?,
                None => self.create_client(&pointer, gateway, declared, client).await?,
            }
        }
        Ok(())
    }

    async fn create_client(
        &mut self,
        pointer: &str,
        gateway: GatewayId,
        declared: &model::Gateway,
        client: &model::Client,
    ) -> Result<(), Stop> {
        let new = NewPreregisteredClient {
            name: client.name.clone(),
            redirect_uris: client.redirect_uris.clone(),
            token_endpoint_auth_method: client.token_endpoint_auth_method.clone(),
            jwks: client.jwks.clone(),
        };
        let new = new.check().map_err(at(pointer))?;
        let made = clients::create_in(self.change, self.project, gateway, new).await;
        let made = made.map_err(at(pointer))?;
        self.credentials.extend(made.secret.map(|text| Credential {
            kind: "client_secret",
            name: format!("{}/{}", declared.slug, made.client.name),
            id: made.client.id.to_string(),
            text,
        }));
        Ok(())
    }

    async fn change_client(
        &mut self,
        pointer: &str,
        known: &PreregisteredClient,
        client: &model::Client,
    ) -> Result<(), Stop> {
        let method = known.proof.method().as_str();
        if client.token_endpoint_auth_method != method {
            let detail = format!(
                "The method of a client never changes, and this one has `{method}`: enter that, or give the client another name, so \
                 that another one is registered."
            );
            return Err(at(pointer)(Invalid::one("/token_endpoint_auth_method", detail)));
        }
        let jwks = match (&client.jwks, &known.proof) {
            (Some(jwks), _) => Patch::Set(jwks.clone()),
            (None, ClientProof::Key { .. }) => Patch::Clear,
            (None, ClientProof::Public | ClientProof::Secret { .. }) => Patch::Keep,
        };
        let patch = PreregisteredClientPatch {
            name: Patch::Set(client.name.clone()),
            redirect_uris: Patch::Set(client.redirect_uris.clone()),
            jwks,
        };
        let (project, gateway) = (self.project, known.gateway_id);
        let saved = clients::update_in(self.change, project, gateway, known.id, patch, &IfMatch::Any).await;
        saved.map(drop).map_err(at(pointer))
    }
}
