//! A server as the audit trail shows it and a change writes it.

use gatewright_domain::{id::ProjectId, server::Server};
use gatewright_store::{
    Tx,
    quota::Counted,
    server::{self as rows, ServerDelete},
};

use super::audited::audited;
use crate::service::{
    ServiceError,
    change::Fields,
    entity::{Entity, Stored, Written, dated, inserted},
    error::Conflict,
};

impl Entity for Server {
    const KIND: &'static str = "server";
    const NOUN: &'static str = "server";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        audited(self)
    }
}

dated!(Server);

impl Stored for Server {
    fn counts(&self) -> Option<(ProjectId, Counted)> {
        Some((self.project_id, Counted::Servers))
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        inserted::<Self>(rows::insert(tx, self).await)
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        Written::replaced::<Self>(rows::update(tx, self, before.updated_at).await)
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        match rows::delete(tx, self.project_id, self.id).await? {
            ServerDelete::Done => Ok(Written::Done),
            ServerDelete::NotFound => Err(ServiceError::not_found(Self::NOUN)),
            ServerDelete::InUse(gateways) => Ok(Written::Refused(Conflict {
                detail: format!(
                    "The server `{}` cannot be deleted while gateways name it: remove it from their servers and allowed \
                     tools first.",
                    self.slug
                ),
                gateways,
                ..Conflict::default()
            })),
        }
    }
}
