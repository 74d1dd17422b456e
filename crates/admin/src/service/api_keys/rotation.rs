//! Rotation: a new key replaces another, which keeps working for a while, so that no request fails in the meantime.

use std::time::Duration;

use gatewright_domain::{
    Invalid, Timestamp,
    api_key::ApiKey,
    audit::ActorKind,
    id::{ApiKeyId, ProjectId},
};
use gatewright_store::{api_key as rows, invitation, quota::Counted};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Authority, Change, CreatedKey, Entity, ServiceError, check_expiry, existing, field, insert_over, is_live,
    make, may_manage, quota, updated,
};
use crate::Admin;

/// Enough time to replace the old key wherever it is used.
const DEFAULT_OVERLAP_SECONDS: u32 = 24 * 60 * 60;
/// A key that is being replaced must not stay for long.
const MAX_OVERLAP_SECONDS: u32 = 7 * 24 * 60 * 60;

/// How a key is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// For how long the old key keeps working, in seconds, a day when left out; 0 revokes it immediately.
    #[schema(maximum = 604_800)]
    #[serde(default)]
    pub overlap_seconds: Option<u32>,
    /// When the new key expires; when left out, when the old one would have expired.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// Creates a key that replaces another: same name, role and gateway. The other one keeps working until the overlap ends,
/// or until it expires if that is earlier; one that no longer works, or was rotated before, is refused. So is the newest
/// while the one before it works: rotating in a loop must not create more keys than the quota.
pub async fn rotate(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    id: ApiKeyId,
    how: RotateApiKey,
) -> Result<CreatedKey, ServiceError> {
    let permit = may_manage(authority, project)?;
    let overlap = how.overlap_seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS);
    let mut invalid = Invalid::default();
    if overlap > MAX_OVERLAP_SECONDS {
        invalid.add(
            "/overlap_seconds",
            format!("The old key can keep working for at most 7 days: enter 0 to {MAX_OVERLAP_SECONDS}."),
        );
    }
    if how.expires_at.is_some() {
        invalid.take(check_expiry(app, authority, how.expires_at));
    }
    invalid.into_result()?;
    let mut change = Change::begin(app, permit).await?;
    let old = existing(&mut change.tx, project, id).await?;
    let expires_at = how.expires_at.or(old.expires_at);
    // That a key has ended is reported as that, and not as an end its successor must not have.
    if is_live(&old, change.now) {
        check_expiry(app, authority, expires_at)?;
    }
    let now = change.now;
    if is_live(&old, now)
        && let Some(before) = rows::find_predecessor(&mut change.tx, project, id, now).await?
    {
        return Err(too_soon(&before));
    }
    let keys_before = match project {
        Some(project) => quota::counted(&mut change, project, Counted::ApiKeys).await?,
        None => 0,
    };
    let made = make(app, &change, old.scope, old.name.clone(), expires_at);
    let ends_at = now.plus(Duration::from_secs(u64::from(overlap)));
    if !rows::rotate(&mut change.tx, project, id, made.key.id, ends_at, now).await? {
        return Err(refused(&old));
    }
    let next = existing(&mut change.tx, project, id).await?;
    if let Some(end) = next.expires_at {
        invitation::shorten_of(&mut change.tx, ActorKind::ApiKey(id), end).await?;
    }
    let mut changes = updated(&old.audited(), next.audited());
    changes.extend(updated(&Vec::new(), vec![field("successor_id", made.key.id)]));
    change.record("rotated", next.object(), changes).await?;
    insert_over(change, made, keys_before).await
}

fn too_soon(before: &ApiKey) -> ServiceError {
    let until = before.expires_at.map_or_else(
        || "until it is revoked".to_owned(),
        |at| format!("until {}", at.to_rfc3339()),
    );
    ServiceError::conflict(format!(
        "The key {} that this one replaces still works until {until}. Rotate this one afterwards, or revoke the other first.",
        before.id
    ))
}

fn refused(old: &ApiKey) -> ServiceError {
    match old.successor_id {
        Some(successor) => ServiceError::conflict(format!(
            "This key was rotated before: the key {successor} has taken its place. Rotate that one."
        )),
        None => ServiceError::conflict(
            "This key no longer works: it was revoked or has expired. Create a new one.",
        ),
    }
}
