//! All conversations of the process.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::HeaderValue;
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{conversation::Conversation, opening::Opened};

/// Each has a connection of its own open.
const CONVERSATIONS_MAX: usize = 1_000;

/// Conversations by the number that stands for the session.
pub(super) struct Conversations {
    places: Arc<Semaphore>,
    next: AtomicU64,
    by_number: Mutex<HashMap<u64, Arc<Conversation>>>,
}

impl Default for Conversations {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CONVERSATIONS_MAX)),
            next: AtomicU64::new(1),
            by_number: Mutex::default(),
        }
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").finish_non_exhaustive()
    }
}

impl Conversations {
    fn by_number(&self) -> MutexGuard<'_, HashMap<u64, Arc<Conversation>>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more, if there is any.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Conversation>> {
        self.by_number().get(&number).cloned()
    }

    pub(super) fn forget(&self, number: u64) {
        self.by_number().remove(&number);
    }

    /// Begins one whose stream is open. The stream is read until it ends.
    pub(super) fn begin<B>(
        self: &Arc<Self>,
        place: OwnedSemaphorePermit,
        opened: Opened<B>,
    ) -> Arc<Conversation>
    where
        B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
    {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let conversation = Conversation::new(number, opened.address, Arc::clone(self));
        self.by_number().insert(number, Arc::clone(&conversation));
        let reading = Arc::clone(&conversation).read(opened.body, opened.decoder, place);
        tokio::spawn(reading);
        conversation
    }
}

/// How a session is written that stands for a conversation. It never leaves this process.
pub(super) fn written(number: u64) -> HeaderValue {
    HeaderValue::from(number)
}

/// The number of the conversation that a session stands for.
pub(super) fn number_of(session: &HeaderValue) -> Option<u64> {
    session.to_str().ok()?.parse().ok()
}
