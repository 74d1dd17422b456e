//! Upstream servers: create, list, read, change, delete.

mod audited;
mod entity;
mod origin;
mod trial;
mod usage;

use gatewright_domain::{
    Invalid,
    id::{ProjectId, ServerId},
    server::{CustomHeader, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, IdentityForwarding, ProtocolChoice, Server},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    server::{self as rows},
};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

pub use audited::is_reference;
pub use usage::{count_gateways, gateways_of};

use audited::hidden_changes;
use origin::claim_origin;

use super::{
    Authority, IfMatch, Patch, ServiceError,
    address::check_address,
    authority::{MayChange, MayRead},
    change::{Change, every},
    entity::{Entity, Saved},
    server_checks::{self, Answered},
};
use crate::{Admin, relying_party::check::Finding, schema};

/// A server to register.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServer {
    /// `[a-z0-9-]{1,40}`, unique in the project. Without a `prefix`, the names of its tools begin with it if a gateway adds one.
    #[schema(required = true, pattern = "^[a-z0-9-]{1,40}$")]
    #[serde(default)]
    pub slug: String,
    /// `[a-z0-9-]{1,20}`: what the names of its tools and prompts begin with if a gateway adds a prefix; the slug if left
    /// out or empty. No other server of the project can have it as its prefix, or as its slug without a prefix.
    #[schema(pattern = "^[a-z0-9-]{0,20}$")]
    #[serde(default)]
    pub prefix: Option<String>,
    /// What people call it; the slug when left out.
    #[schema(max_length = 80)]
    #[serde(default)]
    pub name: String,
    /// Its Streamable HTTP endpoint.
    #[schema(required = true, format = "uri")]
    #[serde(default)]
    pub url: String,
    /// How long one request may take, in milliseconds; 60000 when left out.
    #[schema(minimum = 100, maximum = 600_000)]
    #[serde(default)]
    pub timeout_ms: Option<u32>,
    /// How often a request that certainly was not processed is tried again; 1 when left out.
    #[schema(maximum = 5)]
    #[serde(default)]
    pub retries: Option<u8>,
    /// Headers sent with every request; values may name secrets as `${secret:NAME}`.
    #[schema(value_type = Vec<schema::CustomHeader>)]
    #[serde(default)]
    pub headers: Vec<CustomHeader>,
    /// What it receives about the user: `none` (default), or `assertion` for a signed identity. A server must check the
    /// claim `project` of each assertion beside `iss` and `aud`. 422 if another project already sends assertions to the
    /// same origin and the operator has not allowed that.
    #[schema(schema_with = schema::identity)]
    #[serde(default)]
    pub identity: IdentityForwarding,
    /// Which revisions of MCP are tried: `automatic` (default), or `sessions_only` for a server that behaves badly when it is
    /// asked for 2026-07-28. It is then asked with `initialize` only.
    #[schema(schema_with = schema::protocol)]
    #[serde(default)]
    pub protocol: ProtocolChoice,
}

/// A change of a server. What is left out stays; `null` resets to the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerPatch {
    /// `[a-z0-9-]{1,40}`. Without a `prefix`, a new slug renames its tools if a gateway adds one.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub slug: Patch<String>,
    /// What the names of its tools and prompts begin with if a gateway adds a prefix. A new one renames them. `null` or an
    /// empty text means the slug.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{0,20}$")]
    #[serde(default)]
    pub prefix: Patch<String>,
    /// What people call it.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
    /// Its Streamable HTTP endpoint. Secrets its headers name must be allowed at the new origin.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub url: Patch<String>,
    /// Milliseconds.
    #[schema(value_type = Option<u32>, minimum = 100, maximum = 600_000)]
    #[serde(default)]
    pub timeout_ms: Patch<u32>,
    /// Tries after the first.
    #[schema(value_type = Option<u8>, maximum = 5)]
    #[serde(default)]
    pub retries: Patch<u8>,
    /// All headers; the list is replaced as a whole.
    #[schema(value_type = Option<Vec<schema::CustomHeader>>)]
    #[serde(default)]
    pub headers: Patch<Vec<CustomHeader>>,
    /// What it receives about the user. 422 as on creation.
    #[schema(schema_with = schema::identity_or_null)]
    #[serde(default)]
    pub identity: Patch<IdentityForwarding>,
    /// Which revisions of MCP are tried.
    #[schema(schema_with = schema::protocol_or_null)]
    #[serde(default)]
    pub protocol: Patch<ProtocolChoice>,
}

/// What a new server has is what a change makes of a blank one.
impl From<NewServer> for ServerPatch {
    fn from(new: NewServer) -> Self {
        Self {
            slug: Patch::Set(new.slug),
            prefix: new.prefix.into(),
            name: Patch::Set(new.name),
            url: Patch::Set(new.url),
            timeout_ms: new.timeout_ms.into(),
            retries: new.retries.into(),
            headers: Patch::Set(new.headers),
            identity: Patch::Set(new.identity),
            protocol: Patch::Set(new.protocol),
        }
    }
}

impl ServerPatch {
    /// The server after the change, not checked yet.
    fn over(self, current: &Server) -> Server {
        Server {
            slug: self.slug.over(&current.slug),
            prefix: self.prefix.map(Some).over(&current.prefix),
            name: self.name.over(&current.name),
            url: self.url.over(&current.url),
            timeout_ms: self.timeout_ms.over_or(&current.timeout_ms, DEFAULT_TIMEOUT_MS),
            retries: self.retries.over_or(&current.retries, DEFAULT_RETRIES),
            headers: self.headers.over(&current.headers),
            identity: self.identity.over(&current.identity),
            protocol: self.protocol.over(&current.protocol),
            ..current.clone()
        }
    }
}

/// Registers a server. It is asked what it is before that; one that does not answer is registered all the same, and the
/// warnings say so.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewServer,
) -> Result<Saved<Server>, ServiceError> {
    let permit = authority.change(project)?;
    let tried = try_new(app, permit, project, new).await?;
    let mut change = Change::begin(app, permit).await?;
    let created = create_in(&mut change, tried).await;
    let created = change.finish(created).await?;
    Ok(created.keep(app))
}

/// A server that can be created, and the result of asking it.
pub(super) struct Tried {
    server: Server,
    url: Url,
    outcome: Option<Result<Answered, Finding>>,
}

impl Tried {
    /// A new server, checked and not asked.
    pub(super) fn unasked(
        app: &Admin,
        project: ProjectId,
        id: ServerId,
        new: NewServer,
    ) -> Result<Self, Invalid> {
        let blank = Server::blank(id, project, app.now());
        let (server, url) = check(app, ServerPatch::from(new).over(&blank))?;
        let outcome = None;
        Ok(Self { server, url, outcome })
    }
}

/// A server that was written, and the result of asking it, if it was asked.
pub(super) struct Written {
    server: Server,
    outcome: Option<Result<Answered, Finding>>,
}

impl Written {
    /// Keeps what the server showed, once its change is committed.
    pub(super) fn keep(self, app: &Admin) -> Saved<Server> {
        let Self { server, outcome } = self;
        let warnings = outcome.as_ref().map(|outcome| trial::warnings(&server, outcome));
        if let Some(outcome) = outcome {
            server_checks::keep(app, &server, outcome);
        }
        Saved {
            entity: server,
            warnings: warnings.unwrap_or_default(),
        }
    }
}

/// Checks a new server and asks what it is. Nothing of the store is held while it is waited for.
pub(super) async fn try_new(
    app: &Admin,
    permit: MayChange<'_>,
    project: ProjectId,
    new: NewServer,
) -> Result<Tried, ServiceError> {
    let id = ServerId::generate(app.clock.as_ref(), app.entropy.as_ref());
    let Tried { server, url, .. } = Tried::unasked(app, project, id, new)?;
    let mut tx = app.store.read(permit).await?;
    if gatewright_store::project::find(&mut tx, project).await?.is_none() {
        return Err(ServiceError::not_found("project"));
    }
    check_secrets(&mut tx, &server, &url).await?;
    let trial = trial::prepare(app, &mut tx, &server).await?;
    drop(tx);
    let outcome = Some(trial.run(app).await);
    Ok(Tried { server, url, outcome })
}

/// Creates a server in a change that has begun.
pub(super) async fn create_in(change: &mut Change<'_>, tried: Tried) -> Result<Written, ServiceError> {
    let Tried {
        mut server,
        url,
        outcome,
    } = tried;
    check_secrets(&mut change.tx, &server, &url).await?;
    claim_origin(change, None, &server).await?;
    server.created_at = change.now;
    server.updated_at = change.now;
    change.create(&server, Vec::new()).await?;
    Ok(Written { server, outcome })
}

/// Servers of a project, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<Server>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, page).await?)
}

/// One server.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ServerId,
) -> Result<Server, ServiceError> {
    find_with(app, authority.read(project)?, id).await
}

/// One server of the project that a permit opens.
pub(super) async fn find_with(app: &Admin, permit: MayRead, id: ServerId) -> Result<Server, ServiceError> {
    let mut tx = app.store.read(permit).await?;
    existing(&mut tx, permit.project(), id).await
}

/// Those whose name, ID or URL contains a text, oldest first.
pub async fn search(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    text: &str,
    page: &PageRequest,
) -> Result<Page<Server>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::search(&mut tx, project, text, page).await?)
}

/// Changes a server. If its connection settings change, it is asked first, as when it is registered.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ServerId,
    patch: ServerPatch,
    if_match: &IfMatch,
) -> Result<Saved<Server>, ServiceError> {
    let permit = authority.change(project)?;
    let tried = try_change(app, permit, project, id, patch, if_match).await?;
    if tried.next == tried.seen {
        return Ok(Saved {
            entity: tried.seen,
            warnings: Vec::new(),
        });
    }
    let mut change = Change::begin(app, permit).await?;
    let written = update_in(&mut change, tried).await;
    let written = change.finish(written).await?;
    Ok(written.keep(app))
}

/// A server after a change, and the result of asking it, if that was needed.
pub(super) struct TriedChange {
    /// What it was.
    seen: Server,
    /// What it becomes.
    next: Server,
    url: Url,
    outcome: Option<Result<Answered, Finding>>,
}

impl TriedChange {
    /// A change of this server, checked and not asked.
    pub(super) fn unasked(app: &Admin, seen: Server, patch: ServerPatch) -> Result<Self, Invalid> {
        let (next, url) = check(app, patch.over(&seen))?;
        let outcome = None;
        Ok(Self {
            seen,
            next,
            url,
            outcome,
        })
    }
}

/// Checks a change, and asks the server if it would be reached otherwise. Nothing of the store is held while it is waited
/// for.
pub(super) async fn try_change(
    app: &Admin,
    permit: MayChange<'_>,
    project: ProjectId,
    id: ServerId,
    patch: ServerPatch,
    if_match: &IfMatch,
) -> Result<TriedChange, ServiceError> {
    let mut tx = app.store.read(permit).await?;
    let seen = existing(&mut tx, project, id).await?;
    if_match.holds(seen.updated_at)?;
    let (next, url) = check(app, patch.over(&seen))?;
    check_secrets(&mut tx, &next, &url).await?;
    let trial = if trial::is_needed(&seen, &next) {
        Some(trial::prepare(app, &mut tx, &next).await?)
    } else {
        None
    };
    drop(tx);
    let outcome = match trial {
        Some(trial) => Some(trial.run(app).await),
        None => None,
    };
    Ok(TriedChange {
        seen,
        next,
        url,
        outcome,
    })
}

/// Changes a server in a change that has begun.
pub(super) async fn update_in(change: &mut Change<'_>, tried: TriedChange) -> Result<Written, ServiceError> {
    let TriedChange {
        seen,
        next,
        url,
        outcome,
    } = tried;
    let current = existing(&mut change.tx, seen.project_id, seen.id).await?;
    // The change was made from what was seen. Another may have been saved while the server was asked.
    if current != seen {
        return Err(ServiceError::changed_meanwhile());
    }
    check_secrets(&mut change.tx, &next, &url).await?;
    claim_origin(change, Some(&current), &next).await?;
    let hidden = hidden_changes(&current, &next).collect();
    let server = change.save(current, next, hidden).await?;
    Ok(Written { server, outcome })
}

/// Deletes a server, unless a gateway names it.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ServerId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let deleted = delete_in(&mut change, project, id, if_match).await;
    change.finish(deleted).await
}

/// The same in a change in progress.
pub(super) async fn delete_in(
    change: &mut Change<'_>,
    project: ProjectId,
    id: ServerId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let server = existing(&mut change.tx, project, id).await?;
    if_match.holds(server.updated_at)?;
    change.delete(&server, Vec::new()).await
}

async fn existing(tx: &mut Tx, project: ProjectId, id: ServerId) -> Result<Server, ServiceError> {
    Server::found(rows::find(tx, project, id).await?)
}

/// Checks what was entered, and that connections to this address are allowed.
fn check(app: &Admin, server: Server) -> Result<(Server, Url), Invalid> {
    let (server, url) = server.check()?;
    check_address(app, "/url", "URL", &url)?;
    Ok((server, url))
}

async fn check_secrets(tx: &mut Tx, server: &Server, url: &Url) -> Result<(), ServiceError> {
    let secrets = every!(page => gatewright_store::secret::list(tx, server.project_id, &page));
    Ok(server.check_secrets(url, &secrets)?)
}
