//! What servers have asked of clients and wait for: which questions are open, whose they are, and the answers to them.
//! Everything is bounded, by call, session, user and process; a question that is not answered in time is given up.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    caller::CallerKey,
    client_streams::ClientStreams,
    held::{HELD_MAX, HeldCalls, OF_USER_MAX as HELD_OF_USER_MAX},
    seals::{Nonce, Replica, Seals, SessionId},
    user_places::UserPlaces,
};
use crate::wire::id::RequestId;

/// How long a client may take for an answer: a person may have to read, type, or sign in elsewhere.
pub(super) const ANSWER_MAX: Duration = Duration::from_mins(10);
/// Questions of one call that are open at once.
pub(super) const OF_CALL_MAX: usize = 16;
/// Those of one session of a client.
const OF_SESSION_MAX: u32 = 64;
/// Those of one user.
const OF_USER_MAX: u32 = 128;
/// Those of the process.
const OPEN_MAX: usize = 20_000;
/// Sessions with servers that are listened to for one user, and in all: each is a connection.
const ASIDES_OF_USER_MAX: u32 = 64;
const ASIDES_MAX: u32 = 4_000;

/// What servers ask of the clients of this process.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) seals: Seals,
    /// Touched only where a server asks something, and where a client answers.
    open: Mutex<OpenQuestions>,
    /// Calls that wait for their client to come back with an answer.
    pub(super) held: HeldCalls,
    pub(super) held_places: Arc<UserPlaces>,
    /// Streams to clients.
    pub(super) streams: ClientStreams,
    /// Places for sessions with servers that are listened to for one client.
    pub(super) aside_places: Arc<UserPlaces>,
}

#[derive(Debug, Default)]
struct OpenQuestions {
    waiting: HashMap<Nonce, Waiting>,
    of_session: HashMap<SessionId, u32>,
    of_user: HashMap<CallerKey, u32>,
}

#[derive(Debug)]
struct Waiting {
    session: SessionId,
    caller: CallerKey,
    told: oneshot::Sender<Bytes>,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Who asked has it.
    Taken,
    /// The question was ours, and is no longer open: it was answered already, or given up.
    Late,
    /// Another replica asked it.
    Elsewhere(Replica, Nonce),
    /// Nothing with this id was asked in this session.
    Unknown,
}

/// A question that is open. When it is dropped, no one waits for the answer any more.
#[derive(Debug)]
pub(super) struct OpenQuestion {
    mailbox: Arc<Mailbox>,
    nonce: Nonce,
    /// The id under which the client knows it, JSON text.
    pub(super) id: String,
    told: oneshot::Receiver<Bytes>,
}

impl Mailbox {
    /// Nothing is asked yet.
    pub(crate) fn new(seals: Seals) -> Self {
        Self {
            seals,
            open: Mutex::default(),
            held: HeldCalls::default(),
            held_places: UserPlaces::new(HELD_OF_USER_MAX, HELD_MAX),
            streams: ClientStreams::default(),
            aside_places: UserPlaces::new(ASIDES_OF_USER_MAX, ASIDES_MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenQuestions> {
        // Single operations on maps leave them whole even where one of them panicked.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a question to the client of a session; nothing where too many are open.
    pub(super) fn ask(self: &Arc<Self>, session: SessionId, caller: CallerKey) -> Option<OpenQuestion> {
        let nonce = self.seals.nonce();
        let (told, answer) = oneshot::channel();
        let mut open = self.lock();
        let of_session = open.of_session.get(&session).copied().unwrap_or(0);
        let of_user = open.of_user.get(&caller).copied().unwrap_or(0);
        if of_session >= OF_SESSION_MAX || of_user >= OF_USER_MAX || open.waiting.len() >= OPEN_MAX {
            return None;
        }
        open.of_session.insert(session, of_session + 1);
        open.of_user.insert(caller, of_user + 1);
        let waiting = Waiting {
            session,
            caller,
            told,
        };
        open.waiting.insert(nonce, waiting);
        drop(open);
        Some(OpenQuestion {
            id: self.seals.question_id(session, nonce),
            mailbox: Arc::clone(self),
            nonce,
            told: answer,
        })
    }

    /// Whether the client of a session is asked something.
    pub(super) fn is_asking(&self, session: SessionId) -> bool {
        self.lock().of_session.contains_key(&session)
    }

    /// Takes the answer of a client, a response whose id is this JSON text, to whom it is for.
    pub(crate) fn answer(
        &self,
        session: SessionId,
        caller: CallerKey,
        id: &str,
        message: &Bytes,
    ) -> Delivered {
        let opened = match RequestId::from_json(id) {
            Some(RequestId::String(id)) => self.seals.open_question(session, &id),
            Some(RequestId::Integer(_)) | None => None,
        };
        match opened {
            None => Delivered::Unknown,
            Some((replica, nonce)) if replica != self.seals.replica => Delivered::Elsewhere(replica, nonce),
            Some((_, nonce)) => self.deliver(session, caller, nonce, message),
        }
    }

    /// The same for a question of this replica.
    pub(crate) fn deliver(
        &self,
        session: SessionId,
        caller: CallerKey,
        nonce: Nonce,
        message: &Bytes,
    ) -> Delivered {
        let mut open = self.lock();
        let is_theirs = (open.waiting.get(&nonce))
            .is_some_and(|waiting| waiting.session == session && waiting.caller == caller);
        let Some(waiting) = is_theirs.then(|| open.close(nonce)).flatten() else {
            return Delivered::Late;
        };
        drop(open);
        match waiting.told.send(message.clone()) {
            Ok(()) => Delivered::Taken,
            Err(_) => Delivered::Late,
        }
    }
}

impl OpenQuestions {
    fn close(&mut self, nonce: Nonce) -> Option<Waiting> {
        let waiting = self.waiting.remove(&nonce)?;
        give_back(&mut self.of_session, &waiting.session);
        give_back(&mut self.of_user, &waiting.caller);
        Some(waiting)
    }
}

/// Counts one less.
pub(super) fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl OpenQuestion {
    /// The answer of the client, a response; nothing where it takes too long.
    pub(super) async fn answer(&mut self) -> Option<Bytes> {
        let told = tokio::time::timeout(ANSWER_MAX, &mut self.told).await;
        told.ok()?.ok()
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        self.mailbox.lock().close(self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{
        clock::FixedClock,
        entropy::SeededEntropy,
        sealed::{Keyring, MasterKey},
    };

    use super::*;

    const SESSION: SessionId = [1; 16];

    fn mailbox(replica: u64) -> Arc<Mailbox> {
        let keyring = Keyring::new(vec![MasterKey::generate(&SeededEntropy::new(1))]).unwrap();
        let clock = Arc::new(FixedClock::at_seconds(1_000));
        let entropy = Arc::new(SeededEntropy::new(replica));
        Arc::new(Mailbox::new(Seals::new(keyring, clock, entropy)))
    }

    fn ada() -> CallerKey {
        CallerKey::known(1)
    }

    #[tokio::test]
    async fn an_answer_reaches_its_question_once_and_only_from_its_own_session_and_user() {
        let mailbox = mailbox(2);
        let mut question = mailbox.ask(SESSION, ada()).unwrap();
        let id = question.id.clone();
        let answer = Bytes::from_static(b"{}");
        let deliver = |session, caller, id: &str| mailbox.answer(session, caller, id, &answer);
        assert_eq!(deliver([2; 16], ada(), &id), Delivered::Unknown);
        assert_eq!(deliver(SESSION, CallerKey::known(2), &id), Delivered::Late);
        assert_eq!(deliver(SESSION, ada(), "1"), Delivered::Unknown);
        assert_eq!(deliver(SESSION, ada(), "\"v1.forged.id\""), Delivered::Unknown);
        assert_eq!(deliver(SESSION, ada(), &id), Delivered::Taken);
        assert_eq!(question.answer().await, Some(answer.clone()));
        assert_eq!(deliver(SESSION, ada(), &id), Delivered::Late, "it was answered");
    }

    #[tokio::test]
    async fn an_answer_to_a_question_of_another_replica_names_it() {
        let (here, there) = (mailbox(2), mailbox(3));
        let mut question = there.ask(SESSION, ada()).unwrap();
        let answer = Bytes::from_static(b"{}");
        let Delivered::Elsewhere(replica, nonce) = here.answer(SESSION, ada(), &question.id, &answer) else {
            panic!("it is of the other replica");
        };
        assert_eq!(replica, there.seals.replica);
        assert_eq!(there.deliver(SESSION, ada(), nonce, &answer), Delivered::Taken);
        assert_eq!(question.answer().await, Some(answer));
    }

    #[tokio::test(start_paused = true)]
    async fn open_questions_are_bounded_and_given_up() {
        let mailbox = mailbox(2);
        let mut open: Vec<_> = (0..OF_SESSION_MAX)
            .map(|_| mailbox.ask(SESSION, ada()).unwrap())
            .collect();
        assert!(mailbox.ask(SESSION, ada()).is_none());
        assert!(
            mailbox.ask([2; 16], ada()).is_some(),
            "another session has its own"
        );
        let mut last = open.pop().unwrap();
        assert_eq!(last.answer().await, None);
        drop(last);
        assert!(mailbox.ask(SESSION, ada()).is_some());
        drop(open);
        let state = mailbox.lock();
        assert!(state.waiting.is_empty() && state.of_session.is_empty() && state.of_user.is_empty());
    }

    #[test]
    fn the_open_questions_of_one_user_are_bounded_over_all_their_sessions() {
        let mailbox = mailbox(2);
        let sessions = (0_u8..).flat_map(|session| std::iter::repeat_n([session; 16], 50));
        let open: Vec<_> = sessions
            .map_while(|session| mailbox.ask(session, ada()))
            .collect();
        assert_eq!(open.len(), OF_USER_MAX as usize);
        assert!(mailbox.ask([200; 16], CallerKey::known(2)).is_some());
    }
}
