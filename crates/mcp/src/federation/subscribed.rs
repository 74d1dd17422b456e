//! The resources whose changes clients want, and what leads there while they listen.
//!
//! A client within a session asks for one resource after the other, and listens separately; a stateless one says with
//! its listening stream which it wants. In both cases a server is only asked while the client listens.

mod clients;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gatewright_domain::id::{ProjectId, ServerId};
use tokio::time::Instant;

use self::clients::Clients;
use super::{
    changes::Watched,
    places::{Bounds, Place, Places},
};
use crate::peer::caller::CallerKey;

/// Resources of one client.
pub(crate) const RESOURCES_MAX: usize = 256;
/// The length of a URI, bytes.
pub(crate) const URI_MAX: usize = 2_048;
/// What a client asked for that has not listened for this long is dropped if others need the places.
const IDLE: Duration = Duration::from_mins(10);

/// The resources whose changes one client wants.
#[derive(Debug)]
pub(crate) struct Subscribed(Mutex<State>);

#[derive(Debug)]
struct State {
    resources: HashMap<Arc<str>, Resource>,
    /// The streams it listens with, by their numbers, the newest last.
    streams: Vec<u64>,
    next_stream: u64,
    /// Whether it listened before, so that changes may have been missed.
    has_listened: bool,
    /// Whether it wants something of which it is not known yet where it leads.
    is_unsettled: bool,
    idle_since: Instant,
}

#[derive(Debug)]
struct Resource {
    _place: Place,
    /// The server and what leads there, while the client listens.
    watched: Option<(ServerId, Watched)>,
}

impl Default for Subscribed {
    fn default() -> Self {
        Self(Mutex::new(State {
            resources: HashMap::new(),
            streams: Vec::new(),
            next_stream: 0,
            has_listened: false,
            is_unsettled: false,
            idle_since: Instant::now(),
        }))
    }
}

impl Subscribed {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(crate) fn uris(&self) -> Vec<Arc<str>> {
        self.lock().resources.keys().cloned().collect()
    }

    /// No longer.
    pub(crate) fn remove(&self, uri: &str) {
        let removed = self.lock().resources.remove(uri);
        drop(removed);
    }

    /// Something was added without finding out where it leads.
    pub(crate) fn note_unsettled(&self) {
        self.lock().is_unsettled = true;
    }

    /// Whether something was, since the last time this was asked.
    pub(crate) fn take_unsettled(&self) -> bool {
        std::mem::take(&mut self.lock().is_unsettled)
    }

    /// None any more: the client has left.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut self.lock().resources);
        drop(all);
    }

    /// Whether it listens.
    pub(crate) fn is_listening(&self) -> bool {
        !self.lock().streams.is_empty()
    }

    /// What leads to the server of a resource from now on. Released immediately if the client does not listen, or does not
    /// want it any more.
    pub(super) fn watch(&self, uri: &str, server: ServerId, watched: Watched) {
        let mut state = self.lock();
        let is_listening = !state.streams.is_empty();
        let resource = state.resources.get_mut(uri).filter(|_| is_listening);
        let before = match resource {
            Some(resource) => resource.watched.replace((server, watched)),
            None => Some((server, watched)),
        };
        drop(state);
        drop(before);
    }

    /// A resource is not reported until it is known where it leads.
    pub(crate) fn unwatch_all(&self) {
        let mut state = self.lock();
        let watched: Vec<_> = state
            .resources
            .values_mut()
            .filter_map(|resource| resource.watched.take())
            .collect();
        drop(state);
        drop(watched);
    }

    /// Of what the client asked for, only what is reported, if it has learned what that is.
    pub(crate) fn keep_watched(&self) {
        let mut state = self.lock();
        let left: Vec<_> = state
            .resources
            .extract_if(|_, resource| resource.watched.is_none())
            .collect();
        drop(state);
        drop(left);
    }

    /// Whether the client wants the changes of a resource that this server has.
    pub(super) fn wants(&self, uri: &str, server: ServerId) -> bool {
        let state = self.lock();
        let watched = state.resources.get(uri).and_then(|found| found.watched.as_ref());
        watched.is_some_and(|(of, _)| *of == server)
    }

    /// Resources that servers are asked for.
    pub(crate) fn watched(&self) -> Vec<Arc<str>> {
        let state = self.lock();
        let watched = state.resources.iter().filter(|(_, one)| one.watched.is_some());
        watched.map(|(uri, _)| Arc::clone(uri)).collect()
    }

    /// Listens with another stream until the value is dropped.
    pub(super) fn listen(self: &Arc<Self>) -> Listens {
        let mut state = self.lock();
        let number = state.next_stream;
        state.next_stream += 1;
        state.streams.push(number);
        let missed = std::mem::replace(&mut state.has_listened, true);
        drop(state);
        Listens {
            of: Arc::clone(self),
            number,
            missed,
        }
    }
}

/// A stream that a client listens with.
#[derive(Debug)]
pub(super) struct Listens {
    of: Arc<Subscribed>,
    number: u64,
    /// Whether the client listened before.
    pub(super) missed: bool,
}

impl Listens {
    /// What the client wants.
    pub(super) const fn to(&self) -> &Arc<Subscribed> {
        &self.of
    }

    /// Whether it is the one on which the client is notified: a message goes to one stream only (2025-11-25 basic/transports,
    /// "Multiple Connections"), and the newest is the one that certainly has not broken.
    pub(super) fn is_newest(&self) -> bool {
        self.of.lock().streams.last() == Some(&self.number)
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        state.streams.retain(|number| *number != self.number);
        if state.streams.is_empty() {
            state.idle_since = Instant::now();
            drop(state);
            self.of.unwatch_all();
        }
    }
}

/// Why the changes of one more resource cannot be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    /// The client has asked for as many as it may.
    #[error("A client can subscribe to {RESOURCES_MAX} resources; unsubscribe from some first.")]
    OfClient,
    /// All clients of the user or project have.
    #[error("Too many resources are subscribed to already; unsubscribe from some first.")]
    OfAll,
    /// The URI is too long.
    #[error("params.uri is longer than {URI_MAX} bytes; the gateway cannot report changes of this resource.")]
    Long,
}

/// What all clients want.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    places: Arc<Places>,
    clients: Mutex<Clients>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            places: Arc::new(Places::new(Bounds::RESOURCES)),
            clients: Mutex::default(),
        }
    }
}

impl Subscriptions {
    /// Records that a client wants the changes of a resource; nothing happens if it does already.
    pub(crate) fn add(
        &self,
        project: ProjectId,
        caller: CallerKey,
        client: &Arc<Subscribed>,
        uri: &Arc<str>,
    ) -> Result<(), TooMany> {
        if uri.len() > URI_MAX {
            return Err(TooMany::Long);
        }
        let (is_known, count) = {
            let state = client.lock();
            (state.resources.contains_key(uri), state.resources.len())
        };
        if is_known {
            return Ok(());
        }
        if count >= RESOURCES_MAX {
            return Err(TooMany::OfClient);
        }
        let take = || self.places.take(project, caller);
        let place = take().or_else(|| {
            self.let_go_of_own(caller, client);
            take()
        });
        let place = place.or_else(|| {
            self.let_go_of_idle();
            take()
        });
        let place = place.ok_or(TooMany::OfAll)?;
        if count == 0 {
            self.lock().note(caller, client);
        }
        let resource = Resource {
            _place: place,
            watched: None,
        };
        client.lock().resources.insert(Arc::clone(uri), resource);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what the other clients of a user want that do not listen.
    fn let_go_of_own(&self, caller: CallerKey, but: &Arc<Subscribed>) {
        let clients = self.lock().of_user(caller);
        for client in clients {
            let is_idle = !client.is_listening();
            if is_idle && !Arc::ptr_eq(&client, but) {
                client.clear();
            }
        }
    }

    /// Forgets what clients want that have not listened for a long time. All of them are checked, so that is not done for each
    /// request that finds no place.
    fn let_go_of_idle(&self) {
        let clients = self.lock().all_again();
        for client in clients.into_iter().flatten() {
            let state = client.lock();
            let is_idle = state.streams.is_empty() && state.idle_since.elapsed() >= IDLE;
            drop(state);
            if is_idle {
                client.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};

    use super::{clients::CLEANED_AT, *};

    #[tokio::test]
    async fn subscriptions_are_bounded_and_clients_that_stopped_listening_lose_theirs() {
        let all = Subscriptions::default();
        let project = ProjectId::generate(&FixedClock::at_seconds(1_800_000_000), &SystemEntropy);
        let (ada, bob) = (CallerKey::known(1), CallerKey::known(2));
        let fill = |caller, client: &Arc<Subscribed>| {
            (0..=RESOURCES_MAX)
                .map(|number| all.add(project, caller, client, &format!("a://{number}").into()))
                .collect::<Vec<_>>()
        };
        let clients: Vec<_> = (0..3).map(|_| Arc::new(Subscribed::default())).collect();
        let of_bob = Arc::new(Subscribed::default());
        assert_eq!(fill(bob, &of_bob).pop(), Some(Err(TooMany::OfClient)));
        let _first = clients[0].listen();
        for client in &clients {
            let added = fill(ada, client);
            assert!(added[..RESOURCES_MAX].iter().all(Result::is_ok));
        }
        // The third takes the places of the second, which does not listen.
        assert_eq!(
            clients
                .iter()
                .map(|client| client.uris().len())
                .collect::<Vec<_>>(),
            [RESOURCES_MAX, 0, RESOURCES_MAX]
        );
        let _third = clients[2].listen();
        assert_eq!(fill(ada, &clients[1])[0], Err(TooMany::OfAll));
        assert_eq!(
            of_bob.uris().len(),
            RESOURCES_MAX,
            "another user keeps what they have"
        );
        let long = "a".repeat(URI_MAX + 1);
        assert_eq!(
            all.add(project, bob, &clients[1], &long.into()),
            Err(TooMany::Long)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_have_not_listened_for_long_are_dropped_and_searched_only_now_and_then() {
        let all = Subscriptions::default();
        let of = || ProjectId::generate(&FixedClock::at_seconds(1_800_000_000), &SystemEntropy);
        let project = of();
        let fill = |user: u64, client: &Arc<Subscribed>| {
            let add = |number| {
                all.add(
                    project,
                    CallerKey::known(user),
                    client,
                    &format!("a://{number}").into(),
                )
            };
            (0..RESOURCES_MAX)
                .take_while(|number| add(*number).is_ok())
                .count()
        };
        let clients: Vec<_> = (0..100).map(|_| Arc::new(Subscribed::default())).collect();
        let filled: Vec<_> = (0..)
            .zip(&clients)
            .map(|(user, client)| fill(user, client))
            .collect();
        assert!(filled[0] == RESOURCES_MAX && filled[99] == 0);
        let waits = Arc::new(Subscribed::default());
        assert_eq!(fill(1_000, &waits), 0);
        tokio::time::advance(IDLE).await;
        // Those that are idle by now are removed together, and the next search is not soon.
        assert_eq!(fill(1_000, &waits), RESOURCES_MAX);
        assert!(clients.iter().all(|client| client.uris().is_empty()));
        let swept_at = all.lock().swept_at;
        for client in &clients {
            fill(2_000, client);
        }
        assert_eq!(all.lock().swept_at, swept_at);
        drop(clients);
        for user in 3_000..4_000 {
            fill(user, &Arc::new(Subscribed::default()));
        }
        assert!(
            all.lock().of_users.len() <= 2 * CLEANED_AT,
            "those that are gone are forgotten"
        );
    }

    #[tokio::test]
    async fn the_newest_stream_is_notified_and_then_the_previous_one() {
        let client = Arc::new(Subscribed::default());
        let (one, other) = (client.listen(), client.listen());
        assert!(!one.missed && other.missed);
        assert!(!one.is_newest() && other.is_newest());
        drop(other);
        assert!(one.is_newest() && client.is_listening());
        drop(one);
        assert!(!client.is_listening());
    }
}
