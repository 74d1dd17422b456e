//! What a server announces on a stream, each passed on at most once a second, however often the server says it: what is passed on
//! makes every list of the server be read again, and goes to every client that listens.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::wire::listing::ListKind;

/// The lists that change separately: templates change with the resources.
pub(crate) const ANNOUNCED: [ListKind; 3] = [ListKind::Tools, ListKind::Prompts, ListKind::Resources];
/// Nothing is said to have changed more often.
const QUIET: Duration = Duration::from_secs(1);

/// Something that a server announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// A list has changed.
    List(ListKind),
    /// A resource has changed.
    Resource(Arc<str>),
}

/// The receiver of what a server announces.
pub(crate) type Told<'a> = dyn Fn(News) + Send + Sync + 'a;

/// What has been announced and waits to be passed on.
pub(super) struct Announced<'a> {
    told: &'a Told<'a>,
    lists: [bool; ANNOUNCED.len()],
    /// Only such as are wanted, so that there are not more.
    resources: HashSet<Arc<str>>,
    told_at: Option<Instant>,
}

impl<'a> Announced<'a> {
    /// Nothing yet, or that all lists may have changed, if some change may have been `missed`.
    pub(super) fn new(told: &'a Told<'a>, missed: bool) -> Self {
        Self {
            told,
            lists: [missed; ANNOUNCED.len()],
            resources: HashSet::new(),
            told_at: None,
        }
    }

    pub(super) fn note_list(&mut self, kind: ListKind) {
        if let Some(at) = ANNOUNCED.iter().position(|announced| *announced == kind) {
            self.lists[at] = true;
        }
    }

    pub(super) fn note_resources(&mut self, uris: Vec<Arc<str>>) {
        self.resources.extend(uris);
    }

    /// When to pass on what waits; `None` while nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let waits = self.lists.contains(&true) || !self.resources.is_empty();
        waits.then(|| self.told_at.map_or_else(Instant::now, |told| told + QUIET))
    }

    pub(super) fn tell(&mut self) {
        self.told_at = Some(Instant::now());
        for (kind, waiting) in ANNOUNCED.into_iter().zip(std::mem::take(&mut self.lists)) {
            if waiting {
                (self.told)(News::List(kind));
            }
        }
        for uri in self.resources.drain() {
            (self.told)(News::Resource(uri));
        }
    }
}
