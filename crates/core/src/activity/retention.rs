//! How long activity is kept: by age and by size, whichever is reached first.

use std::{collections::HashSet, time::Duration};

use gatewright_domain::{Clock, id::ProjectId};
use gatewright_store::{Store, StoreError, activity as rows, project};

use super::{kept_arguments::KeptArguments, kept_counts::KeptCounts};
use crate::config::ActivityConfig;

/// Rows deleted in one transaction: some hundredths of a second.
const PIECE: u32 = 2_000;
/// How long one round may take. What is left waits for the next.
const BUDGET: Duration = Duration::from_secs(20);
/// Where the size is above its limit, rows are deleted until it is this much below, in per cent: otherwise every round would
/// delete some.
const SLACK_PERCENT: i64 = 5;

/// Megabytes in bytes.
fn limit_of(megabytes: u64) -> i64 {
    i64::try_from(megabytes.saturating_mul(1024 * 1024)).unwrap_or(i64::MAX)
}

/// The size down to which the oldest are deleted.
pub(super) const fn wanted(size: i64, limit: i64) -> i64 {
    if size > limit {
        limit - limit / 100 * SLACK_PERCENT
    } else {
        limit
    }
}

/// Deletes what is too old or too much.
#[derive(Debug, Default)]
pub struct Retention {
    /// The name after which the next round looks for names without rows.
    names_after: i64,
    /// The project after which the next round looks for deleted ones.
    projects_after: Option<ProjectId>,
    arguments: KeptArguments,
    counts: KeptCounts,
}

impl Retention {
    /// Like the default, and keeps this many counts by name of a project.
    #[cfg(test)]
    pub(super) fn with_names(names_max: u64) -> Self {
        Self {
            counts: KeptCounts::of(names_max),
            ..Self::default()
        }
    }

    /// One round: at most 20 seconds of small pieces of work.
    pub async fn round(
        &mut self,
        store: &Store,
        config: &ActivityConfig,
        clock: &dyn Clock,
    ) -> Result<(), StoreError> {
        let began = clock.monotonic();
        let in_time = || clock.monotonic().saturating_sub(began) < BUDGET;
        let activity = store.activity();
        self.forget_projects(store, in_time).await?;
        self.arguments.round(store, clock.now(), in_time).await?;
        if config.retention_days > 0 {
            let before = clock
                .now()
                .minus(Duration::from_hours(24 * u64::from(config.retention_days)));
            while in_time() {
                let pruned = activity
                    .transact(move |tx| Box::pin(rows::prune(tx, before, PIECE)))
                    .await?;
                if !pruned.more {
                    break;
                }
            }
        }
        let limit = limit_of(config.max_size_mb);
        let mut size = activity.size().await?;
        let wanted = wanted(size, limit);
        while size > wanted && in_time() {
            let pruned = activity
                .transact(move |tx| Box::pin(rows::prune_oldest(tx, PIECE)))
                .await?;
            if pruned.rows == 0 {
                break;
            }
            size = activity.size().await?;
        }
        self.arguments
            .bound(store, limit_of(config.max_arguments_mb), in_time)
            .await?;
        self.counts.round(store, clock.now(), in_time).await?;
        let after = self.names_after;
        let last = activity
            .transact(move |tx| Box::pin(rows::prune_names(tx, after)))
            .await?;
        self.names_after = last.unwrap_or(0);
        Ok(())
    }

    /// Deletes what belongs to projects that do not exist any more.
    async fn forget_projects(&mut self, store: &Store, in_time: impl Fn() -> bool) -> Result<(), StoreError> {
        let after = self.projects_after;
        let activity = store.activity();
        let projects = activity
            .look(move |tx| Box::pin(rows::projects(tx, after)))
            .await?;
        self.projects_after = projects.last().copied();
        if projects.is_empty() {
            return Ok(());
        }
        let wanted = projects.clone();
        let existing = store.look(move |tx| Box::pin(async move { project::existing(tx, &wanted).await }));
        let existing: HashSet<ProjectId> = existing.await?.into_iter().collect();
        for project in projects.into_iter().filter(|project| !existing.contains(project)) {
            while in_time() {
                let pruned = activity
                    .transact(move |tx| Box::pin(rows::forget_project(tx, project)))
                    .await?;
                if !pruned.more {
                    break;
                }
            }
        }
        Ok(())
    }
}
