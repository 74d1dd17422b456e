//! Streams to clients with sessions that are open at this replica: where they are asked what a server asks outside of the
//! stream of a call. A stream that a client only listens to is preferred to that of a call (2025-11-25 basic/transports,
//! "Listening for Messages from the Server").

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{mailbox::Mailbox, seals::SessionId};

/// Messages that wait on one stream for its client to read them.
const WAITING_MAX: usize = 32;

/// What a stream to a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// The client listens.
    Listening,
    /// It waits for the answer to a call.
    Call,
}

/// The streams that are open.
#[derive(Default)]
pub(super) struct ClientStreams {
    open: Mutex<HashMap<SessionId, Vec<Open>>>,
    next: AtomicU64,
}

struct Open {
    number: u64,
    purpose: Purpose,
    tell: mpsc::Sender<Bytes>,
}

/// A stream to a client, for as long as it is open.
pub(crate) struct ClientStream {
    mailbox: Arc<Mailbox>,
    session: SessionId,
    number: u64,
    told: mpsc::Receiver<Bytes>,
}

impl fmt::Debug for ClientStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStreams").finish_non_exhaustive()
    }
}

impl ClientStreams {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Vec<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox {
    /// A stream to the client of a session is open from now on.
    pub(crate) fn open_stream(self: &Arc<Self>, session: SessionId, purpose: Purpose) -> ClientStream {
        let (tell, told) = mpsc::channel(WAITING_MAX);
        let number = self.streams.next.fetch_add(1, Ordering::Relaxed);
        let open = Open {
            number,
            purpose,
            tell,
        };
        let mut streams = self.streams.lock();
        let of_session = streams.entry(session).or_default();
        of_session.push(open);
        // The newest first: one that was left without a word is noticed late, and its client has opened another.
        of_session.sort_by_key(|open| (open.purpose, Reverse(open.number)));
        drop(streams);
        ClientStream {
            mailbox: Arc::clone(self),
            session,
            number,
            told,
        }
    }

    /// Sends a message on one of the streams of a session. Whether there is one.
    pub(super) fn tell(&self, session: SessionId, message: &Bytes) -> bool {
        let streams = self.streams.lock();
        let of_session = streams.get(&session).map(Vec::as_slice).unwrap_or_default();
        of_session
            .iter()
            .any(|open| open.tell.try_send(message.clone()).is_ok())
    }
}

impl ClientStream {
    /// Ready with the next message for the client.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        match self.told.poll_recv(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            // It stays open for as long as it is known here.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        let mut streams = self.mailbox.streams.lock();
        if let Some(of_session) = streams.get_mut(&self.session) {
            of_session.retain(|open| open.number != self.number);
            if of_session.is_empty() {
                streams.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use gatewright_domain::{
        clock::FixedClock,
        entropy::SeededEntropy,
        sealed::{Keyring, MasterKey},
    };

    use super::*;
    use crate::peer::seals::Seals;

    #[tokio::test]
    async fn the_newest_stream_that_listens_is_notified_before_older_ones_and_before_calls() {
        let keyring = Keyring::new(vec![MasterKey::generate(&SeededEntropy::new(1))]).unwrap();
        let clock = Arc::new(FixedClock::at_seconds(1_000));
        let seals = Seals::new(keyring, clock, Arc::new(SeededEntropy::new(2)));
        let mailbox = Arc::new(Mailbox::new(seals));
        let message = Bytes::from_static(b"{}");
        let session = [1; 16];
        let mut left = mailbox.open_stream(session, Purpose::Listening);
        let mut newest = mailbox.open_stream(session, Purpose::Listening);
        let mut call = mailbox.open_stream(session, Purpose::Call);
        assert!(mailbox.tell(session, &message));
        assert_eq!(poll_fn(|cx| newest.poll(cx)).await, message);
        poll_fn(|cx| {
            assert!(left.poll(cx).is_pending());
            assert!(call.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop((newest, left));
        assert!(mailbox.tell(session, &message));
        assert_eq!(poll_fn(|cx| call.poll(cx)).await, message);
    }
}
