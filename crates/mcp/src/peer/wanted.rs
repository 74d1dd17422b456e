//! The URIs whose changes a server is asked for, for as long as anyone wants them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// URIs that one stream asks for.
const URIS_MAX: usize = 1_024;
/// How many directories above a changed resource are looked at.
const PARENTS_MAX: usize = 64;

/// The URIs whose changes are wanted over one stream of a server.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// By how many each is wanted. Held for single operations on the map only.
    uris: Mutex<HashMap<Arc<str>, u32>>,
    /// Grows with each change of what is wanted.
    asked: watch::Sender<u64>,
    /// The change up to which the server has been asked.
    heard: watch::Sender<u64>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            uris: Mutex::default(),
            asked: watch::Sender::new(0),
            heard: watch::Sender::new(0),
        }
    }
}

impl Wanted {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, u32>> {
        self.uris.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants the changes of a resource until the value is dropped; `None` if the maximum is reached.
    pub(crate) fn want(self: &Arc<Self>, uri: &Arc<str>) -> Option<Want> {
        let mut uris = self.lock();
        if let Some(count) = uris.get_mut(uri) {
            *count += 1;
        } else {
            if uris.len() >= URIS_MAX {
                return None;
            }
            uris.insert(Arc::clone(uri), 1);
            self.asked.send_modify(|asked| *asked += 1);
        }
        drop(uris);
        Some(Want {
            wanted: Arc::clone(self),
            uri: Arc::clone(uri),
        })
    }

    /// What is wanted, and the change that made it so.
    pub(super) fn now(&self) -> (u64, Vec<Arc<str>>) {
        let uris = self.lock();
        (*self.asked.borrow(), uris.keys().cloned().collect())
    }

    /// Tells of changes from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.asked.subscribe()
    }

    /// The server has been asked for what was wanted by this change.
    pub(super) fn note_heard(&self, change: u64) {
        self.heard.send_if_modified(|heard| {
            let is_later = change > *heard;
            *heard = change.max(*heard);
            is_later
        });
    }

    /// What is wanted of which a change of this URI is one: the resource itself, and those it is a part of (2025-11-25 schema,
    /// `ResourceUpdatedNotification`).
    pub(crate) fn touched_by(&self, uri: &str) -> Vec<Arc<str>> {
        let uris = self.lock();
        if uris.is_empty() {
            return Vec::new();
        }
        let parents = uri.rmatch_indices('/').take(PARENTS_MAX);
        let parents = parents.flat_map(|(at, _)| [&uri[..=at], &uri[..at]]);
        std::iter::once(uri)
            .chain(parents)
            .filter_map(|uri| Some(Arc::clone(uris.get_key_value(uri)?.0)))
            .collect()
    }
}

/// Changes of one resource that are wanted.
#[derive(Debug)]
pub(crate) struct Want {
    wanted: Arc<Wanted>,
    uri: Arc<str>,
}

impl Want {
    /// Waits until the server has been asked for it.
    pub(crate) fn heard(&self) -> impl Future<Output = ()> + Send + 'static {
        let change = *self.wanted.asked.borrow();
        let mut heard = self.wanted.heard.subscribe();
        async move {
            // Without a stream, nothing is requested and nothing is reported.
            let _ = heard.wait_for(|heard| *heard >= change).await;
        }
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        let mut uris = self.wanted.lock();
        if let Some(count) = uris.get_mut(&self.uri) {
            *count -= 1;
            if *count == 0 {
                uris.remove(&self.uri);
                self.wanted.asked.send_modify(|asked| *asked += 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_counted_and_bounded() {
        let wanted = Arc::new(Wanted::default());
        let uri: Arc<str> = "a://b".into();
        let (one, other) = (wanted.want(&uri).unwrap(), wanted.want(&uri).unwrap());
        assert_eq!(wanted.now(), (1, vec![Arc::clone(&uri)]));
        drop(one);
        assert_eq!(wanted.now(), (1, vec![Arc::clone(&uri)]));
        drop(other);
        assert_eq!(wanted.now(), (2, vec![]));
        let many: Vec<_> = (0..2 * URIS_MAX)
            .map_while(|number| wanted.want(&format!("a://{number}").into()))
            .collect();
        assert_eq!(many.len(), URIS_MAX);
    }

    #[test]
    fn a_change_touches_the_resource_and_what_it_is_a_part_of() {
        let wanted = Arc::new(Wanted::default());
        let wants: Vec<_> = ["a://b/c", "a://b/", "a://b/c/d", "a://x"]
            .map(|uri| wanted.want(&uri.into()).unwrap())
            .into();
        let touched = |uri| {
            let touched = wanted.touched_by(uri);
            touched.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(touched("a://b/c"), ["a://b/c", "a://b/"]);
        assert_eq!(touched("a://b/c/e"), ["a://b/c", "a://b/"]);
        assert_eq!(touched("a://b/cc"), ["a://b/"]);
        assert!(touched("a://").is_empty());
        drop(wants);
        assert!(touched("a://b/c").is_empty());
    }
}
