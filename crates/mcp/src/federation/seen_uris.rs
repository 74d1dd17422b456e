//! URIs that answers of servers named, by user: links and embedded resources need not be in any list, and the server that
//! named one can read it (2026-07-28 server/tools, "Resource Links").

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatewright_domain::id::{ProjectId, ServerId};

use crate::{
    peer::caller::CallerKey,
    wire::fingerprint::{Fingerprint, fingerprint},
};

/// Users whose URIs are remembered; about 10 kB each at most. If there are more, the project that has most of them loses the one
/// without a request for the longest time.
const USERS_MAX: usize = 5_000;
/// URIs remembered of one user; the one that was named longest ago is forgotten.
const OF_USER_MAX: usize = 256;

/// What one user saw, the newest last.
type OfUser = Arc<Mutex<VecDeque<(Fingerprint, ServerId)>>>;

/// URIs that answers of servers named. A key is one user's at one gateway, so no other user or gateway is served from it.
#[derive(Debug, Default)]
pub(super) struct SeenUris(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    projects: HashMap<ProjectId, OfProject>,
    /// Users of all of them.
    users: usize,
    /// Counts requests, so that it is known which user was longest without one.
    now: u64,
}

#[derive(Debug, Default)]
struct OfProject {
    users: HashMap<CallerKey, (OfUser, u64)>,
    /// The same users, the one longest without a request first.
    by_use: BTreeMap<u64, CallerKey>,
}

impl OfProject {
    /// What a user saw, who has a request now.
    fn touch(&mut self, caller: CallerKey, now: u64) -> Option<OfUser> {
        let (of_user, used) = self.users.get_mut(&caller)?;
        self.by_use.remove(used);
        self.by_use.insert(now, caller);
        *used = now;
        Some(Arc::clone(of_user))
    }
}

impl Seen {
    fn find(&mut self, project: ProjectId, caller: CallerKey) -> Option<OfUser> {
        self.now += 1;
        self.projects.get_mut(&project)?.touch(caller, self.now)
    }

    fn add(&mut self, project: ProjectId, caller: CallerKey) -> OfUser {
        if self.users >= USERS_MAX {
            self.make_room();
        }
        self.users += 1;
        let of_user = OfUser::default();
        let of_project = self.projects.entry(project).or_default();
        of_project.by_use.insert(self.now, caller);
        of_project.users.insert(caller, (Arc::clone(&of_user), self.now));
        of_user
    }

    fn make_room(&mut self) {
        let largest = self
            .projects
            .iter()
            .max_by_key(|(_, of_project)| of_project.users.len());
        let Some(project) = largest.map(|(project, _)| *project) else {
            return;
        };
        if let Some(of_project) = self.projects.get_mut(&project)
            && let Some((_, caller)) = of_project.by_use.pop_first()
        {
            of_project.users.remove(&caller);
            self.users -= 1;
            if of_project.users.is_empty() {
                self.projects.remove(&project);
            }
        }
    }
}

impl SeenUris {
    // Held for single operations on the maps only; they are whole after each.
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer of a server to this user of a project names a URI.
    pub(super) fn note(&self, project: ProjectId, caller: CallerKey, uri: &str, server: ServerId) {
        let mut all = self.lock();
        let of_user = all.find(project, caller);
        let of_user = of_user.unwrap_or_else(|| all.add(project, caller));
        drop(all);
        let mut seen = of_user.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = fingerprint(uri);
        if seen.back() == Some(&(hash, server)) {
            return;
        }
        seen.retain(|(known, _)| *known != hash);
        if seen.len() >= OF_USER_MAX {
            seen.pop_front();
        }
        seen.push_back((hash, server));
    }

    /// The server whose answer named a URI to this user last.
    pub(super) fn server_of(&self, project: ProjectId, caller: CallerKey, uri: &str) -> Option<ServerId> {
        let of_user = self.lock().find(project, caller)?;
        let seen = of_user.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = fingerprint(uri);
        seen.iter()
            .find(|(known, _)| *known == hash)
            .map(|(_, server)| *server)
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn the_server_that_named_a_uri_last_has_it_and_what_is_remembered_is_bounded() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let [one, two] = [(); 2].map(|()| ServerId::generate(&clock, &entropy));
        let seen = SeenUris::default();
        let (project, me) = (ProjectId::generate(&clock, &entropy), CallerKey::NOBODY);
        assert_eq!(seen.server_of(project, me, "a://1"), None);
        seen.note(project, me, "a://1", one);
        seen.note(project, me, "a://1", two);
        assert_eq!(seen.server_of(project, me, "a://1"), Some(two));
        for number in 0..OF_USER_MAX {
            seen.note(project, me, &format!("b://{number}"), one);
        }
        assert_eq!(seen.server_of(project, me, "a://1"), None);
        assert_eq!(seen.server_of(project, me, "b://0"), Some(one));
        let of_user = seen.lock().find(project, me).unwrap();
        assert_eq!(of_user.lock().unwrap().len(), OF_USER_MAX);
    }

    #[test]
    fn a_project_with_many_users_does_not_push_those_of_another_out() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let [calm, busy] = [(); 2].map(|()| ProjectId::generate(&clock, &entropy));
        let server = ServerId::generate(&clock, &entropy);
        let seen = SeenUris::default();
        for user in 0..10 {
            seen.note(calm, CallerKey::known(user), "a://1", server);
        }
        let users = 100..100 + 2 * USERS_MAX as u64;
        for user in users.clone() {
            seen.note(busy, CallerKey::known(user), "a://1", server);
            // One that is used stays.
            seen.server_of(busy, CallerKey::known(100), "a://1");
        }
        let known = |project, user| seen.server_of(project, CallerKey::known(user), "a://1").is_some();
        assert!((0..10).all(|user| known(calm, user)));
        assert!(known(busy, 100) && !known(busy, 101) && known(busy, users.end - 1));
        let state = seen.lock();
        assert_eq!(state.users, USERS_MAX);
        let counted = state
            .projects
            .values()
            .map(|of| (of.users.len(), of.by_use.len()));
        assert_eq!(
            counted.map(|(users, by_use)| users.max(by_use)).sum::<usize>(),
            USERS_MAX
        );
    }
}
