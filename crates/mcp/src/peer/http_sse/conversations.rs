//! All conversations of the process.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use gatewright_domain::{
    entropy::{self, SystemEntropy},
    id::ProjectId,
};
use http::{HeaderValue, Uri};
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{conversation::Conversation, opening::Opened};
use crate::peer::budget::{Budget, Owner, Share};

/// Each has its own open connection.
const CONVERSATIONS_MAX: usize = 1_000;
/// Those with servers of one project.
const OF_PROJECT_MAX: usize = 250;

/// Represents a conversation as its session. It cannot be guessed from outside.
pub(super) type Number = u128;

/// Conversations by the number that represents the session.
pub(super) struct Conversations {
    places: Arc<Semaphore>,
    of_projects: Mutex<HashMap<ProjectId, usize>>,
    room: Arc<Budget>,
    by_number: Mutex<HashMap<Number, Arc<Conversation>>>,
}

impl Default for Conversations {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CONVERSATIONS_MAX)),
            of_projects: Mutex::default(),
            room: Arc::default(),
            by_number: Mutex::default(),
        }
    }
}

/// A place among the conversations of the process and of a project.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    project: ProjectId,
    all: Arc<Conversations>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of_projects = self.all.of_projects();
        if let Some(count) = of_projects.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                of_projects.remove(&self.project);
            }
        }
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").finish_non_exhaustive()
    }
}

impl Conversations {
    fn by_number(&self) -> MutexGuard<'_, HashMap<Number, Arc<Conversation>>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_projects(&self) -> MutexGuard<'_, HashMap<ProjectId, usize>> {
        self.of_projects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more of a project, if there is any.
    pub(super) fn place(self: &Arc<Self>, project: ProjectId) -> Option<Place> {
        let of_all = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut of_projects = self.of_projects();
        let count = of_projects.entry(project).or_default();
        if *count >= OF_PROJECT_MAX {
            return None;
        }
        *count += 1;
        drop(of_projects);
        Some(Place {
            _of_all: of_all,
            project,
            all: Arc::clone(self),
        })
    }

    /// Room for this many bytes of a project in memory, if there is any.
    pub(super) fn room(&self, project: ProjectId, bytes: usize) -> Option<Share> {
        let mut share = self.room.share(Owner { project, user: None });
        share.resize(bytes).then_some(share)
    }

    /// The conversation whose session this is, with the server whose stream is there.
    pub(super) fn get(&self, number: Number, stream: &Uri) -> Option<Arc<Conversation>> {
        let found = self.by_number().get(&number).cloned();
        found.filter(|conversation| conversation.stream == *stream)
    }

    pub(super) fn forget(&self, number: Number) {
        self.by_number().remove(&number);
    }

    /// Begins one whose stream is open. The stream is read until it ends.
    pub(super) fn begin<B>(
        self: &Arc<Self>,
        place: Place,
        stream: Uri,
        opened: Opened<B>,
    ) -> Arc<Conversation>
    where
        B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
    {
        let number = Number::from_be_bytes(entropy::bytes(&SystemEntropy));
        let conversation =
            Conversation::new(number, place.project, (stream, opened.address), Arc::clone(self));
        self.by_number().insert(number, Arc::clone(&conversation));
        let reading = Arc::clone(&conversation).read(opened.body, opened.decoder, place);
        tokio::spawn(reading);
        conversation
    }
}

/// The session ID that represents a conversation. It never leaves this process.
pub(super) fn written(number: Number) -> HeaderValue {
    HeaderValue::try_from(format!("{number:032x}")).expect("digits can stand in a header")
}

/// The number of the conversation that a session represents.
pub(super) fn number_of(session: &HeaderValue) -> Option<Number> {
    Number::from_str_radix(session.to_str().ok()?, 16).ok()
}
