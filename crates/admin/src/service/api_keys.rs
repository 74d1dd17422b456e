//! API keys: create, list, read, rename, rotate, revoke. The text of a key is shown once, when it is made.

mod rotation;

use gatewright_domain::{
    Invalid, Timestamp,
    api_key::{self, ApiKey, KeyRole, KeyScope},
    audit::ActorKind,
    id::{ApiKeyId, GatewayId, ProjectId},
    project::check_name,
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_store::{Page, PageRequest, Tx, api_key as rows, quota::Counted};
use serde::Deserialize;
use utoipa::ToSchema;

pub use self::rotation::{RotateApiKey, rotate};
use super::{
    Authority, IfMatch, Patch, ServiceError, Version,
    authority::{MayChange, before_sign_in},
    change::{Change, Fields, created, every, field, updated},
    entity::Entity,
    invitations, quota,
};
use crate::{Admin, schema};

/// A key of a project to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// 1-80 characters: where the key is used, so that it can be revoked with confidence.
    #[schema(required = true, min_length = 1, max_length = 80)]
    #[serde(default)]
    pub name: String,
    /// `viewer` reads, `admin` changes, `owner` also manages keys; `gateway` acts for end users in Headers mode and has
    /// no access to the API.
    #[schema(required = true, schema_with = schema::role)]
    #[serde(default)]
    pub role: Option<KeyRole>,
    /// Only this gateway, for keys of role `gateway`.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub gateway_id: Option<GatewayId>,
    /// When it expires; never when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// A key of the instance to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInstanceKey {
    /// 1-80 characters.
    #[schema(required = true, min_length = 1, max_length = 80)]
    #[serde(default)]
    pub name: String,
    /// When it expires; never when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// A change of a key. Its role never changes: create another key and revoke this one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyPatch {
    /// 1-80 characters.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
}

/// A key that was just created, with its text, which cannot be read again.
#[derive(Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: ApiKey,
    /// Its text.
    pub text: Secret,
}

/// Creates a key of a project. Only owners do; an instance key may make the first owner of a project that has none.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewApiKey,
) -> Result<CreatedKey, ServiceError> {
    let permit = authority.own_or_begin(project)?;
    let new = check(app, authority, &new)?;
    let mut change = Change::begin(app, permit).await?;
    let made = create_in(&mut change, project, new).await;
    change.finish(made).await
}

/// A key of a project to create, checked.
pub(super) struct CheckedKey {
    name: String,
    role: KeyRole,
    gateway_id: Option<GatewayId>,
    expires_at: Option<Timestamp>,
}

/// Checks a key of a project to create.
pub(super) fn check(app: &Admin, authority: &Authority, new: &NewApiKey) -> Result<CheckedKey, Invalid> {
    let mut invalid = Invalid::default();
    let name = invalid.take(check_name("/name", &new.name));
    if new.role.is_none() {
        invalid.add(
            "/role",
            "A role is required: enter `viewer`, `admin`, `owner` or `gateway`.",
        );
    }
    if new.gateway_id.is_some() && new.role.is_some_and(|role| role != KeyRole::Gateway) {
        invalid.add(
            "/gateway_id",
            "Only keys of role `gateway` can be bound to one gateway: leave this out.",
        );
    }
    invalid.take(check_expiry(app, authority, new.expires_at));
    invalid.into_result()?;
    Ok(CheckedKey {
        name: name.unwrap_or_default(),
        role: new.role.expect("a role is there, or a violation was returned"),
        gateway_id: new.gateway_id,
        expires_at: new.expires_at,
    })
}

/// Creates a key of a project in a change in progress.
pub(super) async fn create_in(
    change: &mut Change<'_>,
    project: ProjectId,
    new: CheckedKey,
) -> Result<CreatedKey, ServiceError> {
    let role = new.role;
    if change.authority().is_instance_key() {
        may_make_first_owner(change, project, role).await?;
    }
    if let Some(gateway) = new.gateway_id
        && gatewright_store::gateway::find(&mut change.tx, project, gateway)
            .await?
            .is_none()
    {
        return Err(ServiceError::unknown("gateway", "/gateway_id"));
    }
    let scope = KeyScope::Project {
        project_id: project,
        role,
        gateway_id: new.gateway_id,
    };
    let made = make(change.app(), change, scope, new.name, new.expires_at);
    insert_in(change, &made, 0).await?;
    Ok(made)
}

/// Creates a key of the instance.
pub async fn create_for_instance(
    app: &Admin,
    authority: &Authority,
    new: NewInstanceKey,
) -> Result<CreatedKey, ServiceError> {
    let permit = authority.instance()?;
    let mut invalid = Invalid::default();
    let name = invalid.take(check_name("/name", &new.name));
    invalid.take(check_expiry(app, authority, new.expires_at));
    invalid.into_result()?;
    let change = Change::begin(app, permit).await?;
    let made = make(
        app,
        &change,
        KeyScope::Instance,
        name.unwrap_or_default(),
        new.expires_at,
    );
    insert(change, made).await
}

/// Keys of a project (`None`: of the instance), revoked ones too, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    page: &PageRequest,
) -> Result<Page<ApiKey>, ServiceError> {
    let mut tx = app.store.read(authority.read_in(project)?).await?;
    Ok(rows::list(&mut tx, project, page).await?)
}

/// One key.
pub(crate) async fn find(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    id: ApiKeyId,
) -> Result<ApiKey, ServiceError> {
    let mut tx = app.store.read(authority.read_in(project)?).await?;
    existing(&mut tx, project, id).await
}

/// Renames a key.
pub(crate) async fn update(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    id: ApiKeyId,
    patch: ApiKeyPatch,
    if_match: &IfMatch,
) -> Result<ApiKey, ServiceError> {
    let mut change = Change::begin(app, may_manage(authority, project)?).await?;
    let current = existing(&mut change.tx, project, id).await?;
    if_match.holds(version(&current))?;
    let name = check_name("/name", &patch.name.over(&current.name))?;
    if name == current.name {
        return Ok(current);
    }
    if !rows::rename(&mut change.tx, project, id, &name).await? {
        return Err(ServiceError::not_found("API key"));
    }
    let next = ApiKey {
        name,
        ..current.clone()
    };
    change.record_update(&current, &next, Vec::new()).await?;
    change.commit().await?;
    Ok(next)
}

/// Revokes a key: it stops working with the next request, and stays in the list as revoked. Revoking again does nothing.
pub async fn revoke(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    id: ApiKeyId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, may_manage(authority, project)?).await?;
    let revoked = revoke_in(&mut change, project, id, if_match).await;
    change.finish(revoked).await
}

/// The same in a change in progress.
pub(super) async fn revoke_in(
    change: &mut Change<'_>,
    project: Option<ProjectId>,
    id: ApiKeyId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let key = existing(&mut change.tx, project, id).await?;
    if_match.holds(version(&key))?;
    let now = change.now;
    if !rows::revoke(&mut change.tx, project, id, now).await? {
        return Ok(());
    }
    invitations::end_of(change, None, ActorKind::ApiKey(id)).await?;
    change.record("revoked", key.object(), Vec::new()).await
}

/// The version of a key: what can be changed of it. That it was used is not a change.
pub(crate) fn version(key: &ApiKey) -> Version {
    Version::of(&(&key.name, key.expires_at, key.revoked_at, key.successor_id))
}

fn may_manage(authority: &Authority, project: Option<ProjectId>) -> Result<MayChange<'_>, ServiceError> {
    match project {
        Some(project) => authority.own(project),
        None => authority.instance(),
    }
}

fn check_expiry(app: &Admin, authority: &Authority, expires_at: Option<Timestamp>) -> Result<(), Invalid> {
    if expires_at.is_some_and(|at| at <= app.now()) {
        return Err(Invalid::one(
            "/expires_at",
            "This time has passed: enter a later one, or leave it out for a key that does not expire.",
        ));
    }
    // A key lent for a day must not be exchanged for one that lasts.
    if let Some(end) = authority.ends_at()
        && expires_at.is_none_or(|at| at > end)
    {
        return Err(Invalid::one(
            "/expires_at",
            format!(
                "A key cannot outlive the key that creates it: enter `{}` or earlier, or use a key that does not expire.",
                end.to_rfc3339()
            ),
        ));
    }
    Ok(())
}

/// An instance key opens nothing inside a project, but a project needs someone to begin with.
pub(super) async fn may_make_first_owner(
    change: &mut Change<'_>,
    project: ProjectId,
    role: KeyRole,
) -> Result<(), ServiceError> {
    if role != KeyRole::Owner {
        return Err(ServiceError::Forbidden(
            "An instance key can only create the first key or invitation of a project, with the role `owner`. Use that key to \
             create the others."
                .to_owned(),
        ));
    }
    let now = change.now;
    let keys = every!(page => rows::list(&mut change.tx, Some(project), &page));
    let has_owner = gatewright_store::member::has_owner(&mut change.tx, project).await?;
    if has_owner || keys.iter().any(|key| is_live(key, now) && is_owner(key)) {
        return Err(ServiceError::Forbidden(
            "This project has an owner already, and an instance key has no access inside a project. Use the \
             owner's key or account."
                .to_owned(),
        ));
    }
    Ok(())
}

fn is_owner(key: &ApiKey) -> bool {
    matches!(
        key.scope,
        KeyScope::Project {
            role: KeyRole::Owner,
            ..
        }
    )
}

/// The key with this hash, if it is valid now: to find out who is calling.
pub(crate) async fn find_live(app: &Admin, hash: TokenHash) -> Result<Option<ApiKey>, ServiceError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    let key = rows::find_by_hash(&mut tx, hash).await?;
    let now = app.now();
    Ok(key.filter(|key| is_live(key, now)))
}

/// Whether a key works at `now`.
pub fn is_live(key: &ApiKey, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now)
}

pub(super) fn make(
    app: &Admin,
    change: &Change<'_>,
    scope: KeyScope,
    name: String,
    expires_at: Option<Timestamp>,
) -> CreatedKey {
    let text = api_key::generate(app.entropy.as_ref());
    let key = ApiKey {
        id: ApiKeyId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        scope,
        name,
        hash: TokenHash::of(text.expose()),
        expires_at,
        created_at: change.now,
        last_used_at: None,
        revoked_at: None,
        successor_id: None,
    };
    CreatedKey { key, text }
}

pub(super) async fn insert(change: Change<'_>, made: CreatedKey) -> Result<CreatedKey, ServiceError> {
    insert_over(change, made, 0).await
}

/// The same if the project had this many keys before the change.
async fn insert_over(
    mut change: Change<'_>,
    made: CreatedKey,
    before: i64,
) -> Result<CreatedKey, ServiceError> {
    insert_in(&mut change, &made, before).await?;
    change.commit().await?;
    Ok(made)
}

/// The same in a change in progress.
async fn insert_in(change: &mut Change<'_>, made: &CreatedKey, before: i64) -> Result<(), ServiceError> {
    rows::insert(&mut change.tx, &made.key)
        .await
        .map_err(|error| ServiceError::taken(error, "API key"))?;
    if let KeyScope::Project { project_id, .. } = made.key.scope {
        quota::check_growth(change, project_id, Counted::ApiKeys, before).await?;
    }
    let changes = created(made.key.audited());
    change.record("created", made.key.object(), changes).await
}

async fn existing(tx: &mut Tx, project: Option<ProjectId>, id: ApiKeyId) -> Result<ApiKey, ServiceError> {
    ApiKey::found(rows::find(tx, project, id).await?)
}

impl Entity for ApiKey {
    const KIND: &'static str = "api_key";
    const NOUN: &'static str = "API key";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        let mut fields = vec![field("name", &self.name), field("expires_at", self.expires_at)];
        match self.scope {
            KeyScope::Instance => fields.push(field("scope", "instance")),
            KeyScope::Project { role, gateway_id, .. } => {
                fields.push(field("role", role));
                fields.push(field("gateway_id", gateway_id));
            }
        }
        fields
    }
}
