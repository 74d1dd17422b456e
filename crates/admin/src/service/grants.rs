//! Grants of one holder, a user of a source or a member of the project: list them, end one, end all. What ends fails on the
//! next request, whatever token it comes with.

use gatewright_domain::{
    grant::{Grant, RevocationReason},
    id::{GrantId, ProjectId},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    grant::{self as rows, Holder},
};

use super::{
    ServiceError,
    change::{Change, Object, created, field},
};
use crate::Admin;

/// Live grants of someone, newest first. The caller has checked the permission and that the holder exists.
pub(super) async fn list(
    app: &Admin,
    tx: &mut Tx,
    project: ProjectId,
    holder: Holder,
    page: &PageRequest,
) -> Result<Page<Grant>, ServiceError> {
    Ok(rows::list_of(tx, project, holder, app.now(), page).await?)
}

/// Ends one grant of someone, in a change of theirs. A grant is ended only under the one who holds it. That its gateway
/// is inactive is not a reason to keep it.
pub(super) async fn end(
    mut change: Change<'_>,
    project: ProjectId,
    holder: Holder,
    id: GrantId,
) -> Result<(), ServiceError> {
    let Some(found) = rows::find_unrevoked(&mut change.tx, project, holder, id).await? else {
        return Err(ServiceError::not_found("live grant"));
    };
    let now = change.now;
    let reason = RevocationReason::Administrator;
    if !rows::revoke(&mut change.tx, project, id, reason, now).await? {
        return Err(ServiceError::not_found("live grant"));
    }
    let object = Object {
        kind: "grant",
        id: id.to_string(),
        name: &found.client_name,
    };
    let held_by = match holder {
        Holder::User(id) => field("user_id", id),
        Holder::Member(id) => field("account_id", id),
    };
    let changes = created(vec![held_by, field("gateway_id", found.gateway_id)]);
    change.record("ended", object, changes).await?;
    change.commit().await
}

/// Ends all grants of someone in a change that continues; returns how many.
pub(super) async fn end_all(
    change: &mut Change<'_>,
    project: ProjectId,
    holder: Holder,
    reason: RevocationReason,
) -> Result<u64, ServiceError> {
    let now = change.now;
    Ok(rows::revoke_of(&mut change.tx, project, holder, reason, now).await?)
}
