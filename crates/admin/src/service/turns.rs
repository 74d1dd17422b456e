//! Turns to do something that others wait for: a limited number at the same time, and of those a limited number for one
//! project or caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use gatewright_domain::{
    audit::ActorKind,
    id::{AccountId, ApiKeyId, ProjectId},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The table is cleaned when it has grown to twice what was alive the last time, and to this many at least.
const CLEANED_AT: usize = 64;

/// On whose account a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    /// A project.
    Project(ProjectId),
    /// An API key.
    Key(ApiKeyId),
    /// A signed-in account.
    Account(AccountId),
}

impl Payer {
    /// A caller who can come again and again. Others have a link that works once, or the machine.
    pub(super) const fn of_caller(caller: ActorKind) -> Option<Self> {
        match caller {
            ActorKind::ApiKey(id) => Some(Self::Key(id)),
            ActorKind::Account(id) => Some(Self::Account(id)),
            ActorKind::User(_) | ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => None,
        }
    }
}

/// The turns.
#[derive(Debug)]
pub struct Turns {
    of_one: usize,
    all: Semaphore,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    payers: HashMap<Payer, Weak<Semaphore>>,
    clean_at: usize,
}

/// A turn, returned when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_each: Vec<OwnedSemaphorePermit>,
}

impl Turns {
    /// The number for all together, and the number for each payer.
    pub(crate) fn of(all: usize, of_one: usize) -> Self {
        Self {
            of_one,
            all: Semaphore::new(all),
            table: Mutex::new(Table {
                payers: HashMap::new(),
                clean_at: CLEANED_AT,
            }),
        }
    }

    /// Waits for a turn: for one of each payer's own first, in their order, so that a payer with many only waits behind
    /// itself. Callers come before projects in that order, so that one keeps no others of its project waiting.
    pub(super) async fn take(&self, payers: &[Payer]) -> Option<Turn<'_>> {
        let mut of_each = Vec::with_capacity(payers.len());
        for payer in payers {
            of_each.push(self.share(*payer).acquire_owned().await.ok()?);
        }
        let of_all = self.all.acquire().await.ok()?;
        Some(Turn {
            _of_all: of_all,
            _of_each: of_each,
        })
    }

    fn share(&self, payer: Payer) -> Arc<Semaphore> {
        // It is whole after each of its operations, so a panic elsewhere does not spoil it.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.payers.get(&payer).and_then(Weak::upgrade) {
            return known;
        }
        if table.payers.len() >= table.clean_at {
            table.payers.retain(|_, turns| turns.strong_count() > 0);
            table.clean_at = CLEANED_AT.max(table.payers.len() * 2);
        }
        let fresh = Arc::new(Semaphore::new(self.of_one));
        table.payers.insert(payer, Arc::downgrade(&fresh));
        fresh
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn a_project_that_takes_all_its_turns_leaves_some_to_others() {
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        let [hanging, other] = [(); 2].map(|()| Payer::Project(ProjectId::generate(&clock, &entropy)));
        let turns = Turns::of(4, 2);
        let take = |payer| turns.take(&[payer]).now_or_never().flatten();
        let mut held: Vec<Turn<'_>> = (0..4).filter_map(|_| take(hanging)).collect();
        assert_eq!(held.len(), 2);
        assert!(take(other).is_some());
        assert!(turns.take(&[]).now_or_never().flatten().is_some());
        held.pop();
        assert!(take(hanging).is_some());
    }

    #[test]
    fn a_caller_who_takes_many_turns_at_once_keeps_no_others_waiting() {
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        let project = Payer::Project(ProjectId::generate(&clock, &entropy));
        let flood = Payer::Key(ApiKeyId::generate(&clock, &entropy));
        let owner = Payer::Account(AccountId::generate(&clock, &entropy));
        let turns = Turns::of(4, 1);
        // Work that does not belong to a project.
        let held: Vec<_> = (0..8)
            .filter_map(|_| turns.take(&[flood]).now_or_never().flatten())
            .collect();
        assert_eq!(held.len(), 1);
        assert!(turns.take(&[owner]).now_or_never().flatten().is_some());
        drop(held);
        // In a project the owner comes next, though the key asked for more before.
        let (of_flood, of_owner) = ([flood, project], [owner, project]);
        let first = turns.take(&of_flood).now_or_never().flatten();
        assert!(first.is_some());
        let mut more = Box::pin(turns.take(&of_flood));
        assert!(more.as_mut().now_or_never().is_none());
        let mut next = Box::pin(turns.take(&of_owner));
        assert!(next.as_mut().now_or_never().is_none());
        drop(first);
        assert!(more.as_mut().now_or_never().is_none());
        assert!(next.as_mut().now_or_never().flatten().is_some());
    }

    #[test]
    fn turns_of_projects_that_ask_nothing_are_forgotten() {
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        let turns = Turns::of(4, 2);
        for _ in 0..CLEANED_AT * 4 {
            drop(turns.share(Payer::Project(ProjectId::generate(&clock, &entropy))));
        }
        assert!(turns.table.lock().unwrap().payers.len() <= CLEANED_AT + 1);
    }
}
