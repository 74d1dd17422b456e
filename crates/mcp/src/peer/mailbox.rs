//! What servers have asked of clients and wait for: which questions are open, whose they are, and the answers to them.
//! Everything is bounded, by call, session, user, project and process; a question that is not answered in time is dropped.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::id::ProjectId;
use tokio::sync::oneshot;

use super::{
    begun_tasks::BegunTasks,
    caller::CallerKey,
    client_streams::ClientStreams,
    held::HeldCalls,
    places::{Bounds, Place, Places},
    seals::{Nonce, Replica, Seals, SessionId},
};
use crate::wire::id::RequestId;

/// How long a client can take for an answer: a person may have to read, enter something, or sign in elsewhere.
pub(super) const ANSWER_MAX: Duration = Duration::from_mins(10);
/// Questions of one call that can be open at the same time.
pub(super) const OF_CALL_MAX: usize = 16;
/// Those of one session of a client.
const OF_SESSION_MAX: u32 = 64;

/// What servers ask of the clients of this process.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) seals: Seals,
    /// Touched only if a server asks something, and when a client answers.
    open: Mutex<OpenQuestions>,
    /// Calls that wait for their client to come back with an answer.
    pub(super) held: HeldCalls,
    pub(super) held_places: Arc<Places>,
    /// Streams to clients.
    pub(super) streams: ClientStreams,
    /// Places for sessions with servers that are listened to for one client.
    pub(super) aside_places: Arc<Places>,
    /// Places for letters to other replicas.
    pub(crate) letter_places: Arc<Places>,
    /// Places for open questions.
    question_places: Arc<Places>,
    /// Tasks of users.
    pub(crate) tasks: BegunTasks,
}

#[derive(Debug, Default)]
struct OpenQuestions {
    waiting: HashMap<Nonce, Waiting>,
    of_session: HashMap<SessionId, u32>,
}

#[derive(Debug)]
struct Waiting {
    session: SessionId,
    caller: CallerKey,
    told: oneshot::Sender<Bytes>,
    _place: Place,
}

/// The outcome of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Who asked has it.
    Taken,
    /// The question was ours, and is no longer open: it was answered already, or dropped.
    Late,
    /// Another replica asked it.
    Elsewhere(Replica, Nonce),
    /// Nothing with this id was asked in this session.
    Unknown,
}

/// A question that is open. When it is dropped, the answer is no longer waited for.
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
            held_places: Arc::new(Places::new(Bounds::HELD)),
            streams: ClientStreams::default(),
            aside_places: Arc::new(Places::new(Bounds::ASIDES)),
            letter_places: Arc::new(Places::new(Bounds::LETTERS)),
            question_places: Arc::new(Places::new(Bounds::QUESTIONS)),
            tasks: BegunTasks::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenQuestions> {
        // Single operations on maps leave them whole even if one of them panicked.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a question to the client of a session; `None` if too many are open.
    pub(super) fn ask(
        self: &Arc<Self>,
        session: SessionId,
        project: ProjectId,
        caller: CallerKey,
    ) -> Option<OpenQuestion> {
        let nonce = self.seals.nonce();
        let (told, answer) = oneshot::channel();
        let mut open = self.lock();
        let of_session = open.of_session.get(&session).copied().unwrap_or(0);
        if of_session >= OF_SESSION_MAX {
            return None;
        }
        let place = self.question_places.take(project, caller)?;
        open.of_session.insert(session, of_session + 1);
        let waiting = Waiting {
            session,
            caller,
            told,
            _place: place,
        };
        open.waiting.insert(nonce, waiting);
        drop(open);
        Some(OpenQuestion {
            id: self
                .seals
                .question_id(session, nonce, self.seals.now().plus(ANSWER_MAX)),
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
            // No replica waits for it any more.
            Some((.., expires)) if expires <= self.seals.now() => Delivered::Late,
            Some((replica, nonce, _)) if replica != self.seals.replica => {
                Delivered::Elsewhere(replica, nonce)
            }
            Some((_, nonce, _)) => self.deliver(session, caller, nonce, message),
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
        Some(waiting)
    }
}

/// Counts one less.
fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl OpenQuestion {
    /// The answer of the client, a response; `None` if it takes too long.
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

    fn project() -> ProjectId {
        ProjectId::generate(&FixedClock::at_seconds(1_000), &SeededEntropy::new(9))
    }

    fn ada() -> CallerKey {
        CallerKey::known(1)
    }

    #[tokio::test]
    async fn an_answer_reaches_its_question_once_and_only_from_its_own_session_and_user() {
        let mailbox = mailbox(2);
        let mut question = mailbox.ask(SESSION, project(), ada()).unwrap();
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
        let mut question = there.ask(SESSION, project(), ada()).unwrap();
        let answer = Bytes::from_static(b"{}");
        let Delivered::Elsewhere(replica, nonce) = here.answer(SESSION, ada(), &question.id, &answer) else {
            panic!("it is of the other replica");
        };
        assert_eq!(replica, there.seals.replica);
        assert_eq!(there.deliver(SESSION, ada(), nonce, &answer), Delivered::Taken);
        assert_eq!(question.answer().await, Some(answer));
    }

    #[tokio::test(start_paused = true)]
    async fn open_questions_are_bounded_and_dropped() {
        let mailbox = mailbox(2);
        let mut open: Vec<_> = (0..OF_SESSION_MAX)
            .map(|_| mailbox.ask(SESSION, project(), ada()).unwrap())
            .collect();
        assert!(mailbox.ask(SESSION, project(), ada()).is_none());
        assert!(
            mailbox.ask([2; 16], project(), ada()).is_some(),
            "another session has its own"
        );
        let mut last = open.pop().unwrap();
        assert_eq!(last.answer().await, None);
        drop(last);
        assert!(mailbox.ask(SESSION, project(), ada()).is_some());
        drop(open);
        let state = mailbox.lock();
        assert!(state.waiting.is_empty() && state.of_session.is_empty());
    }

    #[test]
    fn users_that_a_project_invents_leave_places_to_other_projects() {
        let mailbox = mailbox(2);
        let users = (10_u64..).flat_map(|user| std::iter::repeat_n(user, 100));
        let open: Vec<_> = users
            .map_while(|user| {
                let session = u128::from(user).to_be_bytes();
                mailbox
                    .ask(session, project(), CallerKey::known(user))
                    .or_else(|| {
                        let next = u128::from(user + 1_000_000).to_be_bytes();
                        mailbox.ask(next, project(), CallerKey::known(user))
                    })
            })
            .collect();
        assert_eq!(open.len(), Bounds::QUESTIONS.of_project);
        let other = ProjectId::generate(&FixedClock::at_seconds(1_000), &SeededEntropy::new(10));
        assert!(mailbox.ask(SESSION, other, ada()).is_some());
    }

    #[test]
    fn the_open_questions_of_one_user_are_bounded_over_all_their_sessions() {
        let mailbox = mailbox(2);
        let sessions = (0_u8..).flat_map(|session| std::iter::repeat_n([session; 16], 50));
        let open: Vec<_> = sessions
            .map_while(|session| mailbox.ask(session, project(), ada()))
            .collect();
        assert_eq!(open.len(), Bounds::QUESTIONS.of_user);
        assert!(mailbox.ask([200; 16], project(), CallerKey::known(2)).is_some());
    }
}
