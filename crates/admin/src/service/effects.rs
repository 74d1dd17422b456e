//! What a change would affect: it is made in a transaction that is then rolled back, so that it meets every check and guard
//! that the change itself would meet.

use gatewright_domain::{
    Timestamp,
    audit::FieldChange,
    gateway::{Gateway, GatewayStatus},
    id::{GatewayId, ProjectId, UserSourceId},
};
use gatewright_store::{Tx, gateway, held_grants, user};
use serde::Serialize;

use super::ServiceError;
use crate::relying_party::check::Finding;

/// Whether a change is made or only tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is made.
    Change,
    /// Everything is checked as if it were made, and nothing is written, in the audit trail neither.
    Rehearsal,
}

/// The result of a change.
#[derive(Debug)]
pub enum Done<T> {
    /// It is made.
    Changed(T),
    /// It was tried out.
    WouldTouch(Effects),
}

impl<T> Done<T> {
    /// What was changed; `None` for a dry run.
    pub fn changed(self) -> Option<T> {
        match self {
            Self::Changed(changed) => Some(changed),
            Self::WouldTouch(_) => None,
        }
    }
}

/// What a change would touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The fields that would be others, as the audit trail names them.
    pub changes: Vec<String>,
    /// The gateways in question: those that use the source, or the one that is changed.
    pub gateways: Vec<AffectedGateway>,
    /// The users in question: those of the source as it is, or those with grants at the gateway.
    pub users: i64,
    /// Users of the source under an earlier issuer or subject claim. They can no longer sign in.
    pub former_users: i64,
    /// The live grants of the users.
    pub live_grants: i64,
    /// Their grants that sleep because a gateway or the source is inactive. What ends the live ones ends them too.
    pub sleeping_grants: i64,
    /// Whether those grants would end on the next request.
    pub ends_sessions: bool,
    /// What would happen to the stored client secret; `None` for a gateway.
    pub client_secret: Option<SecretFate>,
    /// Whether the gateway's URL would change, so that clients must be set up again.
    pub changes_url: bool,
    /// Warnings from asking the provider; they do not prevent the change.
    pub warnings: Vec<Finding>,
}

/// A gateway that a change touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedGateway {
    /// Its id.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// Its status before the change.
    pub status: GatewayStatus,
}

/// What happens to a stored client secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretFate {
    /// It stays.
    Kept,
    /// A new one is tried first and this one stays a fallback.
    Rotated,
    /// A new one, for another provider, replaces it immediately.
    Replaced,
    /// It goes.
    Deleted,
}

impl Effects {
    /// Those who depend on a source.
    pub(super) async fn of_source(
        tx: &mut Tx,
        project: ProjectId,
        source: UserSourceId,
        now: Timestamp,
    ) -> Result<Self, ServiceError> {
        let gateways = gateway::list_of_user_source(tx, project, source).await?;
        let held = held_grants::count_of_user_source(tx, project, source, now).await?;
        let users = user::count_of_user_source(tx, project, source).await?;
        Ok(Self {
            gateways: gateways
                .into_iter()
                .map(|(id, name, status)| AffectedGateway { id, name, status })
                .collect(),
            users: users.present,
            former_users: users.former,
            live_grants: held.live,
            sleeping_grants: held.asleep,
            ..Self::default()
        })
    }

    /// Those who depend on a gateway.
    pub(super) async fn of_gateway(
        tx: &mut Tx,
        gateway: &Gateway,
        now: Timestamp,
    ) -> Result<Self, ServiceError> {
        let held = held_grants::count_of_gateway(tx, gateway.project_id, gateway.id, now).await?;
        Ok(Self {
            gateways: vec![AffectedGateway {
                id: gateway.id,
                name: gateway.name.clone(),
                status: gateway.status,
            }],
            users: held.users,
            live_grants: held.live,
            sleeping_grants: held.asleep,
            ..Self::default()
        })
    }
}

impl Effects {
    /// All sessions it touches, awake or asleep.
    pub const fn sessions(&self) -> i64 {
        self.live_grants + self.sleeping_grants
    }
}

/// The names of the fields that change.
pub(super) fn names(changes: Vec<FieldChange>) -> Vec<String> {
    changes.into_iter().map(|change| change.field).collect()
}
