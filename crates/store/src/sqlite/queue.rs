//! The queue of a connection: first the transactions of people, then those of programs, which get a regular turn
//! even if people keep coming.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::worker::Job;
use crate::{StoreError, Urgency, error::EngineError};

/// If the first in the queue has waited this long, a program gets *busy* immediately: after it, it would
/// wait even longer, and programs retry automatically.
const FULL_FOR_PROGRAMS: Duration = Duration::from_millis(400);
/// The same for people. Behind a queue this slow, they would leave before their turn.
const FULL_FOR_PEOPLE: Duration = Duration::from_secs(2);

/// How many people go ahead of a program that waits, one after the other. Changes of administrators count as people, and a
/// program may make them in a loop.
const PEOPLE_IN_A_ROW: u32 = 8;

/// Two queues in front of one kind of connection.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    people: VecDeque<(Instant, Job)>,
    programs: VecDeque<(Instant, Job)>,
    /// People who went ahead of programs that wait, since one of those had its turn.
    people_in_a_row: u32,
    closed: bool,
}

impl Waiting {
    /// Adds a transaction to the end of its queue; `Busy` if that queue does not move.
    pub(super) fn push(&self, job: Job, urgency: Urgency, now: Instant) -> Result<(), StoreError> {
        let mut lines = self.lines();
        if lines.closed {
            return Err(EngineError::Closed.into());
        }
        let (line, full) = match urgency {
            Urgency::Person => (&mut lines.people, FULL_FOR_PEOPLE),
            Urgency::Program => (&mut lines.programs, FULL_FOR_PROGRAMS),
        };
        // Transactions whose owners have left keep no place.
        while line.front().is_some_and(|(_, job)| job.is_abandoned()) {
            line.pop_front();
        }
        if line
            .front()
            .is_some_and(|(since, _)| now.duration_since(*since) > full)
        {
            return Err(StoreError::Busy);
        }
        line.push_back((now, job));
        drop(lines);
        self.0.1.notify_one();
        Ok(())
    }

    /// Waits for the next one; `None` once closed and empty.
    pub(super) fn pop(&self) -> Option<Job> {
        let mut lines = self.lines();
        loop {
            if let Some(job) = lines.next() {
                return Some(job);
            }
            if lines.closed {
                return None;
            }
            lines = self.0.1.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next one, if there is one.
    pub(super) fn try_pop(&self) -> Option<Job> {
        self.lines().next()
    }

    /// The number of waiting transactions.
    pub(super) fn len(&self) -> u32 {
        let lines = self.lines();
        u32::try_from(lines.people.len() + lines.programs.len()).unwrap_or(u32::MAX)
    }

    /// Closes the queue to new transactions.
    pub(super) fn close(&self) {
        self.lines().closed = true;
        self.0.1.notify_all();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn next(&mut self) -> Option<Job> {
        loop {
            let is_turn_of_programs = self.people.is_empty() || self.people_in_a_row >= PEOPLE_IN_A_ROW;
            let program = if is_turn_of_programs {
                self.programs.pop_front()
            } else {
                None
            };
            let is_program = program.is_some();
            let (_, job) = program.or_else(|| self.people.pop_front())?;
            if job.is_abandoned() {
                continue;
            }
            self.people_in_a_row = if is_program || self.programs.is_empty() {
                0
            } else {
                self.people_in_a_row + 1
            };
            return Some(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::{super::worker::Session, *};

    type Owner = oneshot::Receiver<Result<(), StoreError>>;

    /// A transaction and its owner, who waits as long as it exists.
    fn job() -> (Job, Owner) {
        let (begun, owner) = oneshot::channel();
        let (_, steps) = mpsc::channel();
        (
            Job::Session(Session {
                begun,
                steps,
                is_patient: false,
            }),
            owner,
        )
    }

    fn push(waiting: &Waiting, urgency: Urgency, now: Instant) -> Option<Owner> {
        let (job, owner) = job();
        waiting.push(job, urgency, now).ok().map(|()| owner)
    }

    /// Answers the owner of the next one, so that a test can see whose turn it was.
    fn serve(waiting: &Waiting) {
        if let Some(Job::Session(session)) = waiting.try_pop() {
            session.begun.send(Ok(())).unwrap();
        }
    }

    #[test]
    fn people_go_before_programs_that_came_earlier() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        let mut program = push(&waiting, Urgency::Program, now).unwrap();
        let mut person = push(&waiting, Urgency::Person, now).unwrap();
        serve(&waiting);
        assert!(person.try_recv().is_ok());
        assert!(program.try_recv().is_err());
        serve(&waiting);
        assert!(program.try_recv().is_ok());
    }

    #[test]
    fn a_flood_of_people_does_not_stop_programs() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        let mut program = push(&waiting, Urgency::Program, now).unwrap();
        let mut people: Vec<Owner> = (0..=PEOPLE_IN_A_ROW)
            .map(|_| push(&waiting, Urgency::Person, now).unwrap())
            .collect();
        let mut last = people.pop().unwrap();
        for mut person in people {
            serve(&waiting);
            assert!(person.try_recv().is_ok());
        }
        assert!(program.try_recv().is_err());
        serve(&waiting);
        assert!(program.try_recv().is_ok());
        assert!(last.try_recv().is_err());
        serve(&waiting);
        assert!(last.try_recv().is_ok());
    }

    #[test]
    fn behind_a_stuck_queue_programs_are_refused_immediately_and_people_later() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        let _first = push(&waiting, Urgency::Program, now).unwrap();
        let _other = push(&waiting, Urgency::Person, now).unwrap();
        let soon = now + FULL_FOR_PROGRAMS;
        assert!(push(&waiting, Urgency::Program, soon).is_some());
        let late = soon + Duration::from_millis(1);
        assert!(push(&waiting, Urgency::Program, late).is_none());
        assert!(push(&waiting, Urgency::Person, late).is_some());
        let very_late = now + FULL_FOR_PEOPLE + Duration::from_millis(1);
        assert!(push(&waiting, Urgency::Person, very_late).is_none());
        // Once the queue moves, there is room.
        while waiting.try_pop().is_some() {}
        assert!(push(&waiting, Urgency::Program, very_late).is_some());
    }

    #[test]
    fn a_transaction_without_an_owner_keeps_no_place() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        drop(push(&waiting, Urgency::Program, now));
        let late = now + FULL_FOR_PEOPLE;
        let mut owner = push(&waiting, Urgency::Program, late).unwrap();
        serve(&waiting);
        assert!(owner.try_recv().is_ok());
    }

    #[test]
    fn after_closing_queued_transactions_run_and_new_ones_are_refused() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        let mut owner = push(&waiting, Urgency::Program, now).unwrap();
        waiting.close();
        assert!(push(&waiting, Urgency::Person, now).is_none());
        let Some(Job::Session(session)) = waiting.pop() else {
            panic!("a queued transaction is there");
        };
        session.begun.send(Ok(())).unwrap();
        assert!(owner.try_recv().is_ok());
        assert!(waiting.pop().is_none());
    }
}
