//! What lists hold while they are read: a part of the share of their project, and of the whole.

use std::sync::Arc;

use gatewright_domain::id::ProjectId;

use super::{ListLimits, ListMemory, State};

/// The part of its share that a project can hold for what it reads, so that readings do not displace lists.
const READ_OF_SHARE: usize = 4;
/// Of the whole all projects together may hold this part for what they read.
const READ_OF_TOTAL: usize = 2;

/// What a list holds while it is read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(super) memory: Arc<ListMemory>,
    pub(super) project: ProjectId,
    pub(super) bytes: usize,
}

impl Reading {
    /// Holds `bytes` from now on; `false` if there is no room for that, and then it holds the same as before.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        if bytes > self.bytes {
            let (limits, more) = (self.memory.limits, bytes - self.bytes);
            let mut gone = Vec::new();
            let mut state = self.memory.lock();
            let fits = state.may_read(limits, self.project, more)
                && state.make_room(limits, self.project, more, &mut gone);
            if fits {
                state.begin(self.project, more);
            }
            drop(state);
            if !fits {
                return false;
            }
        } else if bytes < self.bytes {
            self.memory.lock().end(self.project, self.bytes - bytes);
        }
        self.bytes = bytes;
        true
    }

    /// Holds `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        self.resize(self.bytes.saturating_add(bytes))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.memory.lock().end(self.project, self.bytes);
        }
    }
}

impl State {
    /// Whether what is read may take `more` bytes, whatever is kept.
    fn may_read(&self, limits: ListLimits, project: ProjectId, more: usize) -> bool {
        let of_project = self.projects.get(&project).map_or(0, |of| of.read);
        of_project.saturating_add(more) <= limits.of_project / READ_OF_SHARE
            && self.read.saturating_add(more) <= limits.total / READ_OF_TOTAL
    }

    /// Takes bytes for what is read.
    fn begin(&mut self, project: ProjectId, bytes: usize) {
        self.take(project, bytes);
        self.read += bytes;
        self.projects.entry(project).or_default().read += bytes;
    }

    /// Gives back what [`State::begin`] took.
    fn end(&mut self, project: ProjectId, bytes: usize) {
        self.read = self.read.saturating_sub(bytes);
        if let Some(of_project) = self.projects.get_mut(&project) {
            of_project.read = of_project.read.saturating_sub(bytes);
        }
        self.give_back(project, bytes);
    }
}
