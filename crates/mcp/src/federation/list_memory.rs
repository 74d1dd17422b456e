//! Memory for lists of tools: one bound for the process and a share for each project. A project whose lists do not fit
//! into its share loses those it used least recently; the lists of others stay.

mod reading;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use gatewright_domain::{Timestamp, id::ProjectId};

pub(super) use reading::Reading;

use crate::wire::listing::MAX_BYTES_PER_SERVER;

/// At least this many lists fit into the share of a project. While one is read, a page of the same size
/// is held with it.
const LISTS_IN_A_SHARE: usize = 8;
/// How exactly it is known when a list was last used, milliseconds: a hot list is not written to at each request.
const USED_WITHIN: i64 = 1_000;
/// What is known about a project's lists is cleaned when it has doubled, and from this many on.
const CLEANED_AT: usize = 64;

/// How much memory lists may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// Bytes of all lists of the process.
    pub total: usize,
    /// Bytes of the lists of one project.
    pub of_project: usize,
}

impl Default for ListLimits {
    fn default() -> Self {
        Self {
            total: 256 * 1024 * 1024,
            of_project: 64 * 1024 * 1024,
        }
    }
}

impl ListLimits {
    /// Bytes of the lists that one gateway merges, at most. A merged list holds them, and its first page as it is
    /// written for each era, so three times as much fits into a share.
    pub(super) const fn of_view(self) -> usize {
        self.of_project / 16 * 5
    }

    /// Bytes of entries taken from one server, at most.
    pub(super) fn of_server(self) -> usize {
        MAX_BYTES_PER_SERVER.min(self.of_project / LISTS_IN_A_SHARE)
    }
}

/// What all lists hold.
#[derive(Debug, Default)]
pub struct ListMemory {
    limits: ListLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    total: usize,
    /// Of them, bytes of what is being read.
    read: usize,
    projects: HashMap<ProjectId, OfProject>,
}

#[derive(Debug)]
struct OfProject {
    /// Bytes of what is kept and of what is being read.
    bytes: usize,
    /// Of them, bytes of what is being read.
    read: usize,
    kept: Vec<Weak<dyn Evict>>,
    clean_at: usize,
}

impl Default for OfProject {
    fn default() -> Self {
        Self {
            bytes: 0,
            read: 0,
            kept: Vec::new(),
            clean_at: CLEANED_AT,
        }
    }
}

/// Something kept that can be let go.
trait Evict: std::fmt::Debug + Send + Sync {
    fn used_at(&self) -> i64;
    /// Lets it go; how many bytes come free.
    fn evict(&self) -> usize;
}

/// Something kept until it is evicted or no longer wanted. Looking at it takes no lock.
#[derive(Debug)]
pub(crate) struct Kept<V: std::fmt::Debug + Send + Sync> {
    value: ArcSwapOption<V>,
    /// Bytes it is counted with; zero once they were returned.
    bytes: AtomicUsize,
    used_at: AtomicI64,
    project: ProjectId,
    memory: Arc<ListMemory>,
}

impl<V: std::fmt::Debug + Send + Sync> Kept<V> {
    /// The value, unless it was evicted.
    pub(crate) fn get(&self, now: Timestamp) -> Option<Arc<V>> {
        let value = self.value.load_full()?;
        let now = now.as_millis();
        if now - self.used_at.load(Ordering::Relaxed) > USED_WITHIN {
            self.used_at.store(now, Ordering::Relaxed);
        }
        Some(value)
    }
}

impl<V: std::fmt::Debug + Send + Sync> Evict for Kept<V> {
    fn used_at(&self) -> i64 {
        self.used_at.load(Ordering::Relaxed)
    }

    fn evict(&self) -> usize {
        self.value.store(None);
        self.bytes.swap(0, Ordering::AcqRel)
    }
}

impl<V: std::fmt::Debug + Send + Sync> Drop for Kept<V> {
    fn drop(&mut self) {
        let bytes = self.bytes.swap(0, Ordering::AcqRel);
        if bytes > 0 {
            self.memory.lock().give_back(self.project, bytes);
        }
    }
}

impl ListMemory {
    /// Nothing is kept yet.
    pub(super) fn new(limits: ListLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
        }
    }

    pub(super) const fn limits(&self) -> ListLimits {
        self.limits
    }

    /// Bytes of all lists.
    pub fn bytes(&self) -> usize {
        self.lock().total
    }

    /// Keeps a value of a project, which counts with `bytes`. Where that does not fit even after everything else of the
    /// project has gone, it is not kept.
    pub(super) fn keep<V: std::fmt::Debug + Send + Sync + 'static>(
        self: &Arc<Self>,
        project: ProjectId,
        value: Arc<V>,
        bytes: usize,
        now: Timestamp,
    ) -> Arc<Kept<V>> {
        // What is evicted is dropped after the lock is released: dropping takes it again.
        let mut gone = Vec::new();
        let mut state = self.lock();
        let fits = state.make_room(self.limits, project, bytes, &mut gone);
        let kept = Arc::new(Kept {
            value: ArcSwapOption::from(fits.then_some(value)),
            bytes: AtomicUsize::new(if fits { bytes } else { 0 }),
            used_at: AtomicI64::new(now.as_millis()),
            project,
            memory: Arc::clone(self),
        });
        if fits {
            state.take(project, bytes);
            let kept: Arc<dyn Evict> = Arc::clone(&kept) as _;
            state.note(project, &kept);
        }
        drop(state);
        kept
    }

    /// Counts what is read of a list of a project.
    pub(super) fn reading(self: &Arc<Self>, project: ProjectId) -> Reading {
        Reading {
            memory: Arc::clone(self),
            project,
            bytes: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The numbers are right after each statement, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, project: ProjectId, bytes: usize) {
        self.total += bytes;
        self.projects.entry(project).or_default().bytes += bytes;
    }

    fn give_back(&mut self, project: ProjectId, bytes: usize) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(of_project) = self.projects.get_mut(&project) {
            of_project.bytes = of_project.bytes.saturating_sub(bytes);
            if of_project.bytes == 0 {
                self.projects.remove(&project);
            }
        }
    }

    fn note(&mut self, project: ProjectId, kept: &Arc<dyn Evict>) {
        let of_project = self.projects.entry(project).or_default();
        if of_project.kept.len() >= of_project.clean_at {
            of_project.kept.retain(|kept| kept.strong_count() > 0);
            of_project.clean_at = CLEANED_AT.max(of_project.kept.len() * 2);
        }
        of_project.kept.push(Arc::downgrade(kept));
    }

    /// Makes room for `more` bytes of a project: first within its share, then within the whole, where the project that
    /// holds most loses lists. Returns whether there is room now.
    fn make_room(
        &mut self,
        limits: ListLimits,
        project: ProjectId,
        more: usize,
        gone: &mut Vec<Arc<dyn Evict>>,
    ) -> bool {
        let of_project = self.projects.get(&project).map_or(0, |of| of.bytes);
        let beyond = of_project.saturating_add(more).saturating_sub(limits.of_project);
        if beyond > 0 && !self.evict(project, beyond, gone) {
            return false;
        }
        loop {
            let beyond = self.total.saturating_add(more).saturating_sub(limits.total);
            if beyond == 0 {
                return true;
            }
            let largest = self
                .projects
                .iter()
                .filter(|(_, of)| of.kept.iter().any(|kept| kept.strong_count() > 0))
                .max_by_key(|(_, of)| of.bytes)
                .map(|(project, _)| *project);
            let before = self.total;
            let Some(largest) = largest else {
                return false;
            };
            self.evict(largest, beyond, gone);
            if self.total == before {
                return false;
            }
        }
    }

    /// Lets go of what a project used least recently until `bytes` have come free; whether that many did.
    fn evict(&mut self, project: ProjectId, bytes: usize, gone: &mut Vec<Arc<dyn Evict>>) -> bool {
        let Some(of_project) = self.projects.get_mut(&project) else {
            return false;
        };
        let mut alive: Vec<_> = std::mem::take(&mut of_project.kept)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        // Read once each: others use these lists in the meantime, and a sort may panic if its keys change.
        alive.sort_by_cached_key(|kept| kept.used_at());
        let mut freed = 0;
        let mut rest = Vec::with_capacity(alive.len());
        for kept in alive {
            if freed < bytes {
                freed += kept.evict();
            } else {
                rest.push(Arc::downgrade(&kept));
            }
            // The last holder may have let go in the meantime, and dropping takes the lock that is held here.
            gone.push(kept);
        }
        of_project.kept = rest;
        self.give_back(project, freed);
        freed >= bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn projects() -> [ProjectId; 3] {
        let entropy = SeededEntropy::new(4);
        [(); 3].map(|()| ProjectId::generate(&FixedClock::at_seconds(1), &entropy))
    }

    fn memory(total: usize, of_project: usize) -> Arc<ListMemory> {
        Arc::new(ListMemory::new(ListLimits { total, of_project }))
    }

    #[test]
    fn a_project_pushes_out_what_it_used_least_recently_and_nothing_of_others() {
        let ([one, other, _], memory) = (projects(), memory(1_000, 100));
        let later = |seconds| NOW.plus(Duration::from_secs(seconds));
        let theirs = memory.keep(other, Arc::new("theirs"), 90, NOW);
        let first = memory.keep(one, Arc::new("first"), 40, NOW);
        let second = memory.keep(one, Arc::new("second"), 40, later(2));
        assert!(first.get(later(4)).is_some());
        let third = memory.keep(one, Arc::new("third"), 40, later(5));
        assert!(
            second.get(later(6)).is_none(),
            "the one used least recently gives way"
        );
        assert!(first.get(later(6)).is_some() && third.get(later(6)).is_some());
        for number in 0..1_000 {
            memory.keep(one, Arc::new(number), 100, later(10));
        }
        assert!(theirs.get(later(10)).is_some());
        assert!(memory.bytes() <= 190);
    }

    #[test]
    fn if_the_whole_is_full_the_project_that_holds_most_loses_lists() {
        let ([one, other, third], memory) = (projects(), memory(200, 100));
        let large: Vec<_> = (0..10).map(|_| memory.keep(one, Arc::new(0), 10, NOW)).collect();
        let small = memory.keep(other, Arc::new(0), 60, NOW);
        let newcomer = memory.keep(third, Arc::new(0), 60, NOW);
        assert!(newcomer.get(NOW).is_some() && small.get(NOW).is_some());
        assert_eq!(large.iter().filter(|kept| kept.get(NOW).is_some()).count(), 8);
        assert_eq!(memory.bytes(), 200);
    }

    #[test]
    fn what_is_read_counts_and_ends_at_its_part_of_the_share() {
        let ([one, other, _], memory) = (projects(), memory(1_000, 100));
        let kept = memory.keep(one, Arc::new(0), 90, NOW);
        let (mut reading, mut another) = (memory.reading(one), memory.reading(one));
        assert!(reading.grow(20));
        assert!(kept.get(NOW).is_none(), "what is kept gives way to what is read");
        assert!(!another.grow(6));
        assert!(another.grow(5));
        assert!(memory.reading(other).grow(25));
        assert!(!reading.grow(1));
        drop((reading, another));
        assert_eq!(memory.bytes(), 0);
    }

    #[test]
    fn what_is_read_leaves_half_of_the_whole_to_what_is_kept() {
        let ([one, other, third], memory) = (projects(), memory(100, 100));
        let kept = memory.keep(third, Arc::new(0), 50, NOW);
        let [mut first, mut second, mut last] = [one, other, third].map(|project| memory.reading(project));
        assert!(first.grow(25) && second.grow(25));
        assert!(!last.grow(1));
        assert!(kept.get(NOW).is_some());
        drop(first);
        assert!(last.grow(25));
        assert!(kept.get(NOW).is_some());
    }

    #[test]
    fn what_is_released_is_returned_once() {
        let ([one, ..], memory) = (projects(), memory(1_000, 100));
        let kept = memory.keep(one, Arc::new(0), 60, NOW);
        let next = memory.keep(one, Arc::new(0), 60, NOW);
        drop(kept);
        assert_eq!(memory.bytes(), 60);
        drop(next);
        assert_eq!(memory.bytes(), 0);
        let too_large = memory.keep(one, Arc::new(0), 101, NOW);
        assert!(too_large.get(NOW).is_none());
        assert!(memory.lock().projects.is_empty());
    }
}
