//! First uses of access tokens: noted in memory without waiting, and written every second. A used refresh token stops
//! answering once an access token issued with its successor is in use, on whichever replica, so that a stolen one does not
//! live beside its owner's.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gatewright_domain::{Timestamp, id::GrantId};
use gatewright_store::{
    StoreError, Urgency,
    grant::{self, Seen},
};

use super::ResourceServer;
/// Grants that may wait, of 50 bytes each. Beyond it nothing is noted, and the overlap ends by its other bounds.
const WAITING_MAX: usize = 100_000;
/// Grants written in one transaction: small, so that no request waits long for the one writer of SQLite.
const BATCH: usize = 200;

/// What waits to be written.
#[derive(Debug, Default)]
pub struct SeenTokens {
    waiting: Mutex<BTreeMap<GrantId, Seen>>,
}

impl SeenTokens {
    /// Notes the first use of an access token. Those issued with the first refresh token of a grant end no overlap.
    pub(super) fn note(&self, grant: GrantId, generation: Option<i64>, at: Timestamp) {
        let Some(generation) = generation.filter(|generation| *generation > 1) else {
            return;
        };
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&grant) {
            return;
        }
        let seen = waiting.entry(grant).or_insert(Seen { generation, at });
        if seen.generation < generation {
            *seen = Seen { generation, at };
        }
    }

    /// What waits to be written of a grant.
    pub(crate) fn of(&self, grant: GrantId) -> Option<Seen> {
        self.waiting().get(&grant).copied()
    }

    /// The next that are to be written. They wait until they are, so that a refresh in the meantime knows of them.
    fn next(&self) -> BTreeMap<GrantId, Seen> {
        let waiting = self.waiting();
        waiting
            .iter()
            .take(BATCH)
            .map(|(id, seen)| (*id, *seen))
            .collect()
    }

    fn written(&self, batch: &BTreeMap<GrantId, Seen>) {
        let mut waiting = self.waiting();
        for (id, seen) in batch {
            if waiting.get(id) == Some(seen) {
                waiting.remove(id);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<GrantId, Seen>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what was noted since the last time; how many grants. The periodic jobs and an orderly shutdown call this.
pub async fn flush(app: &ResourceServer) -> Result<usize, StoreError> {
    let seen_tokens = &app.seen_tokens;
    let mut written = 0;
    loop {
        let batch = seen_tokens.next();
        if batch.is_empty() {
            return Ok(written);
        }
        let noted = batch.clone();
        app.store
            .transact(Urgency::Program, move |tx| {
                Box::pin(async move { grant::note_seen(tx, &noted).await })
            })
            .await?;
        seen_tokens.written(&batch);
        written += batch.len();
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn the_newest_generation_counts_with_its_first_use_and_the_first_ends_nothing() {
        let seen = SeenTokens::default();
        let grant = GrantId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1));
        let at = Timestamp::from_seconds;
        for (generation, seconds) in [(None, 1), (Some(1), 2)] {
            seen.note(grant, generation, at(seconds));
            assert_eq!(seen.of(grant), None);
        }
        for (generation, seconds) in [(2, 3), (3, 4), (3, 5), (2, 6)] {
            seen.note(grant, Some(generation), at(seconds));
        }
        let expected = Seen {
            generation: 3,
            at: at(4),
        };
        assert_eq!(seen.of(grant), Some(expected));
        let batch = seen.next();
        seen.note(grant, Some(4), at(7));
        seen.written(&batch);
        assert!(
            seen.of(grant).is_some_and(|seen| seen.generation == 4),
            "it came meanwhile"
        );
        seen.written(&seen.next());
        assert_eq!(seen.of(grant), None);
    }
}
