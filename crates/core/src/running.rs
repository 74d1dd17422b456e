//! How many requests run at the same time, by person and by project: one person with slow calls must not use up the connections
//! of all others, and neither must all people of one project together.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use gatewright_domain::id::ProjectId;
use gatewright_mcp::caller::{Busy, CallerKey, Runs};

/// Parts of the table of persons, so that two requests seldom want the same one.
const SHARDS: usize = 32;
/// A part of the table is cleaned when it has grown to twice what was alive the last time, and to this many at least.
const CLEANED_AT: usize = 64;
/// A project may have this part of what it may run on its way beside that.
const RESERVE: u32 = 8;

/// Requests that run now.
#[derive(Debug)]
pub struct Running {
    per_person: u32,
    per_project: u32,
    persons: [Mutex<Table<CallerKey, Person>>; SHARDS],
    projects: Mutex<Table<ProjectId, Counter>>,
}

/// Counters by owner; one is forgotten once no request and no known token holds it.
#[derive(Debug)]
struct Table<K, C> {
    counters: HashMap<K, Weak<C>>,
    clean_at: usize,
}

impl<K, C> Default for Table<K, C> {
    fn default() -> Self {
        Self {
            counters: HashMap::new(),
            clean_at: CLEANED_AT,
        }
    }
}

impl<K: std::hash::Hash + Eq, C: Default> Table<K, C> {
    fn counter(&mut self, key: K) -> Arc<C> {
        if let Some(known) = self.counters.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        if self.counters.len() >= self.clean_at {
            self.counters.retain(|_, counter| counter.strong_count() > 0);
            self.clean_at = CLEANED_AT.max(self.counters.len() * 2);
        }
        let fresh = Arc::new(C::default());
        self.counters.insert(key, Arc::downgrade(&fresh));
        fresh
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU32);

impl Counter {
    fn take(&self, max: u32) -> bool {
        let one_more = |running| (running < max).then_some(running + 1);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What one person has in progress.
#[derive(Debug, Default)]
struct Person {
    running: Counter,
    /// Messages whose body has not arrived. They are counted by themselves: a person who has as many requests running as may run
    /// can still cancel one.
    sending: Counter,
}

/// What of a person's is counted.
#[derive(Debug, Clone, Copy)]
enum Part {
    Running,
    Sending,
}

impl Person {
    const fn part(&self, part: Part) -> &Counter {
        match part {
            Part::Running => &self.running,
            Part::Sending => &self.sending,
        }
    }
}

/// Where the requests of one caller are counted. It is found once per verified token, so that a request counts itself
/// without a lock.
#[derive(Debug, Clone)]
pub struct Counted {
    person: Arc<Person>,
    project: Arc<Counter>,
}

/// A place for a running request, returned when it is dropped.
#[derive(Debug)]
pub struct Place {
    person: Option<(Arc<Person>, Part)>,
    project: Arc<Counter>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((person, part)) = &self.person {
            person.part(*part).give_back();
        }
        self.project.give_back();
    }
}

impl Running {
    /// Counts of running requests, with these bounds.
    pub fn new(per_person: u32, per_project: u32) -> Self {
        Self {
            per_person,
            per_project,
            persons: std::array::from_fn(|_| Mutex::default()),
            projects: Mutex::default(),
        }
    }

    /// Where the requests of a caller are counted. It takes two locks for a look into a table; a verified token keeps
    /// what was found, and in Headers mode, where each request may be of another person, each looks.
    pub fn counted(&self, person: CallerKey, project: ProjectId) -> Counted {
        let shard = &self.persons[usize::from(person.as_bytes()[0]) % SHARDS];
        // A table is whole after each of its operations, so a panic elsewhere does not spoil it.
        let person = shard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .counter(person);
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        Counted {
            person,
            project: projects.counter(project),
        }
    }

    /// Takes a place.
    pub fn admit(&self, counted: &Counted, what: Runs) -> Result<Place, Busy> {
        let part = match what {
            Runs::Request => Some(Part::Running),
            // How many of these one person may have is counted with their sessions.
            Runs::Stream => None,
        };
        self.take(counted, part, self.per_project)
    }

    /// Takes a place for a message that is on its way, before any of it is read. The project has a few more of these than it
    /// may run, because one of them may cancel what runs.
    pub fn admit_message(&self, counted: &Counted) -> Result<Place, Busy> {
        let reserve = self.per_project.div_ceil(RESERVE);
        let of_project = self.per_project.saturating_add(reserve);
        self.take(counted, Some(Part::Sending), of_project)
    }

    fn take(&self, counted: &Counted, part: Option<Part>, of_project: u32) -> Result<Place, Busy> {
        if let Some(part) = part
            && !counted.person.part(part).take(self.per_person)
        {
            return Err(match part {
                Part::Running => Busy::Person(self.per_person),
                Part::Sending => Busy::Sending(self.per_person),
            });
        }
        if !counted.project.take(of_project) {
            if let Some(part) = part {
                counted.person.part(part).give_back();
            }
            return Err(Busy::Project);
        }
        Ok(Place {
            person: part.map(|part| (Arc::clone(&counted.person), part)),
            project: Arc::clone(&counted.project),
        })
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{
        clock::FixedClock,
        entropy::SeededEntropy,
        id::{ApiKeyId, GatewayId},
        principal::{Principal, Proof},
    };

    use super::*;

    fn key(project_id: ProjectId, subject: &str) -> CallerKey {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        CallerKey::of(&Principal {
            project_id,
            gateway_id: GatewayId::generate(&clock, &entropy),
            subject: subject.to_owned(),
            proof: Proof::Key(ApiKeyId::generate(&clock, &entropy)),
            email: None,
            display_name: None,
        })
    }

    #[test]
    fn a_person_and_a_project_have_their_own_bounds_and_places_are_returned() {
        let entropy = SeededEntropy::new(2);
        let [one, other] = [(); 2].map(|()| ProjectId::generate(&FixedClock::at_seconds(1), &entropy));
        let running = Running::new(2, 3);
        let of = |project, subject| running.counted(key(project, subject), project);
        let (ada, bob, eve) = (of(one, "ada"), of(one, "bob"), of(other, "eve"));
        let first = running.admit(&ada, Runs::Request).unwrap();
        let _second = running.admit(&ada, Runs::Request).unwrap();
        assert_eq!(
            running.admit(&of(one, "ada"), Runs::Request).unwrap_err(),
            Busy::Person(2)
        );
        let _stream = running.admit(&ada, Runs::Stream).unwrap();
        assert_eq!(running.admit(&bob, Runs::Request).unwrap_err(), Busy::Project);
        assert_eq!(running.admit(&bob, Runs::Stream).unwrap_err(), Busy::Project);
        let _theirs = running.admit(&eve, Runs::Request).unwrap();
        drop(first);
        let _again = running.admit(&bob, Runs::Request).unwrap();
        assert_eq!(running.admit(&ada, Runs::Request).unwrap_err(), Busy::Project);
    }

    #[test]
    fn messages_on_their_way_have_separate_places_and_a_few_more_in_a_project() {
        let project = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(2));
        let running = Running::new(1, 2);
        let of = |subject| running.counted(key(project, subject), project);
        let (ada, bob, eve) = (of("ada"), of("bob"), of("eve"));
        let _runs = running.admit(&ada, Runs::Request).unwrap();
        let hers = running.admit_message(&ada).unwrap();
        assert_eq!(running.admit_message(&ada).unwrap_err(), Busy::Sending(1));
        assert_eq!(running.admit(&bob, Runs::Request).unwrap_err(), Busy::Project);
        let _his = running.admit_message(&bob).unwrap();
        assert_eq!(running.admit_message(&eve).unwrap_err(), Busy::Project);
        drop(hers);
        let _again = running.admit_message(&ada).unwrap();
    }

    #[test]
    fn counters_without_a_holder_are_forgotten() {
        let project = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(2));
        let running = Running::new(1, 1);
        for number in 0..CLEANED_AT * SHARDS * 4 {
            running.counted(key(project, &number.to_string()), project);
        }
        let kept: usize = running
            .persons
            .iter()
            .map(|shard| shard.lock().unwrap().counters.len())
            .sum();
        assert!(kept <= CLEANED_AT * SHARDS, "{kept}");
    }
}
