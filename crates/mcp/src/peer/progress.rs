//! What a server with sessions sends of calls on the stream it is listened to with, and not on that of the call: progress, whose
//! token says which call it is of (2025-11-25 basic/utilities/progress), and questions and log messages, which do not say it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::session::UpstreamSession;

/// Messages that wait for one call; any more are dropped, because the next one says more.
const WAITING_MAX: usize = 16;

/// The calls of one session that want what is sent elsewhere, by the ids the server knows them by, which are their tokens too.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<HashMap<u64, Call>>);

#[derive(Debug)]
struct Call {
    sender: mpsc::Sender<Bytes>,
    takes: Takes,
}

/// What a call takes of what does not say which call it is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takes {
    /// Questions: its client is asked with its answer, because it does not have its own session.
    pub(super) questions: bool,
    /// Log messages: its client wants some.
    pub(super) logs: bool,
}

impl Calls {
    // Held for single operations on the map only.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a message on to the call with this token, JSON text.
    pub(super) fn report(&self, token: &str, message: &Bytes) {
        let Ok(id) = token.parse() else { return };
        if let Some(call) = self.lock().get(&id) {
            let _ = call.sender.try_send(message.clone());
        }
    }

    /// Passes a question on to the only call that runs. If there are more or none, it is not known which of them the
    /// question is of, and that number is returned.
    pub(super) fn ask(&self, message: &Bytes) -> Result<(), usize> {
        self.only(|takes| takes.questions, message)
    }

    /// Passes a log message on to the call it is certainly of, if there is one.
    pub(super) fn log(&self, message: &Bytes) {
        let _ = self.only(|takes| takes.logs, message);
    }

    fn only(&self, takes: impl Fn(Takes) -> bool, message: &Bytes) -> Result<(), usize> {
        let calls = self.lock();
        let mut found = calls.values().filter(|call| takes(call.takes));
        match (found.next(), found.count()) {
            (Some(call), 0) => call.sender.try_send(message.clone()).map_err(|_| 0),
            (Some(_), others) => Err(others + 1),
            (None, _) => Err(0),
        }
    }
}

/// What is reported of one call elsewhere, until it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    session: Arc<UpstreamSession>,
    id: u64,
    messages: mpsc::Receiver<Bytes>,
}

impl Progress {
    /// Of a call of a session with this id.
    pub(super) fn of(session: &Arc<UpstreamSession>, id: u64, takes: Takes) -> Self {
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        let call = Call { sender, takes };
        session.calls.lock().insert(id, call);
        Self {
            session: Arc::clone(session),
            id,
            messages,
        }
    }

    /// Ready with the next message.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        match self.messages.poll_recv(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            // The sender is in the session for as long as this is.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.session.calls.lock().remove(&self.id);
    }
}
