//! The demo's project, User Source, server, gateway and key: made or brought up to date through the same functions as the API.

use gatewright_domain::{
    api_key::KeyRole,
    audit::Origin,
    gateway::{Gateway, GatewayStatus, Mode},
    id::{AccountId, ProjectId, ServerId, UserSourceId},
    secret::Secret,
    server::IdentityForwarding,
    token_hash::TokenHash,
    user_source::UserSourceStatus,
};
use gatewright_store::{Page, PageRequest, gateway_list::GatewayFilter};

use gatewright_admin::Admin;

use crate::operator::{
    Authority, IfMatch, Patch, Run, ServiceError,
    api_keys::{self, NewApiKey},
    demo as demo_service,
    gateways::{self, GatewayPatch, NewGateway},
    projects::{self, NewProject},
    servers::{self, NewServer, ServerPatch},
    user_sources::{self, NewUserSource, UserSourcePatch},
};

/// Names by which a second start finds what the first one made.
const PROJECT: &str = "Demo";
/// The first account comes with a project; this one is for a demo project created before there were accounts.
const OTHER_PROJECT: &str = "Empty project";
const USER_SOURCE: &str = "Demo identity provider";
const SERVER: &str = "demo";
/// The last part of the gateway's URL.
const GATEWAY: &str = "demo";
const GATEWAY_NAME: &str = "Demo gateway";
const KEY: &str = "Demo key";
/// The client id at the demo provider.
pub(super) const CLIENT_ID: &str = "gatewright-demo";
/// Rows per page while looking for something by name: a demo has few.
const PAGE: u32 = 200;

/// Where the gateway finds its neighbours.
pub(super) struct Neighbours<'a> {
    /// The provider's issuer.
    pub(super) issuer: &'a str,
    /// The client secret registered there.
    pub(super) client_secret: &'a str,
    /// The MCP server's endpoint.
    pub(super) server_url: &'a str,
    /// The key shown at an earlier start.
    pub(super) api_key: Option<&'a str>,
}

/// What there is now.
pub(super) struct Objects {
    /// The account that administers all of it.
    pub(super) account: AccountId,
    /// The project.
    pub(super) project: ProjectId,
    /// The gateway.
    pub(super) gateway: Gateway,
    /// The text of a key of role `owner`.
    pub(super) api_key: String,
}

/// Whose the demo is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owned {
    /// The account that administers all of it.
    pub(super) account: AccountId,
    /// The project.
    pub(super) project: ProjectId,
}

/// Creates the account and the project if they are missing. They come first: the MCP server knows the users of this
/// project only.
pub(super) async fn own(app: &Admin) -> Result<Owned, ServiceError> {
    let demo = Demo::new(app);
    let account = demo.account().await?;
    let project = demo.project().await?;
    demo_service::own(app, account, project).await?;
    Ok(Owned { account, project })
}

/// Makes what else is missing and brings the rest up to date.
pub(super) async fn prepare(
    app: &Admin,
    Owned { account, project }: Owned,
    neighbours: &Neighbours<'_>,
) -> Result<Objects, ServiceError> {
    let demo = Demo::new(app);
    let source = demo.user_source(project, neighbours).await?;
    let server = demo.server(project, neighbours.server_url).await?;
    let gateway = demo.gateway(project, source, server).await?;
    let api_key = demo.api_key(project, neighbours.api_key).await?;
    Ok(Objects {
        account,
        project,
        gateway,
        api_key,
    })
}

struct Demo<'a> {
    app: &'a Admin,
    authority: Authority,
}

impl<'a> Demo<'a> {
    fn new(app: &'a Admin) -> Self {
        Self {
            app,
            authority: Authority::operator(Origin::System),
        }
    }

    async fn account(&self) -> Result<AccountId, ServiceError> {
        let is_there = self.find_project().await?.is_some();
        let first = if is_there { OTHER_PROJECT } else { PROJECT };
        Ok(demo_service::account(self.app, first).await?.id)
    }

    async fn find_project(&self) -> Result<Option<ProjectId>, ServiceError> {
        let found = first(
            async |page| projects::list(self.app, &self.authority, page).await,
            |project| project.name == PROJECT,
        );
        Ok(found.await?.map(|project| project.id))
    }

    async fn project(&self) -> Result<ProjectId, ServiceError> {
        if let Some(project) = self.find_project().await? {
            return Ok(project);
        }
        let name = PROJECT.to_owned();
        Ok(projects::create(self.app, &self.authority, NewProject { name })
            .await?
            .id)
    }

    async fn user_source(
        &self,
        project: ProjectId,
        neighbours: &Neighbours<'_>,
    ) -> Result<UserSourceId, ServiceError> {
        let found = first(
            async |page| user_sources::list(self.app, &self.authority, project, page).await,
            |source| source.name == USER_SOURCE,
        )
        .await?;
        let (issuer, secret) = (
            neighbours.issuer.to_owned(),
            Secret::new(neighbours.client_secret),
        );
        let source = if let Some(source) = found {
            let patch = UserSourcePatch {
                issuer: Patch::Set(issuer),
                client_id: Patch::Set(CLIENT_ID.to_owned()),
                client_secret: Patch::Set(secret),
                status: Patch::Set(UserSourceStatus::Active),
                ..UserSourcePatch::default()
            };
            let done = user_sources::update(
                self.app,
                &self.authority,
                project,
                source.id,
                patch,
                &IfMatch::Any,
                Run::Change,
            );
            let saved = done.await?.changed();
            saved.expect("a change that is no rehearsal is made").entity
        } else {
            let new = NewUserSource {
                name: USER_SOURCE.to_owned(),
                description: "Ada and Grace, without passwords. It lives as long as the demo runs."
                    .to_owned(),
                issuer,
                client_id: CLIENT_ID.to_owned(),
                client_secret: Some(secret),
                ..NewUserSource::default()
            };
            user_sources::create(self.app, &self.authority, project, new)
                .await?
                .entity
        };
        Ok(source.id)
    }

    async fn server(&self, project: ProjectId, url: &str) -> Result<ServerId, ServiceError> {
        let found = first(
            async |page| servers::list(self.app, &self.authority, project, page).await,
            |server| server.slug == SERVER,
        )
        .await?;
        let server = if let Some(server) = found {
            let patch = ServerPatch {
                url: Patch::Set(url.to_owned()),
                identity: Patch::Set(IdentityForwarding::Assertion),
                ..ServerPatch::default()
            };
            servers::update(
                self.app,
                &self.authority,
                project,
                server.id,
                patch,
                &IfMatch::Any,
            )
            .await?
            .entity
        } else {
            let new = NewServer {
                slug: SERVER.to_owned(),
                name: "Demo server".to_owned(),
                url: url.to_owned(),
                identity: IdentityForwarding::Assertion,
                ..NewServer::default()
            };
            servers::create(self.app, &self.authority, project, new)
                .await?
                .entity
        };
        Ok(server.id)
    }

    async fn gateway(
        &self,
        project: ProjectId,
        source: UserSourceId,
        server: ServerId,
    ) -> Result<Gateway, ServiceError> {
        let found = first(
            async |page| {
                gateways::list(
                    self.app,
                    &self.authority,
                    project,
                    &GatewayFilter::default(),
                    page,
                )
                .await
            },
            |gateway| gateway.slug == GATEWAY || gateway.name == GATEWAY_NAME,
        )
        .await?;
        if let Some(gateway) = found {
            let patch = GatewayPatch {
                authentication_mode: Patch::Set(Mode::UserSource),
                user_source_id: Patch::Set(source),
                servers: Patch::Set(vec![server]),
                status: Patch::Set(GatewayStatus::Active),
                ..GatewayPatch::default()
            };
            let done = gateways::update(
                self.app,
                &self.authority,
                project,
                gateway.id,
                patch,
                &IfMatch::Any,
                Run::Change,
            );
            let changed = done.await?.changed();
            Ok(changed.expect("a change that is no rehearsal is made"))
        } else {
            let new = |slug: &str| NewGateway {
                name: GATEWAY_NAME.to_owned(),
                description: "Tools of the demo server, for Ada and Grace.".to_owned(),
                instructions: "Call whoami to see who the servers behind this gateway think you are."
                    .to_owned(),
                slug: slug.to_owned(),
                authentication_mode: Some(Mode::UserSource),
                user_source_id: Some(source),
                servers: vec![server],
                ..NewGateway::default()
            };
            match gateways::create(self.app, &self.authority, project, new(GATEWAY)).await {
                // A demo project that was deleted keeps its gateway's address forever: another one is minted.
                Err(ServiceError::Invalid(_)) => {
                    gateways::create(self.app, &self.authority, project, new("")).await
                }
                made => made,
            }
        }
    }

    /// The key of an earlier start while it is live, or a new one: a key's text cannot be read again.
    async fn api_key(&self, project: ProjectId, kept: Option<&str>) -> Result<String, ServiceError> {
        if let Some(text) = kept {
            let (hash, now) = (TokenHash::of(text), self.app.now());
            let found = first(
                async |page| api_keys::list(self.app, &self.authority, Some(project), page).await,
                |key| key.hash == hash && api_keys::is_live(key, now),
            )
            .await?;
            if found.is_some() {
                return Ok(text.to_owned());
            }
        }
        let new = NewApiKey {
            name: KEY.to_owned(),
            role: Some(KeyRole::Owner),
            ..NewApiKey::default()
        };
        let made = api_keys::create(self.app, &self.authority, project, new).await?;
        Ok(made.text.expose().to_owned())
    }
}

/// The first row of a list that fits.
async fn first<T>(
    mut list: impl AsyncFnMut(&PageRequest) -> Result<Page<T>, ServiceError>,
    fits: impl Fn(&T) -> bool,
) -> Result<Option<T>, ServiceError> {
    let mut request = PageRequest::first(PAGE);
    loop {
        let page = list(&request).await?;
        if let Some(row) = page.items.into_iter().find(&fits) {
            return Ok(Some(row));
        }
        if page.next.is_none() {
            return Ok(None);
        }
        request.after = page.next;
    }
}
