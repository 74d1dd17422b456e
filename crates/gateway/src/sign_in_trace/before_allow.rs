//! What happens before *Allow*: registrations, requests, consent pages, refusals. Anyone can make these happen without
//! anyone's consent, so they stay in the memory of this process, within bounds per gateway, per sort of entry, and in all: who
//! floods one gateway pushes out nothing of another's, and page after page pushes out no refusal.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use gatewright_domain::{
    Timestamp,
    client::short_id,
    id::{AttemptId, GatewayId, ProjectId},
    reference::Reference,
    sign_in_attempt::{AttemptHead, AttemptPart, Progress, SignInAttempt, Step, StepRecord},
};
use serde::{Deserialize, Serialize};

use super::SignInTrace;
use crate::directory::GatewayEntry;

/// Entries of one sort per gateway.
const PER_GATEWAY: usize = 50;
/// Entries in all, of a kilobyte or two each. Beyond that, the oldest of the gateway with the most is dropped.
const TOTAL: usize = 2_000;
/// Refusals that cannot be assigned to a gateway.
const STRAYS: usize = 200;

/// What is known about an attempt before *Allow*. It travels sealed in the form, so that the trace is whole although
/// nothing was stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BeforeAllow {
    /// What pages of this attempt show.
    pub reference: Reference,
    /// When the app sent the browser.
    pub started_at: Timestamp,
    /// The steps so far.
    pub steps: Vec<StepRecord>,
}

impl BeforeAllow {
    /// An attempt that begins now.
    pub const fn new(reference: Reference, now: Timestamp) -> Self {
        Self {
            reference,
            started_at: now,
            steps: Vec::new(),
        }
    }
}

/// The kinds of entries, each with its own space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// An app registered.
    Registered,
    /// A consent page was shown.
    Shown,
    /// Something was refused.
    Refused,
    /// There was too much of it.
    Limited,
}

/// A client, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct KnownClient<'a> {
    /// Its id, in full.
    pub id: &'a str,
    /// The name it reports.
    pub name: &'a str,
}

/// A refusal that cannot be assigned to a gateway, so only those who run the instance can see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// What the page showed.
    pub reference: Reference,
    /// The step that failed.
    pub record: StepRecord,
}

/// The ring.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: Mutex<Entries>,
    strays: Mutex<VecDeque<Stray>>,
}

#[derive(Debug, Default)]
struct Entries {
    by_gateway: BTreeMap<(GatewayId, Sort), VecDeque<SignInAttempt>>,
    count: usize,
}

impl SignInTrace {
    /// Notes what happened at a gateway before *Allow*. Steps of the same reference join what is there; those of a client
    /// that has just registered join its registration.
    pub fn note(
        &self,
        entry: &GatewayEntry,
        sort: Sort,
        client: Option<KnownClient<'_>>,
        before: &BeforeAllow,
    ) {
        let client_id = client.map(|client| short_id(client.id)).unwrap_or_default();
        let mut part = AttemptPart {
            head: AttemptHead {
                id: AttemptId::generate(self.clock.as_ref(), self.entropy.as_ref()),
                project_id: entry.gateway.project_id,
                gateway_id: entry.gateway.id,
                user_source_id: entry.gateway.authentication.user_source(),
                reference: Some(before.reference),
                client_id,
                client_name: client.map(|client| client.name.to_owned()).unwrap_or_default(),
                started_at: before.started_at,
            },
            user_id: None,
            progress: Progress::InProgress,
            updated_at: before.started_at,
            steps: Vec::new(),
        };
        for record in &before.steps {
            part.add(record.clone());
        }
        part.put_in_order();
        self.ring.push(sort, part);
    }

    /// Records a refusal that cannot be assigned to a gateway.
    pub fn note_stray(&self, reference: Reference, step: Step, reason: &str, advice: &str) {
        let record = StepRecord::done(step, self.clock.now()).failed(reason, advice);
        let mut strays = self.ring.strays();
        if strays.len() >= STRAYS {
            strays.pop_front();
        }
        strays.push_back(Stray { reference, record });
    }

    /// What happened at the gateways of a project before *Allow*, newest first.
    pub(super) fn of_project(&self, project: ProjectId) -> Vec<SignInAttempt> {
        let entries = self.ring.entries();
        let mut found: Vec<_> = entries
            .by_gateway
            .values()
            .flatten()
            .filter(|attempt| attempt.part.head.project_id == project)
            .cloned()
            .collect();
        drop(entries);
        found.sort_by_key(|attempt| std::cmp::Reverse(attempt.part.head.id));
        found
    }

    /// Refusals that cannot be assigned to a gateway, newest first.
    pub fn strays(&self) -> Vec<Stray> {
        self.ring.strays().iter().rev().cloned().collect()
    }
}

impl Ring {
    /// An attempt continues in the store.
    pub(super) fn forget(&self, gateway: GatewayId, reference: Option<Reference>) {
        let mut entries = self.entries();
        entries.remove(gateway, |attempt| attempt.part.head.reference == reference);
    }

    fn push(&self, sort: Sort, part: AttemptPart) {
        let mut entries = self.entries();
        let gateway = part.head.gateway_id;
        let (reference, client) = (part.head.reference, part.head.client_id.clone());
        entries.remove(gateway, |other| {
            let head = &other.part.head;
            let only_registered = other
                .part
                .steps
                .iter()
                .all(|record| record.step == Step::Registration);
            head.reference == reference || (only_registered && !client.is_empty() && head.client_id == client)
        });
        entries.push(
            (gateway, sort),
            SignInAttempt {
                part,
                subject: None,
                stored: false,
            },
        );
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strays(&self) -> MutexGuard<'_, VecDeque<Stray>> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn push(&mut self, key: (GatewayId, Sort), attempt: SignInAttempt) {
        let room = self.by_gateway.entry(key).or_default();
        if room.len() >= PER_GATEWAY {
            room.pop_front();
        } else {
            self.count += 1;
        }
        room.push_back(attempt);
        if self.count > TOTAL
            && let Some(fullest) = self.by_gateway.values_mut().max_by_key(|room| room.len())
            && fullest.pop_front().is_some()
        {
            self.count -= 1;
            self.by_gateway.retain(|_, room| !room.is_empty());
        }
    }

    fn remove(&mut self, gateway: GatewayId, gone: impl Fn(&SignInAttempt) -> bool) {
        for sort in [Sort::Registered, Sort::Shown, Sort::Refused, Sort::Limited] {
            if let Some(room) = self.by_gateway.get_mut(&(gateway, sort)) {
                let before = room.len();
                room.retain(|attempt| !gone(attempt));
                self.count -= before - room.len();
                if room.is_empty() {
                    self.by_gateway.remove(&(gateway, sort));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};

    use super::*;

    fn part(gateway_id: GatewayId, number: u64, client: &str, step: Step) -> AttemptPart {
        let clock = FixedClock::at_seconds(1);
        let mut part = AttemptPart {
            head: AttemptHead {
                id: AttemptId::generate(&clock, &SystemEntropy),
                project_id: ProjectId::generate(&clock, &SystemEntropy),
                gateway_id,
                user_source_id: None,
                reference: Some(Reference::of(number << 32)),
                client_id: client.to_owned(),
                client_name: String::new(),
                started_at: Timestamp::from_seconds(1),
            },
            user_id: None,
            progress: Progress::InProgress,
            updated_at: Timestamp::from_seconds(1),
            steps: Vec::new(),
        };
        part.add(StepRecord::done(step, Timestamp::from_seconds(1)));
        part
    }

    fn gateway() -> GatewayId {
        GatewayId::generate(&FixedClock::at_seconds(1), &SystemEntropy)
    }

    fn references(ring: &Ring, gateway: GatewayId) -> Vec<Option<Reference>> {
        let entries = ring.entries();
        let of_gateway = entries.by_gateway.iter().filter(|((id, _), _)| *id == gateway);
        of_gateway
            .flat_map(|(_, room)| room)
            .map(|attempt| attempt.part.head.reference)
            .collect()
    }

    #[test]
    fn a_flood_pushes_out_its_own_sort_at_its_own_gateway_only() {
        let ring = Ring::default();
        let (flooded, quiet) = (gateway(), gateway());
        ring.push(Sort::Refused, part(flooded, 1, "", Step::Authorize));
        ring.push(Sort::Shown, part(quiet, 2, "", Step::Authorize));
        for number in 10..10_000 {
            ring.push(Sort::Shown, part(flooded, number, "", Step::Authorize));
        }
        assert_eq!(references(&ring, quiet), [Some(Reference::of(2 << 32))]);
        let left = references(&ring, flooded);
        assert_eq!(left.len(), PER_GATEWAY + 1);
        assert!(left.contains(&Some(Reference::of(1 << 32))));
        assert!(left.contains(&Some(Reference::of(9_999 << 32))));
        assert_eq!(ring.entries().count, PER_GATEWAY + 2);
    }

    #[test]
    fn all_gateways_together_stay_within_bounds_and_the_fullest_lose_entries() {
        let ring = Ring::default();
        let quiet = gateway();
        ring.push(Sort::Shown, part(quiet, 1, "", Step::Authorize));
        for _ in 0..100 {
            let flooded = gateway();
            for number in 2..50 {
                ring.push(Sort::Shown, part(flooded, number, "", Step::Authorize));
            }
        }
        let entries = ring.entries();
        let counted: usize = entries.by_gateway.values().map(VecDeque::len).sum();
        assert_eq!((counted, entries.count), (TOTAL, TOTAL));
        drop(entries);
        assert_eq!(references(&ring, quiet).len(), 1);
    }

    #[test]
    fn a_registration_becomes_the_request_it_led_to_and_that_continues_in_the_store() {
        let ring = Ring::default();
        let gateway = gateway();
        ring.push(Sort::Registered, part(gateway, 1, "client", Step::Registration));
        ring.push(Sort::Registered, part(gateway, 2, "another", Step::Registration));
        ring.push(Sort::Shown, part(gateway, 3, "client", Step::Authorize));
        let of = |number: u64| Some(Reference::of(number << 32));
        assert_eq!(references(&ring, gateway), [of(2), of(3)]);
        // Asking twice, as browsers do, leaves two pages open.
        ring.push(Sort::Shown, part(gateway, 4, "client", Step::Authorize));
        ring.forget(gateway, of(3));
        assert_eq!(references(&ring, gateway), [of(2), of(4)]);
        ring.forget(gateway, of(4));
        ring.forget(gateway, of(2));
        assert_eq!(ring.entries().count, 0);
        assert!(ring.entries().by_gateway.is_empty());
    }
}
