//! When keys were last used: noted in memory without waiting, written in batches.

use std::time::Duration;

use gatewright_domain::{Timestamp, id::ApiKeyId};
use gatewright_store::{Store, StoreError, Urgency};
use moka::sync::Cache;
use tokio::sync::{Mutex, mpsc};

/// A key's last use is accurate to within this long, which keeps a busy key from filling the queue.
const RESOLUTION: Duration = Duration::from_mins(1);
/// Uses waiting to be written; beyond it they are dropped, because being late matters more to a request.
const QUEUE: usize = 4_096;
/// Keys remembered as noted lately.
const REMEMBERED: u64 = 10_000;

/// Uses of keys that wait to be written.
#[derive(Debug)]
pub struct LastUsed {
    lately: Cache<ApiKeyId, Timestamp>,
    sender: mpsc::Sender<(ApiKeyId, Timestamp)>,
    receiver: Mutex<mpsc::Receiver<(ApiKeyId, Timestamp)>>,
}

impl Default for LastUsed {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self {
            lately: Cache::new(REMEMBERED),
            sender,
            receiver: Mutex::new(receiver),
        }
    }
}

impl LastUsed {
    /// Notes that a key was used at `now`. Never waits.
    pub fn note(&self, key: ApiKeyId, now: Timestamp) {
        if self.lately.get(&key).is_some_and(|at| now.since(at) < RESOLUTION) {
            return;
        }
        if self.sender.try_send((key, now)).is_ok() {
            self.lately.insert(key, now);
        }
    }

    /// Writes what was noted since the last time; returns how many uses. The periodic jobs and an orderly shutdown call this.
    pub async fn flush(&self, store: &Store) -> Result<usize, StoreError> {
        let mut receiver = self.receiver.lock().await;
        if receiver.is_empty() {
            return Ok(0);
        }
        // They wait here until there is a turn to write.
        let mut tx = store.write_for(Urgency::Program).await?;
        let mut uses = Vec::new();
        while let Ok(used) = receiver.try_recv() {
            uses.push(used);
        }
        drop(receiver);
        gatewright_store::api_key::note_used(&mut tx, &uses).await?;
        tx.commit().await?;
        Ok(uses.len())
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn a_busy_key_is_noted_once_a_minute() {
        let noted = LastUsed::default();
        let key = ApiKeyId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1));
        for second in [0, 1, 59, 60, 61] {
            noted.note(key, Timestamp::from_seconds(second));
        }
        let mut receiver = noted.receiver.into_inner();
        assert_eq!(receiver.try_recv().unwrap().1, Timestamp::from_seconds(0));
        assert_eq!(receiver.try_recv().unwrap().1, Timestamp::from_seconds(60));
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn a_full_queue_drops_and_never_waits() {
        let noted = LastUsed::default();
        let entropy = SeededEntropy::new(1);
        for _ in 0..QUEUE + 10 {
            noted.note(
                ApiKeyId::generate(&FixedClock::at_seconds(1), &entropy),
                Timestamp::default(),
            );
        }
        assert_eq!(noted.receiver.into_inner().len(), QUEUE);
    }
}
