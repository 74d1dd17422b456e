//! A User Source as the audit trail shows it, and how a change writes it.

use gatewright_domain::{id::ProjectId, user_source::UserSource};
use gatewright_store::{Tx, quota::Counted, user_source as rows};

use super::unguarded;
use crate::service::{
    ServiceError,
    change::{Fields, field},
    entity::{Entity, Stored, Written, inserted},
};

impl Entity for UserSource {
    const KIND: &'static str = "user_source";
    const NOUN: &'static str = "User Source";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        vec![
            field("name", &self.name),
            field("description", &self.description),
            field("issuer", &self.issuer),
            field("client_id", &self.client_id),
            field("client_secret_expires_at", self.client_secret_expires_at),
            field("client_authentication", self.client_authentication.choice),
            field("scopes", &self.scopes),
            field("subject_claim", &self.subject_claim),
            field("callback", self.callback),
            field("status", self.status),
            field("verified_at", self.verified_at),
        ]
    }
}

impl Stored for UserSource {
    fn counts(&self) -> Option<(ProjectId, Counted)> {
        Some((self.project_id, Counted::UserSources))
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        inserted::<Self>(rows::insert(tx, self).await)
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        Written::replaced::<Self>(rows::update(tx, self, before).await)
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        let guarded = rows::delete(tx, self.project_id, self.id).await?;
        Ok(unguarded(guarded, "deleted")?.map_or(Written::Done, Written::Refused))
    }
}
