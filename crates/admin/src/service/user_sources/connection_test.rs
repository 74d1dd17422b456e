//! Testing the connection of a User Source: all checks again, and whether the provider knows its client.

use gatewright_domain::{
    id::{ProjectId, UserSourceId},
    registration::CredentialsVerdict,
    user_source::UserSource,
};
use gatewright_store::user_source as rows;

use super::{existing, held};
use crate::{
    Admin,
    relying_party::connection::{self, Tested},
    service::{
        Authority, ServiceError,
        change::{Change, field, updated},
        entity::Entity,
    },
};

/// Tests a source as it is stored, within some twenty seconds, and keeps the result with it. Where every check holds and the
/// provider does not refuse the client, the source counts as verified.
pub async fn test_connection(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserSourceId,
) -> Result<UserSource, ServiceError> {
    let permit = authority.change(project)?;
    let mut tx = app.store.read(permit).await?;
    let tested = existing(&mut tx, project, id).await?;
    drop(tx);
    let Tested { test, verified_at } = connection::test(app, &tested).await;

    let mut change = Change::begin(app, permit).await?;
    // While the provider was asked, a sign-in may have noted something or someone changed the source: the result is kept
    // as long as it is about what is stored.
    let current = held(&mut change.tx, project, id).await?;
    if !is_about(&tested, &current) {
        return Err(ServiceError::changed_meanwhile());
    }
    let mut next = current.clone();
    let verdict = field("credentials", test.credentials.verdict);
    // A source whose client the provider refuses is not verified, whenever it was.
    let next_is_wrong = test.credentials.verdict == CredentialsVerdict::Wrong;
    next.last_test = Some(test);
    next.verified_at = if next_is_wrong {
        None
    } else {
        verified_at.or(current.verified_at)
    };
    // `updated_at` stays: a test edits nothing, and a form that is open in the meantime can still be saved.
    if !rows::update(&mut change.tx, &next, &current).await? {
        return Err(ServiceError::changed_meanwhile());
    }
    let mut after = next.audited();
    after.push(verdict);
    let changes = updated(&current.audited(), after);
    change.record("tested", next.object(), changes).await?;
    change.commit().await?;
    Ok(next)
}

fn is_about(tested: &UserSource, current: &UserSource) -> bool {
    tested.identity_epoch == current.identity_epoch
        && !tested.changes_identity(&current.issuer, &current.client_id, &current.subject_claim)
        && tested.scopes == current.scopes
        && tested.callback == current.callback
        && tested.client_secret.current == current.client_secret.current
        && tested.client_authentication.choice == current.client_authentication.choice
}
