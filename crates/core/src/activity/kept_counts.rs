//! How long counts are kept: as long as their period says, and less if a project has too many names in them.

use gatewright_domain::{Timestamp, activity_rollup::Period};
use gatewright_store::{Store, StoreError, activity_rollup};

/// Rows deleted in one transaction.
const PIECE: u32 = 2_000;
/// Counts of a project by tool, client and person, of minutes and hours. A hundred people with twenty tools, at every hour of 400 days, have a million.
const NAMES_MAX: u64 = 2_000_000;
/// Names are counted in every so many rounds: it takes a second or two if there are millions. Between two counts, a project can add
/// 1,700 in each minute.
const COUNT_EVERY: u32 = 30;

/// What is kept of counts, and when they are counted next.
#[derive(Debug)]
pub(super) struct KeptCounts {
    names_max: u64,
    rounds: u32,
}

impl Default for KeptCounts {
    fn default() -> Self {
        Self::of(NAMES_MAX)
    }
}

impl KeptCounts {
    /// Keeps this many counts by name of a project.
    pub(super) const fn of(names_max: u64) -> Self {
        Self { names_max, rounds: 0 }
    }

    /// One round: deletes counts that are older than their period is kept, and the oldest by name of projects that have too many.
    pub(super) async fn round(
        &mut self,
        store: &Store,
        now: Timestamp,
        in_time: impl Fn() -> bool,
    ) -> Result<(), StoreError> {
        let activity = store.activity();
        for period in Period::ALL {
            let before = now.minus(period.kept());
            while in_time() {
                let gone = activity
                    .transact(move |tx| Box::pin(activity_rollup::prune(tx, period, before, PIECE)))
                    .await?;
                if gone < u64::from(PIECE) {
                    break;
                }
            }
        }
        let is_due = self.rounds == 0;
        self.rounds = (self.rounds + 1) % COUNT_EVERY;
        if is_due {
            self.bound(store, in_time).await
        } else {
            Ok(())
        }
    }

    async fn bound(&mut self, store: &Store, in_time: impl Fn() -> bool) -> Result<(), StoreError> {
        let (activity, most) = (store.activity(), self.names_max);
        let found = activity
            .look(move |tx| Box::pin(activity_rollup::with_many_names(tx, most)))
            .await?;
        for (project, stored) in found {
            let mut beyond = stored.saturating_sub(most);
            while beyond > 0 {
                if !in_time() {
                    // The rest follows in the next round.
                    self.rounds = 0;
                    return Ok(());
                }
                let piece = u32::try_from(beyond).unwrap_or(u32::MAX).min(PIECE);
                let gone = activity
                    .transact(move |tx| Box::pin(activity_rollup::prune_names(tx, project, piece)))
                    .await?;
                if gone == 0 {
                    break;
                }
                beyond = beyond.saturating_sub(gone);
            }
        }
        Ok(())
    }
}
