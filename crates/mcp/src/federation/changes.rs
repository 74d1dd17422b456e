//! What servers announce of their lists and resources, and who listens to it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gatewright_domain::id::ProjectId;
use tokio::{sync::broadcast, task::AbortHandle, time::Instant};

use super::{server::Server, servers::Federation};
use crate::{
    peer::{
        announced::News,
        call_guard::Lists as _,
        caller::{Caller, CallerKey, Conversation, Identify, RuleClass},
        listening::{Ear, Listened},
        peers::Peers,
        session::SlotKey,
        wanted::{Want, Wanted},
    },
    wire::version::Era,
};

/// Announcements of one server that wait for listeners; a listener that is further behind assumes that everything has changed.
const WAITING_MAX: usize = 64;
/// A call that wants progress is this old before its server is listened to for it.
const OF_CALL: Duration = Duration::from_secs(1);
/// A stream that ended is opened again after this long; each that lasts for less than a minute doubles it.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(5);
const LASTED: Duration = Duration::from_mins(1);

/// Something of a server has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) what: News,
    /// Whose it is; `None` means everyone's.
    pub(super) of: Option<SlotKey>,
}

/// What one server announces.
#[derive(Debug)]
pub(super) struct Changes {
    told: broadcast::Sender<Change>,
    /// The streams it is listened to with, by whose session they are of; none for one that serves everyone.
    streams: Mutex<HashMap<Option<SlotKey>, Weak<Stream>>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            told: broadcast::channel(WAITING_MAX).0,
            streams: Mutex::default(),
        }
    }
}

impl Changes {
    /// Tells all who listen.
    pub(super) fn tell(&self, change: Change) {
        // Listening is not needed.
        let _ = self.told.send(change);
    }

    /// The wanted resources to which a change of this URI applies, if a server reports it in this session, and whose they
    /// are. Where a session is listened to aside, resources are asked for in that of all conversations of the user.
    pub(super) fn wanted_by(&self, uri: &str, whose: SlotKey) -> Vec<(Option<SlotKey>, Arc<str>)> {
        let of_user = SlotKey::from(whose.caller());
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = [Some(whose), Some(of_user).filter(|of| *of != whose), None]
            .map(|of| Some((of, streams.get(&of)?.upgrade()?)));
        drop(streams);
        let wanted = wanted.into_iter().flatten();
        wanted
            .flat_map(|(of, stream)| {
                let uris = stream.wanted.touched_by(uri);
                uris.into_iter().map(move |uri| (of, uri))
            })
            .collect()
    }

    /// Listens from now on.
    pub(super) fn hear(&self) -> broadcast::Receiver<Change> {
        self.told.subscribe()
    }
}

/// A stream that a server is listened to with. It ends with the last who holds it.
#[derive(Debug)]
pub(super) struct Stream {
    task: AbortHandle,
    /// Whether the server turned out to announce nothing.
    is_needless: Arc<AtomicBool>,
    /// The resources whose changes are wanted.
    wanted: Arc<Wanted>,
}

/// A resource whose changes a server is asked for, as long as this is held.
#[derive(Debug)]
pub(super) struct Watched {
    want: Want,
    _stream: Arc<Stream>,
}

impl Watched {
    /// Waits until the server has been asked.
    pub(super) fn heard(&self) -> impl Future<Output = ()> + Send + 'static {
        self.want.heard()
    }
}

impl Stream {
    /// Whether others of its user can hold it too. One whose user is no longer allowed ends, and another one of theirs
    /// opens it again.
    fn serves(&self) -> bool {
        !self.task.is_finished() || self.is_needless.load(Ordering::Relaxed)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<P: Peers> Federation<P> {
    /// Listens to a server while a call of a user runs that wants progress: older servers may report it on another stream than
    /// that of the call. A short call does not cost a request for it.
    pub(super) fn listen_for_call(
        &self,
        project: ProjectId,
        server: &Arc<Server>,
        caller: Caller<'_>,
    ) -> Option<Arc<Stream>> {
        self.listen_after(OF_CALL, project, server, caller)
    }

    /// Listens to a server for a conversation, with the stream that it holds already, or with one that serves all users of a
    /// server that does not distinguish them. `None` if the maximum of streams is open.
    pub(super) fn listen_to(
        &self,
        project: ProjectId,
        server: &Arc<Server>,
        caller: Caller<'_>,
    ) -> Option<Arc<Stream>> {
        self.listen_after(Duration::ZERO, project, server, caller)
    }

    fn listen_after(
        &self,
        pause: Duration,
        project: ProjectId,
        server: &Arc<Server>,
        caller: Caller<'_>,
    ) -> Option<Arc<Stream>> {
        let (upstream, caller) = (&server.upstream, caller.listening());
        let is_shared = upstream.era() == Some(Era::Modern) && !upstream.knows_users();
        let of = (!is_shared).then(|| upstream.whose(caller.slot()));
        let mut streams = (server.changes.streams.lock()).unwrap_or_else(PoisonError::into_inner);
        let known = streams.get(&of).and_then(Weak::upgrade);
        if let Some(stream) = known.filter(|stream| stream.serves()) {
            return Some(stream);
        }
        let place = self.listening.take(project, caller.key)?;
        let wanted = Arc::new(Wanted::default());
        let listening = listen(
            Arc::clone(&self.peers),
            Arc::clone(server),
            Arc::clone(&wanted),
            of,
            ListensFor {
                key: caller.key,
                class: caller.class,
                identity: caller.identity.kept(),
                conversation: caller.conversation.cloned(),
            },
        );
        let is_needless = Arc::new(AtomicBool::new(false));
        let found = Arc::clone(&is_needless);
        let task = tokio::spawn(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let listened = listening.await;
            found.store(listened == Listened::Never, Ordering::Relaxed);
            // Given back with the end of the task, not with the last who would have listened.
            drop(place);
        });
        let stream = Arc::new(Stream {
            task: task.abort_handle(),
            is_needless,
            wanted,
        });
        streams.retain(|_, stream| stream.strong_count() > 0);
        streams.insert(of, Arc::downgrade(&stream));
        Some(stream)
    }

    /// Asks a server for the changes of a resource, over the stream it is listened to with.
    pub(super) fn watch(
        &self,
        project: ProjectId,
        server: &Arc<Server>,
        caller: Caller<'_>,
        uri: &Arc<str>,
    ) -> Option<Watched> {
        let stream = self.listen_to(project, server, caller)?;
        let want = stream.wanted.want(uri)?;
        Some(Watched {
            want,
            _stream: stream,
        })
    }
}

/// Who a server is listened to for.
struct ListensFor {
    key: CallerKey,
    class: RuleClass,
    identity: Arc<dyn Identify>,
    conversation: Option<Conversation>,
}

/// Listens to a server until it turns out to announce nothing, or the user is no longer allowed.
async fn listen<P: Peers>(
    peers: Arc<P>,
    server: Arc<Server>,
    wanted: Arc<Wanted>,
    of: Option<SlotKey>,
    who: ListensFor,
) -> Listened {
    let alive = who.identity.alive();
    let caller = Caller {
        key: who.key,
        class: who.class,
        identity: &*who.identity,
        conversation: who.conversation.as_ref(),
    };
    let told = |news| match (news, of) {
        (News::List(kind), Some(whose)) => server.has_changed(kind, whose),
        (News::List(kind), None) => server.has_changed_for_all(kind),
        (what @ News::Resource(_), of) => server.changes.tell(Change { what, of }),
    };
    let mut pause = PAUSE;
    let mut missed = false;
    // A stream that serves all users is not of the one who opened it.
    while of.is_none() || alive() {
        let began = Instant::now();
        let ear = Ear {
            missed,
            wanted: &wanted,
            told: &told,
        };
        let listened = peers.listen(&server.upstream, caller, ear).await;
        match listened {
            Ok(Listened::Never) => return Listened::Never,
            // Changes until it is open again are not announced.
            Ok(Listened::Ended) => missed = true,
            Ok(Listened::Refused) => {}
            Err(why) => {
                tracing::debug!(server = server.slug(), %why, "a server is not listened to");
            }
        }
        if began.elapsed() >= LASTED {
            pause = PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Listened::Refused
}
