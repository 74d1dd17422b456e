//! Secrets of a project, which custom headers name as `${secret:NAME}`. A value goes in and never comes out.

use std::collections::HashMap;

use gatewright_domain::{
    Invalid,
    id::{ProjectId, SecretId, ServerId},
    loopback::is_loopback,
    secret::Secret,
    server::Server,
    stored_secret::{StoredSecret, check_origins, check_secret_name, check_secret_value},
};
use gatewright_store::{Page, PageRequest, Tx, quota::Counted, secret as rows};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use super::{
    Authority, IfMatch, Patch, ServiceError,
    change::{Change, Fields, every, field, secret_changed},
    entity::{Entity, Stored, Written, dated, inserted},
    error::Conflict,
    sealing::seal,
};
use crate::{Admin, relying_party::check::Finding};

/// A secret to store.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// `[A-Z][A-Z0-9_]{0,63}`, unique in the project; it never changes.
    #[schema(required = true, pattern = "^[A-Z][A-Z0-9_]{0,63}$")]
    #[serde(default)]
    pub name: String,
    /// The value. No response contains it.
    #[schema(required = true, value_type = String, write_only, format = Password)]
    #[serde(default)]
    pub value: Option<Secret>,
    /// The origins it can be sent to, like `https://api.example.com`.
    #[schema(required = true)]
    #[serde(default)]
    pub origins: Vec<String>,
}

/// A change of a secret. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretPatch {
    /// A new value.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    #[serde(default)]
    pub value: Patch<Secret>,
    /// All origins. A new origin needs the value again.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub origins: Patch<Vec<String>>,
}

/// A secret to store, checked.
pub(super) struct CheckedSecret {
    name: String,
    value: Secret,
    origins: Vec<String>,
}

impl NewSecret {
    /// Checks all of it.
    pub(super) fn check(self) -> Result<CheckedSecret, Invalid> {
        let mut invalid = Invalid::default();
        if !check_secret_name(&self.name) {
            invalid.add(
                "/name",
                "Enter 1 to 64 capital letters, digits and underscores, a letter first, like `API_KEY`: headers name it as \
                 `${secret:API_KEY}`.",
            );
        }
        let value = self.value.unwrap_or_else(|| Secret::new(""));
        invalid.take(check_secret_value("/value", &value));
        let origins = invalid.take(check_origins("/origins", &self.origins));
        invalid.into_result()?;
        Ok(CheckedSecret {
            name: self.name,
            value,
            origins: origins.unwrap_or_default(),
        })
    }
}

/// Stores a secret.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewSecret,
) -> Result<StoredSecret, ServiceError> {
    let permit = authority.change(project)?;
    let new = new.check()?;
    let mut change = Change::begin(app, permit).await?;
    let secret = create_in(&mut change, project, new).await;
    change.finish(secret).await
}

/// Stores a secret in a change in progress.
pub(super) async fn create_in(
    change: &mut Change<'_>,
    project: ProjectId,
    new: CheckedSecret,
) -> Result<StoredSecret, ServiceError> {
    let app = change.app();
    let id = SecretId::generate(app.clock.as_ref(), app.entropy.as_ref());
    let secret = StoredSecret {
        id,
        project_id: project,
        name: new.name,
        value: seal(app, &StoredSecret::context(id), &new.value),
        origins: new.origins,
        created_at: change.now,
        updated_at: change.now,
    };
    change.create(&secret, vec![secret_changed("value")]).await?;
    Ok(secret)
}

/// What is worth knowing about a secret and not an error: it crosses a network that is not this machine's as it is.
pub fn warnings(secret: &StoredSecret) -> Vec<Finding> {
    let is_open =
        |origin: &str| Url::parse(origin).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url));
    let origins = secret.origins.iter().enumerate();
    origins
        .filter(|(_, origin)| is_open(origin))
        .map(|(index, origin)| Finding {
            pointer: format!("/origins/{index}"),
            found: format!(
                "The secret is sent to {origin} without encryption, and anyone on the way can read it."
            ),
            remedy: "Use https, unless that network is yours alone.".to_owned(),
        })
        .collect()
}

/// Secrets of a project, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<StoredSecret>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, page).await?)
}

/// The servers whose headers name secrets of a project, by the name of the secret.
pub async fn usage(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
) -> Result<HashMap<String, Vec<(ServerId, String)>>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    let servers = every!(page => gatewright_store::server::list(&mut tx, project, &page));
    let mut usage: HashMap<String, Vec<(ServerId, String)>> = HashMap::new();
    for server in &servers {
        for secret in server.secrets() {
            let users = usage.entry(secret.to_owned()).or_default();
            users.push((server.id, server.name.clone()));
        }
    }
    Ok(usage)
}

/// One secret, without its value.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: SecretId,
) -> Result<StoredSecret, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await
}

/// Changes value or origins. An origin that was not there before needs the value in the same change, because the value
/// was not entered for it; an origin that a server still needs stays.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: SecretId,
    patch: SecretPatch,
    if_match: &IfMatch,
) -> Result<StoredSecret, ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let secret = update_in(&mut change, project, id, patch, if_match).await;
    change.finish(secret).await
}

/// The same in a change in progress.
pub(super) async fn update_in(
    change: &mut Change<'_>,
    project: ProjectId,
    id: SecretId,
    patch: SecretPatch,
    if_match: &IfMatch,
) -> Result<StoredSecret, ServiceError> {
    let current = StoredSecret::found(rows::find_and_hold(&mut change.tx, project, id).await?)?;
    if_match.holds(current.updated_at)?;
    let (value, origins) = patched(&current, patch)?;
    let more = value.iter().map(|_| secret_changed("value")).collect();
    let mut next = StoredSecret {
        origins,
        ..current.clone()
    };
    if let Some(value) = value {
        next.value = seal(change.app(), &StoredSecret::context(id), &value);
    }
    change.save(current, next, more).await
}

/// The new value, if there is one, and all origins after a patch, checked.
fn patched(current: &StoredSecret, patch: SecretPatch) -> Result<(Option<Secret>, Vec<String>), Invalid> {
    let mut invalid = Invalid::default();
    let typed = patch.value.required_secret(
        &mut invalid,
        "/value",
        "A secret cannot be without a value: leave this out to keep the stored one, or delete the secret.",
        check_secret_value,
    );
    let origins = match patch.origins {
        Patch::Keep => current.origins.clone(),
        Patch::Clear => invalid.take(check_origins("/origins", &[])).unwrap_or_default(),
        Patch::Set(origins) => invalid
            .take(check_origins("/origins", &origins))
            .unwrap_or_default(),
    };
    let added = origins.iter().find(|origin| !current.origins.contains(origin));
    if let (Some(origin), None) = (added, &typed) {
        invalid.add(
            "/value",
            format!(
                "The stored value of `{}` was not entered for `{origin}`: enter the value again in the same change to \
                 allow it there.",
                current.name
            ),
        );
    }
    invalid.into_result()?;
    Ok((typed, origins))
}

/// Deletes a secret, unless a server's headers name it.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: SecretId,
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
    id: SecretId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let secret = existing(&mut change.tx, project, id).await?;
    if_match.holds(secret.updated_at)?;
    change.delete(&secret, Vec::new()).await
}

async fn existing(tx: &mut Tx, project: ProjectId, id: SecretId) -> Result<StoredSecret, ServiceError> {
    StoredSecret::found(rows::find(tx, project, id).await?)
}

/// The servers whose headers name a secret.
async fn users_of(tx: &mut Tx, secret: &StoredSecret) -> Result<Vec<Server>, ServiceError> {
    let mut servers = every!(page => gatewright_store::server::list(tx, secret.project_id, &page));
    servers.retain(|server| server.secrets().contains(&secret.name.as_str()));
    Ok(servers)
}

fn named<'a>(servers: impl IntoIterator<Item = &'a Server>) -> Vec<(ServerId, String)> {
    servers
        .into_iter()
        .map(|server| (server.id, server.name.clone()))
        .collect()
}

impl Entity for StoredSecret {
    const KIND: &'static str = "secret";
    const NOUN: &'static str = "secret";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        vec![field("name", &self.name), field("origins", &self.origins)]
    }
}

dated!(StoredSecret);

impl Stored for StoredSecret {
    fn counts(&self) -> Option<(ProjectId, Counted)> {
        Some((self.project_id, Counted::Secrets))
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        inserted::<Self>(rows::insert(tx, self).await)
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        let mut cut_off = users_of(tx, self).await?;
        cut_off.retain(|server| {
            server
                .origin()
                .is_none_or(|origin| !self.origins.contains(&origin))
        });
        if !cut_off.is_empty() {
            return Ok(Written::Refused(Conflict {
                detail: format!(
                    "Headers of these servers send `{}` to an origin that would no longer be allowed: change the servers \
                     first, or keep their origins.",
                    self.name
                ),
                servers: named(&cut_off),
                ..Conflict::default()
            }));
        }
        Written::replaced::<Self>(rows::update(tx, self, before).await)
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        let users = users_of(tx, self).await?;
        if !users.is_empty() {
            return Ok(Written::Refused(Conflict {
                detail: format!(
                    "The secret `{}` cannot be deleted while headers of servers name it: remove it from them first.",
                    self.name
                ),
                servers: named(&users),
                ..Conflict::default()
            }));
        }
        Written::unless_missing::<Self>(rows::delete(tx, self.project_id, self.id).await?)
    }
}
