//! End users and their grants: list, read, block, delete, end grants. They create themselves by signing in.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use gatewright_domain::{
    Invalid,
    grant::{Grant, RevocationReason},
    id::{GrantId, ProjectId, UserId, UserSourceId},
    user::{User, UserStatus},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    grant::Holder,
    held_grants::{self, HeldGrants},
    user as rows, user_source,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Authority, IfMatch, Patch, ServiceError, Version,
    change::{Change, Fields, created, field, updated},
    entity::Entity,
    grants,
    store::Recorded,
};
use crate::{Admin, schema};

pub use gatewright_store::user::UserFilter;

/// A change of a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// `blocked` refuses every request of the user from the next one, and ends their grants.
    #[schema(schema_with = schema::user_status)]
    #[serde(default)]
    pub status: Patch<UserStatus>,
}

/// Users of a project, newest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &UserFilter,
    page: &PageRequest,
) -> Result<Page<User>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    let search = filter.search.as_deref().map(str::trim);
    let filter = UserFilter {
        search: search.filter(|text| !text.is_empty()).map(str::to_owned),
        ..filter.clone()
    };
    Ok(rows::list(&mut tx, project, &filter, page).await?)
}

/// One user.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserId,
) -> Result<User, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await
}

/// Which of some users are known under an earlier issuer or subject claim of their source. Signing in as them is not
/// possible: the same person is another user now.
pub async fn former(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    users: &[User],
) -> Result<HashSet<UserId>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    let mut present: HashMap<UserSourceId, Option<(String, String)>> = HashMap::new();
    let mut former = HashSet::new();
    for user in users {
        let key = &user.key;
        let identity = match present.entry(key.user_source_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let source = user_source::find(&mut tx, project, key.user_source_id).await?;
                unknown.insert(source.map(|source| (source.issuer, source.subject_claim)))
            }
        };
        if identity
            .as_ref()
            .is_some_and(|(issuer, claim)| *issuer != key.issuer || *claim != key.claim)
        {
            former.insert(user.id);
        }
    }
    Ok(former)
}

/// Blocks or unblocks a user.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserId,
    patch: UserPatch,
    if_match: &IfMatch,
) -> Result<User, ServiceError> {
    let permit = authority.change(project)?;
    let mut invalid = Invalid::default();
    let status = patch.status.required_word(&mut invalid, "/status");
    invalid.into_result()?;
    let mut change = Change::begin(app, permit).await?;
    let current = existing(&mut change.tx, project, id).await?;
    if_match.holds(version(&current))?;
    let Some(status) = status.filter(|status| *status != current.status) else {
        return Ok(current);
    };
    if !rows::set_status(&mut change.tx, project, id, status).await? {
        return Err(ServiceError::not_found("user"));
    }
    let next = User {
        status,
        ..current.clone()
    };
    let mut changes = updated(&current.audited(), next.audited());
    if status == UserStatus::Blocked {
        let ended = grants::end_all(
            &mut change,
            project,
            Holder::User(id),
            RevocationReason::UserRemoved,
        )
        .await?;
        changes.extend(created(vec![field("grants_ended", ended)]));
    }
    let verb = match status {
        UserStatus::Active => "unblocked",
        UserStatus::Blocked => "blocked",
    };
    change.record(verb, next.object(), changes).await?;
    change.commit().await?;
    Ok(next)
}

/// Deletes a user with their grants; their tokens fail from the next request. Signing in again makes a new user.
pub(crate) async fn delete(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let permit = authority.change(project)?;
    let mut change = Change::begin(app, permit).await?;
    let user = existing(&mut change.tx, project, id).await?;
    if_match.holds(version(&user))?;
    let now = change.now;
    if !rows::delete(&mut change.tx, project, id, now).await? {
        return Err(ServiceError::not_found("user"));
    }
    change.record("deleted", user.object(), Vec::new()).await?;
    change.commit().await?;
    if let Err(error) = app.store.delete_arguments(permit, Recorded::OfUser(id)).await {
        // The job that deletes what is too old looks for persons who do not exist any more.
        tracing::warn!(user = %id, error = &error as &dyn std::error::Error, "recorded arguments of a deleted user are deleted later");
    }
    Ok(())
}

/// Live grants of a user, newest first.
pub async fn grants(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserId,
    page: &PageRequest,
) -> Result<Page<Grant>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await?;
    grants::list(app, &mut tx, project, Holder::User(id), page).await
}

/// What a user holds now, and loses when blocked.
pub async fn held(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserId,
) -> Result<HeldGrants, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(held_grants::count_of_user(&mut tx, project, id, app.now()).await?)
}

/// Ends one grant of a user.
pub async fn end_grant(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserId,
    grant: GrantId,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    existing(&mut change.tx, project, id).await?;
    grants::end(change, project, Holder::User(id), grant).await
}

/// Ends all grants of a user; how many. The user may sign in again.
pub async fn end_grants(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserId,
) -> Result<u64, ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let user = existing(&mut change.tx, project, id).await?;
    let ended = grants::end_all(
        &mut change,
        project,
        Holder::User(id),
        RevocationReason::Administrator,
    )
    .await?;
    let changes = created(vec![field("grants_ended", ended)]);
    change.record("grants_ended", user.object(), changes).await?;
    change.commit().await?;
    Ok(ended)
}

async fn existing(tx: &mut Tx, project: ProjectId, id: UserId) -> Result<User, ServiceError> {
    User::found(rows::find(tx, project, id).await?)
}

/// The version of a user: what administrators change of it. Signing in changes nothing of that.
pub(crate) fn version(user: &User) -> Version {
    Version::of(&user.status)
}

impl Entity for User {
    const KIND: &'static str = "user";
    const NOUN: &'static str = "user";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.key.subject
    }

    fn audited(&self) -> Fields {
        vec![field("status", self.status)]
    }
}
