//! Secrets of a project, which custom headers name as `${secret:NAME}`. A value goes in and never comes out.

use std::collections::HashMap;

use gatewright_domain::{
    Invalid,
    id::{ProjectId, SecretId, ServerId},
    loopback::is_loopback,
    sealed::Purpose,
    secret::Secret,
    server::Server,
    stored_secret::{SealedText, StoredSecret, check_origins, check_secret_name, check_secret_value},
};
use gatewright_store::{Page, PageRequest, Tx, quota::Counted, secret as rows};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use super::{
    Authority, IfMatch, Patch, ServiceError,
    change::{Change, Fields, Object, created, every, field, secret_changed, updated},
    error::Conflict,
    quota,
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
    /// The value. It is in no answer.
    #[schema(required = true, value_type = String, write_only, format = Password)]
    #[serde(default)]
    pub value: Option<Secret>,
    /// The origins it may be sent to, like `https://api.example.com`.
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
    /// All origins. A new origin needs the value typed again.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub origins: Patch<Vec<String>>,
}

/// Stores a secret.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewSecret,
) -> Result<StoredSecret, ServiceError> {
    authority.change(project)?;
    let mut invalid = Invalid::default();
    if !check_secret_name(&new.name) {
        invalid.add(
            "/name",
            "Type 1 to 64 capital letters, digits and underscores, a letter first, like `API_KEY`: headers name it as \
             `${secret:API_KEY}`.",
        );
    }
    let value = new.value.unwrap_or_else(|| Secret::new(""));
    invalid.take(check_secret_value("/value", &value));
    let origins = invalid.take(check_origins("/origins", &new.origins));
    invalid.into_result()?;
    let id = SecretId::generate(app.clock.as_ref(), app.entropy.as_ref());
    let mut change = Change::begin(app, authority, Some(project)).await?;
    let secret = StoredSecret {
        id,
        project_id: project,
        name: new.name,
        value: seal(app, id, &value),
        origins: origins.unwrap_or_default(),
        created_at: change.now,
        updated_at: change.now,
    };
    rows::insert(&mut change.tx, &secret)
        .await
        .map_err(|error| ServiceError::taken(error, "secret"))?;
    quota::check(&mut change, project, Counted::Secrets).await?;
    let mut changes = created(audited(&secret));
    changes.push(secret_changed("value"));
    change.record("created", object(&secret), changes).await?;
    change.commit().await?;
    Ok(secret)
}

/// What is no error about a secret and better known: it crosses a network that is not this machine's as it is.
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
    authority.read(project)?;
    let mut tx = app.store.read().await?;
    Ok(rows::list(&mut tx, project, page).await?)
}

/// The servers whose headers name secrets of a project, by the name of the secret.
pub async fn usage(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
) -> Result<HashMap<String, Vec<(ServerId, String)>>, ServiceError> {
    authority.read(project)?;
    let mut tx = app.store.read().await?;
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
    authority.read(project)?;
    let mut tx = app.store.read().await?;
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
    authority.change(project)?;
    let mut change = Change::begin(app, authority, Some(project)).await?;
    let current = rows::find_and_hold(&mut change.tx, project, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("secret"))?;
    if_match.holds(current.updated_at)?;
    let mut invalid = Invalid::default();
    let typed = match patch.value {
        Patch::Keep => None,
        Patch::Clear => {
            invalid.add(
                "/value",
                "A secret cannot be without a value: leave this out to keep the stored one, or delete the secret.",
            );
            None
        }
        Patch::Set(value) => {
            invalid.take(check_secret_value("/value", &value));
            Some(value)
        }
    };
    let origins = match patch.origins {
        Patch::Keep => current.origins.clone(),
        Patch::Clear => invalid.take(check_origins("/origins", &[])).unwrap_or_default(),
        Patch::Set(origins) => invalid
            .take(check_origins("/origins", &origins))
            .unwrap_or_default(),
    };
    let added: Vec<_> = origins
        .iter()
        .filter(|origin| !current.origins.contains(origin))
        .collect();
    if let (Some(origin), None) = (added.first(), &typed) {
        invalid.add(
            "/value",
            format!(
                "The stored value of `{}` was not entered for `{origin}`: type the value again in the same change to \
                 allow it there.",
                current.name
            ),
        );
    }
    invalid.into_result()?;
    let new_value = typed.is_some();
    if !new_value && origins == current.origins {
        return Ok(current);
    }
    let users = users_of(&mut change.tx, &current).await?;
    let is_cut_off = |server: &&Server| server.origin().is_none_or(|origin| !origins.contains(&origin));
    let cut_off: Vec<_> = users.iter().filter(is_cut_off).collect();
    if !cut_off.is_empty() {
        let conflict = Conflict {
            detail: format!(
                "Headers of these servers send `{}` to an origin that would no longer be allowed: change the servers \
                 first, or keep their origins.",
                current.name
            ),
            servers: named(cut_off),
            ..Conflict::default()
        };
        return Err(change.refuse("update_refused", object(&current), conflict).await);
    }
    let next = StoredSecret {
        value: typed.map_or_else(|| current.value.clone(), |value| seal(app, id, &value)),
        origins,
        updated_at: change.later_than(current.updated_at),
        ..current.clone()
    };
    if !rows::update(&mut change.tx, &next, &current).await? {
        return Err(ServiceError::changed_meanwhile());
    }
    let mut changes = updated(&audited(&current), audited(&next));
    if new_value {
        changes.push(secret_changed("value"));
    }
    change.record("updated", object(&next), changes).await?;
    change.commit().await?;
    Ok(next)
}

/// Deletes a secret, unless a server's headers name it.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: SecretId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    authority.change(project)?;
    let mut change = Change::begin(app, authority, Some(project)).await?;
    let secret = existing(&mut change.tx, project, id).await?;
    if_match.holds(secret.updated_at)?;
    let users = users_of(&mut change.tx, &secret).await?;
    if !users.is_empty() {
        let conflict = Conflict {
            detail: format!(
                "The secret `{}` cannot be deleted while headers of servers name it: remove it from them first.",
                secret.name
            ),
            servers: named(users.iter()),
            ..Conflict::default()
        };
        return Err(change.refuse("deletion_refused", object(&secret), conflict).await);
    }
    if !rows::delete(&mut change.tx, project, id).await? {
        return Err(ServiceError::not_found("secret"));
    }
    change.record("deleted", object(&secret), Vec::new()).await?;
    change.commit().await
}

/// The same when its name was typed, so that nobody deletes the wrong one.
pub async fn delete_confirmed(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: SecretId,
    confirm_name: &str,
) -> Result<(), ServiceError> {
    authority.change(project)?;
    let secret = find(app, authority, project, id).await?;
    if confirm_name != secret.name {
        let detail = format!(
            "This is not the name of the secret: type `{}` to confirm. Nothing was deleted.",
            secret.name
        );
        return Err(Invalid::one("/confirm_name", detail).into());
    }
    delete(app, authority, project, id, &IfMatch::Any).await
}

async fn existing(tx: &mut Tx, project: ProjectId, id: SecretId) -> Result<StoredSecret, ServiceError> {
    rows::find(tx, project, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("secret"))
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

fn seal(app: &Admin, id: SecretId, value: &Secret) -> SealedText {
    app.keyring.seal(
        app.entropy.as_ref(),
        Purpose::StoredSecret,
        &StoredSecret::context(id),
        value.expose().as_bytes(),
    )
}

fn object(secret: &StoredSecret) -> Object<'_> {
    Object {
        kind: "secret",
        id: secret.id.to_string(),
        name: &secret.name,
    }
}

fn audited(secret: &StoredSecret) -> Fields {
    vec![field("name", &secret.name), field("origins", &secret.origins)]
}
