//! Whether someone can still do what they could when they began: for what takes longer than one request.

use gatewright_domain::{Timestamp, audit::ActorKind, id::ProjectId};
use gatewright_store::{StoreError, Tx, account, account_session, api_key, member};

use super::{Access, Authority};
use crate::service::api_keys::is_live;

impl Authority {
    /// Whether the key or session it was found through is still valid at `now`, and an account still what it was for
    /// `project` (`None`: for the instance). Keys keep their role for life.
    pub(in crate::service) async fn stands(
        &self,
        tx: &mut Tx,
        project: Option<ProjectId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let of_project = match &self.access {
            Access::Everything => return Ok(true),
            Access::Account(signed_in) => {
                let sessions = account_session::list(tx, signed_in.account, now).await?;
                if !sessions
                    .iter()
                    .any(|session| Some(session.id) == signed_in.session)
                {
                    return Ok(false);
                }
                return Ok(match project {
                    Some(project) => member::find(tx, project, signed_in.account).await?.is_some(),
                    None => account::find(tx, signed_in.account)
                        .await?
                        .is_some_and(|account| account.is_instance_admin),
                });
            }
            Access::Instance => None,
            Access::Project(own, _) => Some(*own),
        };
        let ActorKind::ApiKey(id) = self.actor.kind else {
            return Ok(false);
        };
        let key = api_key::find(tx, of_project, id).await?;
        Ok(key.is_some_and(|key| is_live(&key, now)))
    }
}
