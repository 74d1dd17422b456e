//! Counts what a project has, for its quotas.

use gatewright_domain::{Timestamp, id::ProjectId};

use crate::{StoreError, Tx, value::values};

/// What a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Servers.
    Servers,
    /// Gateways, active or not.
    Gateways,
    /// User Sources, active or not.
    UserSources,
    /// Stored secrets.
    Secrets,
    /// Valid API keys. For a rotated key, its successor counts instead, as long as that is valid.
    ApiKeys,
    /// Members, and open invitations.
    Members,
    /// Clients registered by an administrator, at all gateways together.
    Clients,
    /// Slugs that are reserved for the project, in use or not.
    Slugs,
}

/// The number that a project has at `now`. Call it in the transaction that adds one, after
/// [`crate::revision::bump`]: its lock lets one such transaction run at a time.
pub async fn count(
    tx: &mut Tx,
    project: ProjectId,
    what: Counted,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let sql = match what {
        Counted::Servers => "SELECT COUNT(*) AS n FROM servers WHERE project_id = $1",
        Counted::Gateways => "SELECT COUNT(*) AS n FROM gateways WHERE project_id = $1",
        Counted::UserSources => "SELECT COUNT(*) AS n FROM user_sources WHERE project_id = $1",
        Counted::Secrets => "SELECT COUNT(*) AS n FROM secrets WHERE project_id = $1",
        Counted::Clients => "SELECT COUNT(*) AS n FROM preregistered_clients WHERE project_id = $1",
        Counted::Slugs => "SELECT COUNT(*) AS n FROM gateway_slugs WHERE project_id = $1",
        Counted::ApiKeys => {
            "SELECT COUNT(*) AS n FROM api_keys WHERE api_keys.project_id = $1 AND api_keys.revoked_at IS NULL \
             AND (api_keys.expires_at IS NULL OR api_keys.expires_at > $2) AND NOT EXISTS \
             (SELECT 1 FROM api_keys AS later WHERE later.id = api_keys.successor_id \
             AND later.revoked_at IS NULL AND (later.expires_at IS NULL OR later.expires_at > $2))"
        }
        Counted::Members => {
            "SELECT (SELECT COUNT(*) FROM members WHERE project_id = $1) + \
             (SELECT COUNT(*) FROM invitations WHERE project_id = $1 AND accepted_at IS NULL \
             AND revoked_at IS NULL AND expires_at > $2) AS n"
        }
    };
    let values = match what {
        Counted::ApiKeys | Counted::Members => values![project, now].to_vec(),
        _ => values![project].to_vec(),
    };
    tx.fetch_one(sql, &values).await?.int("n")
}
