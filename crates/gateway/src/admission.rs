//! Admission: how much sign-in work this process does at the same time, and who goes first when there is more.
//!
//! Work that needs the database holds a place while it is done. The others wait in two lines: people, who sign in or have
//! just done so, and programs, which refresh on their own. Waits are short: a newcomer to a queue that does not move is refused
//! immediately with the time to come back, because an answer after seconds is useless and delays those behind. Calls
//! of gateways never pass here.
//!
//! A place is returned before an outside party is waited for, so that a slow identity provider does not keep others out.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright_store::Urgency;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::config::Config;

/// Places if the store is SQLite: transactions that wait for its writer together share a commit.
const OF_SQLITE: usize = 48;

/// How many people go ahead of a program that waits, one after the other. More, and a flood of pages would stop every refresh.
const PEOPLE_IN_A_ROW: u32 = 8;

/// Those who wait in one line at most. Lines are cut by time long before; this bounds the memory of a sudden flood.
const WAITING_MAX: usize = 4_096;

/// Those who are refused come back after one second to this many, in turn, so that they do not all return at the same time.
const SPREAD_SECONDS: u64 = 4;

/// How long a line may be, in time.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// When the first in the queue has waited for longer, the queue accepts no more.
    full: Duration,
    /// Who has waited for this long is refused.
    most: Duration,
}

const fn patience(urgency: Urgency) -> Patience {
    match urgency {
        Urgency::Person => Patience {
            full: Duration::from_millis(400),
            most: Duration::from_millis(700),
        },
        Urgency::Program => Patience {
            full: Duration::from_millis(150),
            most: Duration::from_millis(300),
        },
    }
}

/// There is more to do than this process can: come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is more to do than this process can do at once")]
pub(crate) struct Overloaded {
    /// When.
    pub(crate) after: Duration,
}

/// The way in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: usize,
    lines: Mutex<Lines>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Lines {
    taken: usize,
    people: VecDeque<Waiter>,
    programs: VecDeque<Waiter>,
    /// People who went ahead of programs that wait, since one of those had its turn.
    people_in_a_row: u32,
}

#[derive(Debug)]
struct Waiter {
    since: Instant,
    turn: oneshot::Sender<Place>,
}

/// A place, held while work is done. Dropping it lets the next one in.
#[derive(Debug)]
#[must_use = "the place is given back as soon as this is dropped"]
pub(crate) struct Place {
    /// `None` once it was passed on.
    of: Option<Admission>,
}

impl Admission {
    /// As many places as the store of a configuration can make use of.
    pub(crate) fn of(config: &Config) -> Self {
        let connections = usize::try_from(config.database.max_connections).unwrap_or(usize::MAX);
        Self::with(if config.is_postgres() {
            connections.saturating_mul(2).max(4)
        } else {
            OF_SQLITE
        })
    }

    fn with(places: usize) -> Self {
        Self(Arc::new(Inner {
            places,
            lines: Mutex::default(),
            refused: AtomicU64::new(0),
        }))
    }

    /// Waits for a place, for a bounded time, or is refused.
    pub(crate) async fn enter(&self, urgency: Urgency) -> Result<Place, Overloaded> {
        let patience = patience(urgency);
        let now = Instant::now();
        let turn = {
            let mut lines = self.lines();
            lines.forget_gone();
            if lines.taken < self.0.places {
                lines.taken += 1;
                return Ok(self.place());
            }
            let line = lines.of(urgency);
            let is_full = line.len() >= WAITING_MAX
                || line
                    .front()
                    .is_some_and(|first| now.duration_since(first.since) > patience.full);
            if is_full {
                return Err(self.refuse());
            }
            let (turn, told) = oneshot::channel();
            line.push_back(Waiter { since: now, turn });
            told
        };
        // A turn that comes to someone who has just left is dropped with its place in it, and so goes to the next.
        match timeout_at(now + patience.most, turn).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(self.refuse()),
        }
    }

    fn place(&self) -> Place {
        Place {
            of: Some(self.clone()),
        }
    }

    fn refuse(&self) -> Overloaded {
        let turn = self.0.refused.fetch_add(1, Ordering::Relaxed) % SPREAD_SECONDS;
        Overloaded {
            after: Duration::from_secs(1 + turn),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes every place that is free.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> Vec<Place> {
        let mut lines = self.lines();
        let free = self.0.places - lines.taken;
        lines.taken = self.0.places;
        drop(lines);
        (0..free).map(|_| self.place()).collect()
    }
}

impl Lines {
    fn of(&mut self, urgency: Urgency) -> &mut VecDeque<Waiter> {
        match urgency {
            Urgency::Person => &mut self.people,
            Urgency::Program => &mut self.programs,
        }
    }

    /// Those who left from the front of a line say nothing of how long it is.
    fn forget_gone(&mut self) {
        for line in [&mut self.people, &mut self.programs] {
            while line.front().is_some_and(|first| first.turn.is_closed()) {
                line.pop_front();
            }
        }
    }

    fn next(&mut self) -> Option<Waiter> {
        let is_turn_of_programs = self.people.is_empty() || self.people_in_a_row >= PEOPLE_IN_A_ROW;
        if is_turn_of_programs && let Some(program) = self.programs.pop_front() {
            self.people_in_a_row = 0;
            return Some(program);
        }
        let person = self.people.pop_front()?;
        self.people_in_a_row = if self.programs.is_empty() {
            0
        } else {
            self.people_in_a_row + 1
        };
        Some(person)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(admission) = self.of.take() else {
            return;
        };
        let mut lines = admission.lines();
        lines.forget_gone();
        while let Some(waiter) = lines.next() {
            match waiter.turn.send(admission.place()) {
                Ok(()) => return,
                // It left in this moment. The place that comes back must not be dropped as one that was held.
                Err(mut returned) => returned.of = None,
            }
        }
        lines.taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::task::JoinHandle;

    use super::*;

    type Entering = JoinHandle<Result<Place, Overloaded>>;

    /// Begins to wait, and is in its line when this returns.
    async fn enter(admission: &Admission, urgency: Urgency) -> Entering {
        let before = waiting(admission);
        let own = admission.clone();
        let entering = tokio::spawn(async move { own.enter(urgency).await });
        while waiting(admission) == before && !entering.is_finished() {
            tokio::task::yield_now().await;
        }
        entering
    }

    fn waiting(admission: &Admission) -> usize {
        let lines = admission.lines();
        lines.people.len() + lines.programs.len()
    }

    fn taken(admission: &Admission) -> usize {
        admission.lines().taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_free_place_is_taken_immediately_and_returned() {
        let admission = Admission::with(2);
        let held = [
            admission.enter(Urgency::Program).await.unwrap(),
            admission.enter(Urgency::Person).await.unwrap(),
        ];
        assert_eq!(taken(&admission), 2);
        drop(held);
        assert_eq!(taken(&admission), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_is_bounded_and_longer_for_people() {
        let admission = Admission::with(1);
        let _held = admission.take_all();
        for urgency in [Urgency::Program, Urgency::Person] {
            let began = Instant::now();
            let refused = admission.enter(urgency).await.unwrap_err();
            // The clock advances automatically here, from one timer to the next.
            let (waited, most) = (began.elapsed(), patience(urgency).most);
            assert!(waited >= most && waited < most * 2, "{waited:?}");
            assert!(refused.after >= Duration::from_secs(1));
        }
        assert!(patience(Urgency::Program).most < patience(Urgency::Person).most);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_does_not_move_refuses_at_once_and_people_wait_in_their_own() {
        let admission = Admission::with(1);
        let _held = admission.take_all();
        let first = enter(&admission, Urgency::Program).await;
        tokio::time::advance(patience(Urgency::Program).full + Duration::from_millis(1)).await;
        let refused = admission.enter(Urgency::Program).now_or_never();
        assert!(refused.is_some_and(|refused| refused.is_err()));
        assert!(admission.enter(Urgency::Person).now_or_never().is_none());
        assert!(!first.is_finished());
    }

    #[test]
    fn those_who_are_refused_come_back_at_different_times() {
        let admission = Admission::with(1);
        let after: std::collections::HashSet<_> =
            (0..SPREAD_SECONDS).map(|_| admission.refuse().after).collect();
        assert_eq!(after.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn people_go_before_programs_that_came_earlier() {
        let admission = Admission::with(1);
        let mut held = admission.take_all();
        let program = enter(&admission, Urgency::Program).await;
        let person = enter(&admission, Urgency::Person).await;
        held.clear();
        let place = person.await.unwrap().unwrap();
        assert!(!program.is_finished());
        drop(place);
        drop(program.await.unwrap().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_people_does_not_stop_programs() {
        let admission = Admission::with(1);
        let mut held = admission.take_all();
        let program = enter(&admission, Urgency::Program).await;
        let mut people = Vec::new();
        for _ in 0..=PEOPLE_IN_A_ROW {
            people.push(enter(&admission, Urgency::Person).await);
        }
        held.clear();
        let last = people.pop().unwrap();
        for person in people {
            drop(person.await.unwrap().unwrap());
        }
        let place = program.await.unwrap().unwrap();
        assert!(!last.is_finished());
        drop(place);
        drop(last.await.unwrap().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_dropped_keeps_no_place() {
        let admission = Admission::with(1);
        let held = admission.take_all();
        let gone = enter(&admission, Urgency::Program).await;
        let stays = enter(&admission, Urgency::Program).await;
        gone.abort();
        gone.await.unwrap_err();
        drop(held);
        drop(stays.await.unwrap().unwrap());
        assert_eq!((taken(&admission), waiting(&admission)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_dropped_with_its_turn_passes_it_on() {
        let admission = Admission::with(1);
        let held = admission.take_all();
        let mut gone = Box::pin(admission.enter(Urgency::Program));
        assert!(futures_util::poll!(&mut gone).is_pending());
        // Its turn has come, and it does not get to see it.
        drop(held);
        assert_eq!(taken(&admission), 1);
        drop(gone);
        assert_eq!(taken(&admission), 0);
    }
}
