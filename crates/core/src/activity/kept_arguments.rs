//! How long recorded arguments are kept: as the gateway says, while it records them, and as long as the person exists.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use gatewright_domain::{
    Timestamp,
    activity::ARGUMENTS_MAX,
    gateway::RecordArguments,
    id::{GatewayId, ProjectId},
};
use gatewright_store::{
    Store, StoreError, activity as rows, gateway,
    names::{self, Kind},
};

use super::retention::wanted;

/// Rows deleted in one transaction.
const PIECE: u32 = 2_000;

/// Where the next round continues.
#[derive(Debug, Default)]
pub(super) struct KeptArguments {
    gateway: Option<GatewayId>,
    person: String,
}

impl KeptArguments {
    /// One round: deletes what is too old, what belongs to gateways that record no arguments, and what belongs to persons who do not
    /// exist any more.
    pub(super) async fn round(
        &mut self,
        store: &Store,
        now: Timestamp,
        in_time: impl Fn() -> bool,
    ) -> Result<(), StoreError> {
        let (activity, after) = (store.activity(), self.gateway);
        let found = activity
            .look(move |tx| Box::pin(rows::gateways_with_arguments(tx, after)))
            .await?;
        self.gateway = found.last().map(|(_, id)| *id);
        let ids: Vec<GatewayId> = found.iter().map(|(_, id)| *id).collect();
        let settings = store.look(move |tx| Box::pin(async move { gateway::recording(tx, &ids).await }));
        let settings: HashMap<GatewayId, RecordArguments> = settings.await?;
        for (project, id) in found {
            let before = before(settings.get(&id), now);
            while in_time() && delete_of_gateway(store, project, id, before).await? >= u64::from(PIECE) {}
        }
        self.forget_persons(store, in_time).await
    }

    /// Deletes the oldest of all gateways if they take more bytes than this.
    pub(super) async fn bound(
        &self,
        store: &Store,
        limit: i64,
        in_time: impl Fn() -> bool,
    ) -> Result<(), StoreError> {
        let activity = store.activity();
        let mut size = activity.size_of_arguments().await?;
        let wanted = wanted(size, limit);
        while size > wanted && in_time() {
            // As many as can go for certain: they are of very different lengths.
            let beyond = usize::try_from(size - wanted).unwrap_or(usize::MAX) / ARGUMENTS_MAX;
            let piece = u32::try_from(beyond).unwrap_or(u32::MAX).clamp(20, PIECE);
            let (count, bytes) = activity
                .transact(move |tx| Box::pin(rows::prune_arguments(tx, piece)))
                .await?;
            if count == 0 {
                break;
            }
            size -= bytes;
        }
        Ok(())
    }

    async fn forget_persons(&mut self, store: &Store, in_time: impl Fn() -> bool) -> Result<(), StoreError> {
        let (activity, after) = (store.activity(), std::mem::take(&mut self.person));
        let found = activity
            .look(move |tx| Box::pin(async move { rows::persons_with_arguments(tx, &after).await }))
            .await?;
        self.person = found.last().map(|(_, person)| person.clone()).unwrap_or_default();
        let mut by_project: BTreeMap<ProjectId, Vec<String>> = BTreeMap::new();
        for (project, person) in found {
            by_project.entry(project).or_default().push(person);
        }
        for (project, persons) in by_project {
            let wanted = persons.clone();
            let existing = store.look(move |tx| {
                Box::pin(async move {
                    let mut existing = names::of(tx, project, Kind::User, &wanted).await?;
                    existing.extend(names::of(tx, project, Kind::Account, &wanted).await?);
                    Ok::<_, StoreError>(existing)
                })
            });
            let existing = existing.await?;
            for person in persons.into_iter().filter(|id| !existing.contains_key(id)) {
                if in_time() {
                    delete_arguments_of(store, Some(project), &person).await?;
                }
            }
        }
        Ok(())
    }
}

/// What was recorded before this time is deleted: everything where a gateway records nothing.
fn before(settings: Option<&RecordArguments>, now: Timestamp) -> Timestamp {
    match settings {
        Some(settings) => now.minus(Duration::from_hours(24 * u64::from(settings.retention_days))),
        None => Timestamp::from_millis(i64::MAX),
    }
}

async fn delete_of_gateway(
    store: &Store,
    project: ProjectId,
    gateway: GatewayId,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let activity = store.activity();
    activity
        .transact(move |tx| {
            Box::pin(rows::delete_arguments_of_gateway(
                tx, project, gateway, before, PIECE,
            ))
        })
        .await
}

/// Deletes all arguments that a person sent, in any project if none is named; returns how many.
pub async fn delete_arguments_of(
    store: &Store,
    project: Option<ProjectId>,
    person: &str,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let (activity, person) = (store.activity(), person.to_owned());
        let count = activity
            .transact(move |tx| {
                Box::pin(async move { rows::delete_arguments_of_person(tx, project, &person, PIECE).await })
            })
            .await?;
        deleted += count;
        if count < u64::from(PIECE) {
            return Ok(deleted);
        }
    }
}

/// Deletes all arguments that a gateway has recorded; returns how many.
pub async fn delete_arguments_at(
    store: &Store,
    project: ProjectId,
    gateway: GatewayId,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let count = delete_of_gateway(store, project, gateway, before(None, Timestamp::default())).await?;
        deleted += count;
        if count < u64::from(PIECE) {
            return Ok(deleted);
        }
    }
}
