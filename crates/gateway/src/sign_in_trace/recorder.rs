//! Steps that wait to be written. Each process writes its own part of an attempt; the store adds the parts up.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use gatewright_domain::{
    id::AttemptId,
    sign_in_attempt::{AttemptHead, AttemptPart, Progress},
};
use gatewright_store::{StoreError, Urgency, sign_in_attempt as rows};

use super::SignInTrace;

/// Attempts that may wait: some 4 kB each. Beyond it steps are dropped, because a sign-in must not wait for its trace.
const WAITING_MAX: usize = 5_000;
/// Steps of one attempt that may wait.
const STEPS_MAX: usize = 40;
/// Attempts written in one transaction: small, so that no request waits long for the one writer of SQLite.
const BATCH: usize = 100;
/// Attempts kept per gateway, by outcome. Failures are what people ask about, so most are kept of them; and
/// neither sign-ins that strangers begin and leave, nor a busy day of good ones, push them out.
const KEEP: [(Progress, u32); 3] = [
    (Progress::Failed, 300),
    (Progress::Succeeded, 100),
    (Progress::InProgress, 100),
];
/// Rows evicted per gateway and kind at once: more than a batch adds.
const EVICT_MAX: u32 = 200;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    waiting: Mutex<BTreeMap<AttemptId, AttemptPart>>,
    dropped: AtomicU64,
    // One writes at a time, so that a reader who waits finds everything written.
    turn: tokio::sync::Mutex<()>,
}

impl Recorder {
    /// Changes what waits of an attempt. Never waits for anything but another change.
    pub(super) fn change(&self, head: &AttemptHead, change: impl FnOnce(&mut AttemptPart)) {
        let mut waiting = self.waiting();
        let full = waiting.len() >= WAITING_MAX;
        let part = match waiting.entry(head.id) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(_) if full => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(AttemptPart {
                head: head.clone(),
                user_id: None,
                progress: Progress::InProgress,
                updated_at: head.started_at,
                steps: Vec::new(),
            }),
        };
        if part.steps.len() < STEPS_MAX {
            change(part);
        }
    }

    /// Takes what waits, in the order of ids: anyone who writes several takes them in this order.
    fn take(&self) -> Taken<'_> {
        let parts = std::mem::take(&mut *self.waiting()).into_values().collect();
        Taken {
            recorder: self,
            parts,
        }
    }

    fn put_back(&self, part: AttemptPart) {
        let mut waiting = self.waiting();
        match waiting.remove(&part.head.id) {
            Some(later) => {
                let mut whole = part;
                whole.add_part(later);
                waiting.insert(whole.head.id, whole);
            }
            None if waiting.len() >= WAITING_MAX => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                waiting.insert(part.head.id, part);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<AttemptId, AttemptPart>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parts on their way. What was not written when this is dropped, whatever the reason, waits again.
struct Taken<'a> {
    recorder: &'a Recorder,
    parts: Vec<AttemptPart>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for part in self.parts.drain(..) {
            self.recorder.put_back(part);
        }
    }
}

impl SignInTrace {
    /// Writes what was noted since the last time; how many attempts. An orderly shutdown and anyone who reads the trace
    /// call this.
    pub async fn flush(&self) -> Result<usize, StoreError> {
        self.flush_for(Urgency::Person).await
    }

    /// The same, for a caller that waits: the periodic job repeats anyway.
    pub async fn flush_for(&self, urgency: Urgency) -> Result<usize, StoreError> {
        let recorder = &self.recorder;
        let turn = recorder.turn.lock().await;
        let mut taken = recorder.take();
        let mut written = 0;
        while !taken.parts.is_empty() {
            let batch = taken.parts.len().min(BATCH);
            let mut tx = self.store.write_for(urgency).await?;
            let gateways = rows::add_all(&mut tx, &taken.parts[..batch]).await?;
            tx.commit().await?;
            taken.parts.drain(..batch);
            written += batch;
            if gateways.is_empty() {
                continue;
            }
            // In its own transaction, which holds nothing yet, so that two processes do not wait in a circle.
            let mut tx = self.store.write_for(urgency).await?;
            for (gateway, project) in gateways {
                for (progress, keep) in KEEP {
                    rows::evict(&mut tx, project, gateway, progress, keep, EVICT_MAX).await?;
                }
            }
            tx.commit().await?;
        }
        drop(turn);
        let dropped = recorder.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "the sign-in trace lacks steps, because too many sign-ins were going on"
            );
        }
        Ok(written)
    }
}
