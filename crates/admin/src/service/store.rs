//! The store as administrators reach it: it opens only with a permit, and a permit for one project does not open another.

use std::sync::Arc;

use gatewright_core::activity::{delete_arguments_at, delete_arguments_of};
use gatewright_domain::id::{GatewayId, UserId};
use gatewright_gateway::Gateways;
use gatewright_store::{StoreError, Tx, activity};

use super::authority::{MayChange, Reads, Writes};

/// Whose recorded arguments are meant.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) enum Recorded {
    /// Those of all requests at a gateway.
    AtGateway(GatewayId),
    /// Those of all requests of a user.
    OfUser(UserId),
}

/// The store of the process, behind a check of the caller.
#[derive(Debug)]
pub struct Guarded(Arc<Gateways>);

impl Guarded {
    /// Guards the store of `gateways`.
    pub(crate) const fn over(gateways: Arc<Gateways>) -> Self {
        Self(gateways)
    }

    /// Begins a transaction that reads.
    pub(crate) async fn read(&self, permit: impl Reads) -> Result<Tx, StoreError> {
        Ok(confined(self.0.store.read().await?, permit))
    }

    /// Begins a transaction that reads the activity.
    pub(in crate::service) async fn read_activity(&self, permit: impl Reads) -> Result<Tx, StoreError> {
        let activity = self.0.store.activity();
        Ok(confined(activity.read().await?, permit))
    }

    /// Deletes the arguments that were recorded at a gateway, or of a user, in the project that a permit opens.
    pub(in crate::service) async fn delete_arguments(
        &self,
        permit: MayChange<'_>,
        of: Recorded,
    ) -> Result<(), StoreError> {
        let Some(project) = permit.project() else {
            return Ok(());
        };
        let store = &self.0.store;
        match of {
            Recorded::AtGateway(id) => delete_arguments_at(store, project, id).await?,
            Recorded::OfUser(id) => delete_arguments_of(store, Some(project), &id.to_string()).await?,
        };
        Ok(())
    }

    /// Begins another numbering of requests in the place of one that began again.
    pub(in crate::service) async fn renew_activity(
        &self,
        _permit: impl Writes,
        old: i64,
        new: i64,
    ) -> Result<(), StoreError> {
        let activity = self.0.store.activity();
        activity
            .transact(move |tx| Box::pin(activity::renew_generation(tx, old, new)))
            .await
    }

    /// Begins a transaction that writes.
    pub(in crate::service) async fn write(&self, permit: impl Writes) -> Result<Tx, StoreError> {
        Ok(confined(self.0.store.write().await?, permit))
    }
}

fn confined(tx: Tx, permit: impl Reads) -> Tx {
    match permit.only_project() {
        Some(project) => tx.confined_to(project),
        None => tx,
    }
}
