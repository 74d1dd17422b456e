//! Calls to servers with sessions that wait for their stateless client: the server asked something, the client received an
//! `input_required` result, and the call continues with the retry (2026-07-28 basic/patterns/mrtr). Each is an open
//! connection to its server, so they are bounded in number, by user and in all, in time, and in what they hold.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

use super::{
    caller::{Alive, CallerKey},
    mailbox::Mailbox,
    seals::Nonce,
};
use crate::wire::{envelope::Request, log_level::Logs};

/// How long a call is held.
pub(super) const HELD_FOR: Duration = Duration::from_mins(10);
/// Bytes of a server that came after its question and are held with the call.
pub(super) const BEHIND_MAX: usize = 64 * 1024;

/// A client that comes back to its call.
pub(crate) struct Retry<'a> {
    pub(crate) mailbox: &'a Mailbox,
    /// Whose it is.
    pub(crate) caller: CallerKey,
    /// Its request.
    pub(crate) request: &'a Request<'a>,
    /// Which log messages it wants.
    pub(crate) logs: Logs,
    /// Tells whether its user is still allowed; if another replica has asked them, the call itself knows its user.
    pub(crate) alive: Option<Alive>,
}

/// The calls that are held.
#[derive(Default)]
pub(crate) struct HeldCalls(Mutex<Held>);

#[derive(Default)]
struct Held {
    calls: HashMap<Nonce, HeldCall>,
}

struct HeldCall {
    caller: CallerKey,
    /// The answer of the server as far as it was read, whatever it is read from.
    answer: Box<dyn Any + Send>,
    expiry: AbortHandle,
}

impl std::fmt::Debug for HeldCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldCalls").finish_non_exhaustive()
    }
}

impl HeldCalls {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox {
    /// Holds a call, whose answer has a place, until it is taken or this time has come. Dropping the answer ends the call.
    pub(super) fn hold(
        self: &Arc<Self>,
        (nonce, caller, until): (Nonce, CallerKey, Instant),
        answer: Box<dyn Any + Send>,
    ) {
        let mailbox: Weak<Self> = Arc::downgrade(self);
        // A separate task, because nothing polls a call that is held. There is one for each held call.
        let expiry = tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            let expired = mailbox
                .upgrade()
                .and_then(|mailbox| mailbox.held.lock().calls.remove(&nonce));
            // Not while the lock is held: the answer returns its place.
            drop(expired);
        });
        let call = HeldCall {
            caller,
            answer,
            expiry: expiry.abort_handle(),
        };
        self.held.lock().calls.insert(nonce, call);
    }

    /// The call of a user that is held, which is held no longer.
    pub(super) fn take_held(&self, nonce: Nonce, caller: CallerKey) -> Option<Box<dyn Any + Send>> {
        let mut held = self.held.lock();
        let is_theirs = held.calls.get(&nonce).is_some_and(|call| call.caller == caller);
        let call = is_theirs.then(|| held.calls.remove(&nonce)).flatten()?;
        drop(held);
        call.expiry.abort();
        Some(call.answer)
    }
}
