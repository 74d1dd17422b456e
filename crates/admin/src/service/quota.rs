//! Quotas of projects: how many objects of each kind one can have, so that no tenant uses up the instance. They are
//! asked in the transaction that adds something, whose lock on the revision lets one such transaction run at a time, so
//! no two requests take the last place together. What a project already has keeps working when a quota is lowered.

use gatewright_domain::id::ProjectId;
use gatewright_store::quota::{Counted, count};

use super::{ServiceError, change::Change};
use crate::config::QuotasConfig;

/// Refuses a change that has left the project with more than its quota of something. Called after the row was written,
/// so that what the change itself replaced no longer counts; the caller drops the transaction.
pub(super) async fn check(
    change: &mut Change<'_>,
    project: ProjectId,
    what: Counted,
) -> Result<(), ServiceError> {
    check_growth(change, project, what, 0).await
}

/// How many the project has at this point of the change.
pub(super) async fn counted(
    change: &mut Change<'_>,
    project: ProjectId,
    what: Counted,
) -> Result<i64, ServiceError> {
    Ok(count(&mut change.tx, project, what, change.now).await?)
}

/// Like [`check`], for a change that may only replace one object with another. The project had `before` of them: if
/// they are not more than that, a quota that was lowered in the meantime does not prevent it.
pub(super) async fn check_growth(
    change: &mut Change<'_>,
    project: ProjectId,
    what: Counted,
    before: i64,
) -> Result<(), ServiceError> {
    let quota = Quota::of(&change.config().quotas, what);
    let present = counted(change, project, what).await?;
    if present > before && present > i64::from(quota.limit) {
        return Err(ServiceError::conflict(quota.refusal()));
    }
    Ok(())
}

/// A quota and its words.
struct Quota {
    key: &'static str,
    limit: u32,
    things: &'static str,
    remedy: &'static str,
}

impl Quota {
    const fn of(quotas: &QuotasConfig, what: Counted) -> Self {
        let (key, limit, things, remedy) = match what {
            Counted::Servers => (
                "servers",
                quotas.servers,
                "servers",
                "Delete one that is not used",
            ),
            Counted::Gateways => (
                "gateways",
                quotas.gateways,
                "gateways",
                "Delete one that is not used",
            ),
            Counted::UserSources => (
                "user_sources",
                quotas.user_sources,
                "User Sources",
                "Delete one that is not used",
            ),
            Counted::Secrets => (
                "secrets",
                quotas.secrets,
                "secrets",
                "Delete one that is not used",
            ),
            Counted::ApiKeys => (
                "api_keys",
                quotas.api_keys,
                "API keys",
                "Revoke one that is not used",
            ),
            Counted::Members => (
                "members",
                quotas.members,
                "members and open invitations",
                "Remove a member or revoke an invitation",
            ),
            Counted::Clients => (
                "clients",
                quotas.clients,
                "registered clients",
                "Delete one that is not used",
            ),
            Counted::Slugs => (
                "slugs",
                quotas.slugs,
                "gateway URLs (slugs), those of deleted and renamed gateways included",
                "Use the URL of a gateway that was deleted",
            ),
        };
        Self {
            key,
            limit,
            things,
            remedy,
        }
    }

    fn refusal(&self) -> String {
        let Self {
            key,
            limit,
            things,
            remedy,
        } = self;
        format!(
            "This project has reached its quota for {things}, which is {limit}. {remedy}, or ask the people who run this \
             instance to raise `quotas.{key}`."
        )
    }
}
