//! What entities have in common: how the audit trail and messages name them, and one way to write them. A change writes the
//! row, the event with what differs, and nothing else needs to know how, so one change can write many entities and commits
//! all of them or none.

use gatewright_domain::{Timestamp, audit::FieldChange, id::ProjectId};
use gatewright_store::{StoreError, Tx, quota::Counted};

use super::{
    ServiceError,
    change::{Change, Fields, Object, created, updated},
    error::Conflict,
    quota,
};
use crate::relying_party::check::Finding;

/// Something that administrators create, change or delete.
pub(crate) trait Entity: Sized {
    /// Its kind in the audit trail, like `user_source`.
    const KIND: &'static str;
    /// Its name in messages, like `User Source`.
    const NOUN: &'static str;

    /// Its ID.
    fn id(&self) -> String;

    /// Its name.
    fn name(&self) -> &str;

    /// Its fields as the audit trail shows them. They do not include secrets.
    fn audited(&self) -> Fields;

    /// It, as an event names it.
    fn object(&self) -> Object<'_> {
        Object {
            kind: Self::KIND,
            id: self.id(),
            name: self.name(),
        }
    }

    /// What was looked up, or an error that it does not exist.
    fn found(found: Option<Self>) -> Result<Self, ServiceError> {
        found.ok_or_else(|| ServiceError::not_found(Self::NOUN))
    }
}

/// An entity that was created or changed.
#[derive(Debug)]
pub struct Saved<E> {
    /// The entity.
    pub entity: E,
    /// Warnings from asking the server or provider. Empty if it was not asked.
    pub warnings: Vec<Finding>,
}

/// The outcome of writing a row.
pub(super) enum Written {
    /// It is written.
    Done,
    /// Something prevents it, which the audit trail shows.
    Refused(Conflict),
}

impl Written {
    /// Done, unless a row that was seen a moment ago is another one now.
    pub(super) fn unless_stale(is_written: bool) -> Result<Self, ServiceError> {
        if is_written {
            Ok(Self::Done)
        } else {
            Err(ServiceError::changed_meanwhile())
        }
    }

    /// The outcome of replacing a row: a name that is taken is a violation of its field.
    pub(super) fn replaced<E: Entity>(written: Result<bool, StoreError>) -> Result<Self, ServiceError> {
        Self::unless_stale(written.map_err(|error| ServiceError::taken(error, E::NOUN))?)
    }

    /// Done, unless the row no longer exists.
    pub(super) fn unless_missing<E: Entity>(is_written: bool) -> Result<Self, ServiceError> {
        if is_written {
            Ok(Self::Done)
        } else {
            Err(ServiceError::not_found(E::NOUN))
        }
    }
}

/// An entity with a row that administrators write.
pub(super) trait Stored: Entity + Sync {
    /// The quota of its project that it counts towards.
    fn counts(&self) -> Option<(ProjectId, Counted)> {
        None
    }

    /// Inserts its row.
    fn insert(&self, tx: &mut Tx) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Replaces what it was `before`, unless that has changed in the meantime.
    fn replace(
        &self,
        tx: &mut Tx,
        before: &Self,
    ) -> impl Future<Output = Result<Written, ServiceError>> + Send;

    /// Deletes its row, with what depends on it.
    fn remove(&self, tx: &mut Tx) -> impl Future<Output = Result<Written, ServiceError>> + Send;
}

/// The outcome of inserting a row: a name that is taken is a violation of its field.
pub(super) fn inserted<E: Entity>(written: Result<(), StoreError>) -> Result<(), ServiceError> {
    written.map_err(|error| ServiceError::taken(error, E::NOUN))
}

/// An entity whose row has the time of its last change.
pub(super) trait Dated: Stored + PartialEq {
    /// When it was last changed.
    fn updated_at(&self) -> Timestamp;

    /// It, changed at a later time.
    fn changed_at(self, at: Timestamp) -> Self;
}

/// Implements [`Dated`] for entities that call that time `updated_at`.
macro_rules! dated {
    ($($entity:ty),*) => {$(
        impl $crate::service::entity::Dated for $entity {
            fn updated_at(&self) -> gatewright_domain::Timestamp {
                self.updated_at
            }

            fn changed_at(self, at: gatewright_domain::Timestamp) -> Self {
                Self { updated_at: at, ..self }
            }
        }
    )*};
}
pub(super) use dated;

impl Change<'_> {
    /// Creates an entity: the row, its place in the quota, and the event. `more` is what the event shows besides its fields.
    pub(super) async fn create<E: Stored>(
        &mut self,
        new: &E,
        more: Vec<FieldChange>,
    ) -> Result<(), ServiceError> {
        new.insert(&mut self.tx).await?;
        if let Some((project, what)) = new.counts() {
            quota::check(self, project, what).await?;
        }
        let mut changes = created(new.audited());
        changes.extend(more);
        self.record("created", new.object(), changes).await
    }

    /// Changes an entity: the row, and the event with what differs.
    pub(super) async fn update<E: Stored>(
        &mut self,
        before: &E,
        after: &E,
        more: Vec<FieldChange>,
    ) -> Result<(), ServiceError> {
        self.replace(before, after).await?;
        self.record_update(before, after, more).await
    }

    /// Makes an entity what it becomes, and returns it as it is stored. Nothing is written if nothing differs.
    pub(super) async fn save<E: Dated>(
        &mut self,
        current: E,
        next: E,
        more: Vec<FieldChange>,
    ) -> Result<E, ServiceError> {
        if next == current {
            return Ok(current);
        }
        let next = next.changed_at(self.later_than(current.updated_at()));
        self.update(&current, &next, more).await?;
        Ok(next)
    }

    /// Deletes an entity: the row, and the event.
    pub(super) async fn delete<E: Stored>(
        &mut self,
        gone: &E,
        more: Vec<FieldChange>,
    ) -> Result<(), ServiceError> {
        match gone.remove(&mut self.tx).await? {
            Written::Done => self.record("deleted", gone.object(), more).await,
            Written::Refused(conflict) => Err(self.refused("deletion_refused", gone.object(), conflict)),
        }
    }

    /// The row of a change, for one that does more before its event.
    pub(super) async fn replace<E: Stored>(&mut self, before: &E, after: &E) -> Result<(), ServiceError> {
        match after.replace(&mut self.tx, before).await? {
            Written::Done => Ok(()),
            Written::Refused(conflict) => Err(self.refused("update_refused", before.object(), conflict)),
        }
    }

    /// The event of a change, with what differs.
    pub(super) async fn record_update<E: Entity + Sync>(
        &mut self,
        before: &E,
        after: &E,
        more: Vec<FieldChange>,
    ) -> Result<(), ServiceError> {
        let mut changes = updated(&before.audited(), after.audited());
        changes.extend(more);
        self.record("updated", after.object(), changes).await
    }
}
