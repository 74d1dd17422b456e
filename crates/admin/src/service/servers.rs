//! Upstream servers: create, list, read, change, delete.

mod audited;
mod trial;
mod usage;

use gatewright_domain::{
    Invalid,
    id::{ProjectId, ServerId},
    server::{CustomHeader, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, IdentityForwarding, Server, ServerFields},
};
use gatewright_store::{
    Page, PageRequest, Tx, assertion_origin,
    quota::Counted,
    server::{self as rows, ServerDelete},
};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

pub use audited::is_reference;
pub use usage::{count_gateways, gateways_of};

use audited::{audited, hidden_changes};

use super::{
    Authority, IfMatch, Patch, ServiceError,
    authority::MayRead,
    change::{Change, Fields, every},
    entity::{Entity, Stored, Written},
    error::Conflict,
    server_checks,
};
use crate::{Admin, fetch::Policy, relying_party::check::Finding, schema};

/// Projects named at most to who runs the instance, where they hold an origin.
const PROJECTS_NAMED: u32 = 3;

/// A server to register.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServer {
    /// `[a-z0-9-]{1,40}`, unique in the project: the beginning of its tools' names where a gateway has several servers.
    #[schema(required = true, pattern = "^[a-z0-9-]{1,40}$")]
    #[serde(default)]
    pub slug: String,
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
    /// How often a request that surely was not processed is tried again; 1 when left out.
    #[schema(maximum = 5)]
    #[serde(default)]
    pub retries: Option<u8>,
    /// Headers sent with every request; values may name secrets as `${secret:NAME}`.
    #[schema(value_type = Vec<schema::CustomHeader>)]
    #[serde(default)]
    pub headers: Vec<CustomHeader>,
    /// What it is told about the user: `none` (default), or `assertion` for a signed identity. A server must check the
    /// claim `project` of each assertion beside `iss` and `aud`. 422 where another project already sends assertions to the
    /// same origin and the operator has not allowed that.
    #[schema(schema_with = schema::identity)]
    #[serde(default)]
    pub identity: IdentityForwarding,
}

/// A change of a server. What is left out stays; `null` resets to the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerPatch {
    /// `[a-z0-9-]{1,40}`. Another one renames its tools where a gateway has several servers.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub slug: Patch<String>,
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
    /// What it is told about the user. 422 as on creation.
    #[schema(schema_with = schema::identity_or_null)]
    #[serde(default)]
    pub identity: Patch<IdentityForwarding>,
}

/// A server that was saved.
#[derive(Debug)]
pub struct Saved {
    /// The server.
    pub server: Server,
    /// What was found when it was asked, that is no error and better known.
    pub warnings: Vec<Finding>,
}

/// Registers a server. It is asked what it is before that; one that does not answer is registered all the same, and the
/// warnings say so.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewServer,
) -> Result<Saved, ServiceError> {
    let permit = authority.change(project)?;
    let fields = ServerFields {
        slug: new.slug,
        name: new.name,
        url: new.url,
        timeout_ms: new.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS),
        retries: new.retries.unwrap_or(DEFAULT_RETRIES),
        headers: new.headers,
        identity: new.identity,
    };
    let (fields, url) = check(app, fields)?;
    let now = app.now();
    let mut server = Server {
        id: ServerId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: project,
        slug: fields.slug,
        name: fields.name,
        url: fields.url,
        timeout_ms: fields.timeout_ms,
        retries: fields.retries,
        headers: fields.headers,
        identity: fields.identity,
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.store.read(permit).await?;
    if gatewright_store::project::find(&mut tx, project).await?.is_none() {
        return Err(ServiceError::not_found("project"));
    }
    check_secrets(&mut tx, &server, &url).await?;
    let trial = trial::prepare(app, &mut tx, &server).await?;
    // Nothing of the store is held while the server is waited for.
    drop(tx);
    let outcome = trial.run(app).await;
    let mut change = Change::begin(app, permit).await?;
    check_secrets(&mut change.tx, &server, &url).await?;
    claim_origin(app, authority, &mut change.tx, None, &server).await?;
    server.created_at = change.now;
    server.updated_at = change.now;
    change.create(&server, Vec::new()).await?;
    change.commit().await?;
    let warnings = trial::warnings(&server, &outcome);
    server_checks::keep(app, &server, outcome);
    Ok(Saved { server, warnings })
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

/// Changes a server. Where it would be reached otherwise than before it is asked first, as when it is registered.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ServerId,
    patch: ServerPatch,
    if_match: &IfMatch,
) -> Result<Saved, ServiceError> {
    let permit = authority.change(project)?;
    let mut tx = app.store.read(permit).await?;
    let seen = existing(&mut tx, project, id).await?;
    if_match.holds(seen.updated_at)?;
    let (mut next, url) = patched(app, &seen, patch)?;
    check_secrets(&mut tx, &next, &url).await?;
    if next == seen {
        return Ok(Saved {
            server: seen,
            warnings: Vec::new(),
        });
    }
    let trial = if trial::is_needed(&seen, &next) {
        Some(trial::prepare(app, &mut tx, &next).await?)
    } else {
        None
    };
    // Nothing of the store is held while the server is waited for.
    drop(tx);
    let outcome = match trial {
        Some(trial) => Some(trial.run(app).await),
        None => None,
    };
    let mut change = Change::begin(app, permit).await?;
    let current = existing(&mut change.tx, project, id).await?;
    // The change was made from what was seen; while the server was asked somebody may have been faster.
    if current != seen {
        return Err(ServiceError::changed_meanwhile());
    }
    check_secrets(&mut change.tx, &next, &url).await?;
    claim_origin(app, authority, &mut change.tx, Some(&current), &next).await?;
    next.updated_at = change.later_than(current.updated_at);
    let hidden = hidden_changes(&current, &next).collect();
    change.update(&current, &next, hidden).await?;
    change.commit().await?;
    let warnings = outcome.as_ref().map(|outcome| trial::warnings(&next, outcome));
    if let Some(outcome) = outcome {
        server_checks::keep(app, &next, outcome);
    }
    Ok(Saved {
        server: next,
        warnings: warnings.unwrap_or_default(),
    })
}

/// The server after a patch, checked.
fn patched(app: &Admin, current: &Server, patch: ServerPatch) -> Result<(Server, Url), Invalid> {
    let fields = ServerFields {
        slug: patch.slug.over(&current.slug),
        name: patch.name.over(&current.name),
        url: patch.url.over(&current.url),
        timeout_ms: patch.timeout_ms.over_or(&current.timeout_ms, DEFAULT_TIMEOUT_MS),
        retries: patch.retries.over_or(&current.retries, DEFAULT_RETRIES),
        headers: patch.headers.over(&current.headers),
        identity: patch.identity.over(&current.identity),
    };
    let (fields, url) = check(app, fields)?;
    let next = Server {
        slug: fields.slug,
        name: fields.name,
        url: fields.url,
        timeout_ms: fields.timeout_ms,
        retries: fields.retries,
        headers: fields.headers,
        identity: fields.identity,
        ..current.clone()
    };
    Ok((next, url))
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

/// The same in a change under way.
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

/// Checks the fields, and that a server at this address may be contacted at all.
fn check(app: &Admin, fields: ServerFields) -> Result<(ServerFields, Url), Invalid> {
    let (fields, url) = fields.check()?;
    app.fetch
        .check_url(Policy::Operator, &url)
        .map_err(|refused| Invalid::one("/url", format!("This URL cannot be used: {refused}.")))?;
    Ok((fields, url))
}

async fn check_secrets(tx: &mut Tx, server: &Server, url: &Url) -> Result<(), ServiceError> {
    let secrets = every!(page => gatewright_store::secret::list(tx, server.project_id, &page));
    Ok(server.check_secrets(url, &secrets)?)
}

/// Fails where another project tells the origin of `next` who its users are, and the operator has not allowed that: a
/// server that does not check the claim `project` would take the users of one project for those of another. A server that
/// already shares its origin may be changed in every other way. Only who runs the instance reads which project that is.
async fn claim_origin(
    app: &Admin,
    authority: &Authority,
    tx: &mut Tx,
    current: Option<&Server>,
    next: &Server,
) -> Result<(), ServiceError> {
    let Some(origin) = next.assertion_origin() else {
        return Ok(());
    };
    if current.and_then(Server::assertion_origin).as_ref() == Some(&origin)
        || app.config.servers.may_share(&origin)
        || assertion_origin::claim(tx, next.project_id, &origin).await?
    {
        return Ok(());
    }
    let was_told = current.is_some_and(|current| current.identity == IdentityForwarding::Assertion);
    let pointer = if was_told { "/url" } else { "/identity" };
    let whose = if authority.manages_instance() {
        let names =
            assertion_origin::list_other_projects(tx, next.project_id, &origin, PROJECTS_NAMED).await?;
        let names: Vec<_> = names.iter().map(|name| format!("“{name}”")).collect();
        format!(" ({})", names.join(", "))
    } else {
        String::new()
    };
    let detail = format!(
        "Another project of this instance{whose} already tells `{origin}` who its users are. Ask the people who run \
         the instance to add this origin to `servers.shared_assertion_origins`, tell this server nothing about users \
         (`none`), or use another server."
    );
    Err(Invalid::one(pointer, detail).into())
}

impl Entity for Server {
    const KIND: &'static str = "server";
    const NOUN: &'static str = "server";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        audited(self)
    }
}

impl Stored for Server {
    fn counts(&self) -> Option<(ProjectId, Counted)> {
        Some((self.project_id, Counted::Servers))
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        rows::insert(tx, self)
            .await
            .map_err(|error| ServiceError::taken(error, Self::NOUN))
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        let written = rows::update(tx, self, before.updated_at)
            .await
            .map_err(|error| ServiceError::taken(error, Self::NOUN))?;
        Written::unless_stale(written)
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        match rows::delete(tx, self.project_id, self.id).await? {
            ServerDelete::Done => Ok(Written::Done),
            ServerDelete::NotFound => Err(ServiceError::not_found(Self::NOUN)),
            ServerDelete::InUse(gateways) => Ok(Written::Refused(Conflict {
                detail: format!(
                    "The server `{}` cannot be deleted while gateways name it: remove it from their servers and allowed \
                     tools first.",
                    self.slug
                ),
                gateways,
                ..Conflict::default()
            })),
        }
    }
}
