//! Sessions with servers of the revisions before 2026-07-28: one per server and session of a client, because servers keep their
//! state by session and two conversations of one person must not mix theirs. Stateless clients of a user share one, and those
//! that can be asked something share another by what that is. They are begun when first needed, and begun again when the server
//! has forgotten them. A session never serves two users.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::{HeaderValue, Request};
use moka::{policy::EvictionPolicy, sync::Cache};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{aside::Aside, caller::CallerKey, progress::Calls};
use crate::wire::{
    capabilities::Capabilities,
    headers,
    log_level::{LogLevel, Logs},
    version::ProtocolVersion,
};

/// Sessions kept per server; the one unused for the longest time is ended, and begun again when it is needed.
const SESSIONS_MAX: u64 = 10_000;
/// Those of them that belong to single clients of one user; another one replaces the one that the user has not used for
/// the longest time.
const OF_USER_MAX: usize = 256;
/// A session unused for this long is forgotten; servers forget theirs too.
const IDLE: Duration = Duration::from_mins(30);

/// Replies to pings and to refused requests of a server that can be on their way at the same time within one session;
/// what comes beyond is not answered.
const REPLIES_AT_ONCE: usize = 16;

/// Resources whose changes a server is asked for in one session.
const SUBSCRIBED_MAX: usize = 1_024;
/// Sessions ended at the same time, in the whole process: a changed server can end thousands.
pub(super) const FAREWELLS_AT_ONCE: usize = 16;

/// A session with a server. When it is no longer used, the server is notified that it has ended
/// (2025-11-25 basic/transports, "Session Management").
pub(crate) struct UpstreamSession {
    /// Its id; a server without one keeps no state.
    pub id: Option<HeaderValue>,
    /// The version the server chose.
    pub version: ProtocolVersion,
    /// What the server declared that it can do.
    pub capabilities: Capabilities,
    next_id: AtomicU64,
    /// Its calls that want what is sent elsewhere.
    pub(super) calls: Calls,
    /// The level of log messages that was set at the server, as a number; 0 while none was set.
    log_level: AtomicU8,
    /// The resources whose changes the server is asked for. Held for single operations on the set only.
    subscribed: Mutex<HashSet<Arc<str>>>,
    farewell: Mutex<Option<Farewell>>,
    /// Places for replies that are on their way.
    replies: Arc<Semaphore>,
    /// How many notices of changed roots are due: one that is on its way, and one after it.
    roots_due: AtomicU8,
    /// Listening to it, if it belongs to a client that can be asked; begins with the first call.
    pub(super) aside: OnceCell<Aside>,
}

/// Notifies the server that a session has ended, without waiting.
type Farewell = Box<dyn FnOnce() + Send>;

impl fmt::Debug for UpstreamSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamSession")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl UpstreamSession {
    /// A session the server has just begun.
    pub(super) fn new(id: Option<HeaderValue>, version: ProtocolVersion, capabilities: Capabilities) -> Self {
        Self {
            id,
            version,
            capabilities,
            // 0 was `initialize`.
            next_id: AtomicU64::new(1),
            calls: Calls::default(),
            log_level: AtomicU8::new(0),
            subscribed: Mutex::new(HashSet::new()),
            farewell: Mutex::new(None),
            replies: Arc::new(Semaphore::new(REPLIES_AT_ONCE)),
            roots_due: AtomicU8::new(0),
            aside: OnceCell::const_new(),
        }
    }

    /// From here on it ends with this.
    pub(super) fn ends_with(&self, farewell: impl FnOnce() + Send + 'static) {
        *self.farewell.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(farewell));
    }

    /// It has ended at the server, which does not need to be notified.
    pub(super) fn is_over(&self) {
        drop(
            self.farewell
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    /// Records that this log level is set at the server; `false` if it was set already, or a more verbose one in a session
    /// that does not belong to one client (`is_shared`).
    pub(super) fn note_log_level(&self, level: LogLevel, is_shared: bool) -> bool {
        let level = level.number();
        let told = |known: u8| (known == 0 || level < known || !is_shared && level != known).then_some(level);
        self.log_level
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, told)
            .is_ok()
    }

    /// The log messages that are wanted in a session which belongs to one client.
    pub(super) fn logs(&self) -> Logs {
        LogLevel::from_number(self.log_level.load(Ordering::Acquire)).map_or(Logs::Any, Logs::From)
    }

    /// A place for a reply that is on its way; `None` if the maximum is reached.
    pub(super) fn place_for_reply(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.replies).try_acquire_owned().ok()
    }

    /// Records that the roots of the client have changed. Returns whether the caller has to notify the server; otherwise that
    /// is already happening, and happens again after that.
    pub(super) fn note_changed_roots(&self) -> bool {
        let more = |due: u8| (due < 2).then_some(due + 1);
        self.roots_due
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            == Ok(0)
    }

    /// The server has been notified. Returns whether it has to be notified again.
    pub(super) fn has_told_roots(&self) -> bool {
        self.roots_due.fetch_sub(1, Ordering::AcqRel) > 1
    }

    fn subscriptions(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server is asked for the changes of a resource.
    pub(super) fn has_subscribed(&self, uri: &str) -> bool {
        self.subscriptions().contains(uri)
    }

    /// Whether the server can be asked for those of another resource.
    pub(super) fn may_subscribe(&self) -> bool {
        self.subscriptions().len() < SUBSCRIBED_MAX
    }

    /// From now on it is.
    pub(super) fn note_subscribed(&self, uri: &Arc<str>) {
        self.subscriptions().insert(Arc::clone(uri));
    }

    /// It is no longer.
    pub(super) fn forget_subscribed(&self, uri: &str) {
        self.subscriptions().remove(uri);
    }

    /// All of them.
    pub(super) fn subscribed(&self) -> Vec<Arc<str>> {
        self.subscriptions().iter().cloned().collect()
    }

    /// An ID that is unique in this session; it serves as progress token too.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for UpstreamSession {
    fn drop(&mut self) {
        let farewell = self.farewell.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(farewell) = farewell.take() {
            farewell();
        }
    }
}

/// Writes the headers of a request within a session.
pub(super) fn session_headers<B>(request: &mut Request<B>, session: &UpstreamSession) {
    let map = request.headers_mut();
    if session.version.has_version_header() {
        map.insert(
            headers::PROTOCOL_VERSION,
            HeaderValue::from_static(session.version.as_str()),
        );
    }
    if let Some(id) = &session.id {
        map.insert(headers::SESSION_ID, id.clone());
    }
}

/// The slot for the session of one user.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    current: ArcSwapOption<UpstreamSession>,
    /// Held while a session begins, so that requests arriving together begin one. Never taken while there is one.
    pub(super) beginning: tokio::sync::Mutex<()>,
    /// When it was used last: how many uses of sessions of its server there were before.
    last_use: AtomicU64,
}

impl Slot {
    /// The session, when there is one.
    pub(crate) fn get(&self) -> Option<Arc<UpstreamSession>> {
        self.current.load_full()
    }

    /// Notes a session that has begun.
    pub(super) fn set(&self, session: Arc<UpstreamSession>) {
        self.current.store(Some(session));
    }

    /// Forgets `dead`, unless another has taken its place already.
    pub(super) fn forget(&self, dead: &Arc<UpstreamSession>) {
        self.current.compare_and_swap(&Some(Arc::clone(dead)), None);
    }
}

/// Whose session with a server one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SlotKey {
    caller: CallerKey,
    /// The conversation; `None` if the session serves all stateless clients of the user.
    client: Option<[u8; 16]>,
}

impl SlotKey {
    /// That of one client of a user.
    pub(crate) const fn of_client(caller: CallerKey, client: [u8; 16]) -> Self {
        Self {
            caller,
            client: Some(client),
        }
    }

    /// Whose it is.
    pub(crate) const fn caller(self) -> CallerKey {
        self.caller
    }
}

impl From<CallerKey> for SlotKey {
    fn from(caller: CallerKey) -> Self {
        Self { caller, client: None }
    }
}

/// The sessions with one server.
#[derive(Debug)]
pub struct UpstreamSessions {
    slots: Cache<SlotKey, Arc<Slot>>,
    of_clients: Arc<OfClients>,
    /// How often any of them was used so far.
    uses: AtomicU64,
}

/// The sessions that belong to single clients, by user. Held for single operations only.
#[derive(Debug, Default)]
struct OfClients(Mutex<ByUser>);

type ByUser = HashMap<CallerKey, Vec<(SlotKey, Weak<Slot>)>>;

impl OfClients {
    fn lock(&self) -> MutexGuard<'_, ByUser> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a new one; returns the one that it replaces, which was not used for the longest time.
    fn note(&self, whose: SlotKey, slot: &Arc<Slot>) -> Option<SlotKey> {
        let mut all = self.lock();
        let of_user = all.entry(whose.caller).or_default();
        let last_use = |kept: &Weak<Slot>| kept.upgrade().map(|slot| slot.last_use.load(Ordering::Relaxed));
        let unused = (of_user.len() >= OF_USER_MAX)
            .then(|| (0..of_user.len()).min_by_key(|at| last_use(&of_user[*at].1)))
            .flatten();
        let gives_way = unused.map(|at| of_user.swap_remove(at).0);
        of_user.push((whose, Arc::downgrade(slot)));
        gives_way
    }

    fn forget(&self, whose: &SlotKey) {
        let mut all = self.lock();
        if let Some(of_user) = all.get_mut(&whose.caller) {
            of_user.retain(|(one, _)| one != whose);
            if of_user.is_empty() {
                all.remove(&whose.caller);
            }
        }
    }
}

impl Default for UpstreamSessions {
    fn default() -> Self {
        let of_clients = Arc::<OfClients>::default();
        let noted = Arc::clone(&of_clients);
        Self {
            slots: Cache::builder()
                .max_capacity(SESSIONS_MAX)
                // A new session was used only once so far, and must not be replaced before old ones because of that.
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(IDLE)
                .eviction_listener(move |whose: Arc<SlotKey>, _, _| noted.forget(&whose))
                .build(),
            of_clients,
            uses: AtomicU64::new(0),
        }
    }
}

impl UpstreamSessions {
    /// The slot for a session.
    pub(crate) fn slot(&self, whose: impl Into<SlotKey>) -> Arc<Slot> {
        let whose = whose.into();
        let entry = self.slots.entry(whose).or_default();
        let is_fresh = entry.is_fresh();
        let slot = entry.into_value();
        slot.last_use
            .store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        if is_fresh
            && whose.client.is_some()
            && let Some(unused) = self.of_clients.note(whose, &slot)
        {
            self.leave(unused);
        }
        slot
    }

    /// The session in it, if any.
    pub(super) fn find(&self, whose: SlotKey) -> Option<Arc<UpstreamSession>> {
        self.slots.get(&whose)?.get()
    }

    /// Lets go of the session of a client, which ends once no call uses it.
    pub(crate) fn leave(&self, whose: SlotKey) {
        if let Some(slot) = self.slots.remove(&whose) {
            // The map itself may hold on to what was removed for a while.
            slot.current.store(None);
        }
    }

    /// Lets go of those that are idle: nothing else does while no session is used.
    pub(super) fn tidy(&self) {
        self.slots.run_pending_tasks();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_takes_so_many_places_for_clients_and_the_sessions_of_others_stay() {
        let sessions = UpstreamSessions::default();
        let [ada, bob] = [1, 2].map(CallerKey::known);
        let key = |user, number: u128| SlotKey::of_client(user, number.to_be_bytes());
        let theirs = sessions.slot(key(bob, 0));
        let own = sessions.slot(ada);
        for number in 0..400 {
            sessions.slot(key(ada, number));
            // The first one is in use all the time.
            sessions.slot(key(ada, 0));
        }
        let is_kept = |whose| sessions.slots.contains_key(&whose);
        assert_eq!((0..400).filter(|number| is_kept(key(ada, *number))).count(), 256);
        assert!([0, 399, 145].iter().all(|number| is_kept(key(ada, *number))));
        assert!(!is_kept(key(ada, 1)) && !is_kept(key(ada, 144)));
        assert!(Arc::ptr_eq(&theirs, &sessions.slot(key(bob, 0))));
        assert!(Arc::ptr_eq(&own, &sessions.slot(ada)));
        for number in 0..400 {
            sessions.leave(key(ada, number));
        }
        sessions.leave(key(bob, 0));
        sessions.tidy();
        assert!(sessions.of_clients.lock().is_empty());
    }
}
