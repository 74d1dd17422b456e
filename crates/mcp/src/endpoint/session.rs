//! Sessions of clients of the revisions before 2026-07-28 (2025-11-25 basic/transports, session management). The session
//! id is sealed, so any replica can open it; what is kept in memory is only what runs on this one: calls that can be
//! cancelled, and tombstones of sessions that were ended here or, as the other replicas tell, elsewhere.

mod ending;
mod notes;
mod running;
mod wishes;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::{
    Clock, Entropy, Timestamp, entropy,
    id::GatewayId,
    sealed::{Keyring, Purpose},
    stored_secret::SealedText,
};
use http::HeaderValue;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::{
    peer::{
        caller::{CallerKey, Conversation},
        seals::SessionId,
    },
    wire::{
        question::{ClientCapabilities, passed_on},
        scan::Span,
        version::ProtocolVersion,
    },
};

pub use ending::Ending;
pub(super) use notes::Note;
pub use notes::SessionNote;
pub use running::Running;
use wishes::Wishes;

/// A session ends after this long whatever happens: clients on a desktop keep one for weeks, and most do not recover
/// from losing it. Tombstones are kept as long.
const LIFE: Duration = Duration::from_hours(30 * 24);
/// Sessions opened lately, so that not every request unseals its id. Some 500 bytes each.
const OPENED_MAX: u64 = 20_000;
/// Tombstones in memory, sixteen bytes and a time each.
const TOMBSTONES_MAX: u64 = 200_000;
/// Calls of one session that run at once and can be cancelled by id.
const RUNNING_MAX: usize = 256;
/// Streams that listen within one session at once.
const LISTENING_MAX: u32 = 16;
/// Streams of one user that listen at once, in all their sessions.
const USER_LISTENING_MAX: u32 = 64;
/// Capabilities longer than this are left out, because the id travels in a header of every request.
const CAPABILITIES_MAX: usize = 1_024;
/// No id of ours is longer.
const ID_MAX: usize = 4_096;

/// What a session id holds, sealed.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    /// The session's own id, sixteen random bytes.
    s: [u8; 16],
    /// Whose it is.
    p: [u8; 16],
    /// The protocol version agreed on.
    v: &'a str,
    /// When it began, in seconds.
    t: i64,
    /// What the client can do.
    #[serde(borrow)]
    c: &'a RawValue,
}

/// A client's session.
#[derive(Debug)]
pub struct Session {
    id: [u8; 16],
    gateway_id: GatewayId,
    caller: [u8; 16],
    /// The version agreed on at `initialize`.
    pub version: ProtocolVersion,
    /// Of the client's capabilities what servers are told, a JSON object.
    pub capabilities: Box<str>,
    /// What servers can ask the client.
    pub(super) can: ClientCapabilities,
    /// Whose sessions with servers it has.
    pub(super) conversation: Conversation,
    ends_at: Timestamp,
    /// Calls that run, by the client's request id as JSON text, written in one way only. Held for single operations on the map only.
    running: Mutex<HashMap<Bytes, (u64, CancellationToken)>>,
    /// Tells calls apart that came with one id.
    next_call: AtomicU64,
    /// Streams that listen.
    listening: AtomicU32,
    /// What the client wants.
    pub(super) wishes: Wishes,
}

/// There is no such session, or it is not this caller's: HTTP 404, the client begins another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such session")]
pub struct UnknownSession;

/// All client sessions of the process.
#[derive(Debug)]
pub struct Sessions {
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    opened: Cache<Box<str>, Arc<Session>>,
    ended: Cache<[u8; 16], ()>,
    /// Streams that listen, by user. Touched only when one begins or ends.
    listening: Arc<Mutex<HashMap<[u8; 16], u32>>>,
}

impl Sessions {
    /// No session yet.
    pub fn new(keyring: Keyring, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            keyring,
            clock,
            entropy,
            opened: Cache::new(OPENED_MAX),
            ended: Cache::builder()
                .max_capacity(TOMBSTONES_MAX)
                .time_to_live(LIFE)
                .build(),
            listening: Arc::default(),
        }
    }

    /// Begins a session; gives the value of `Mcp-Session-Id`. `capabilities` are the client's, a JSON object, of which only
    /// those are kept that servers are told.
    pub fn begin(
        &self,
        gateway_id: GatewayId,
        caller: CallerKey,
        version: ProtocolVersion,
        capabilities: Option<&str>,
    ) -> HeaderValue {
        let capabilities = capabilities
            .map(|text| passed_on(text.as_bytes()))
            .filter(|text| text.len() <= CAPABILITIES_MAX)
            .and_then(|text| RawValue::from_string(text).ok())
            .unwrap_or_else(|| RawValue::from_string("{}".to_owned()).expect("an empty object is JSON"));
        let sealed = Sealed {
            s: entropy::bytes(self.entropy.as_ref()),
            p: *caller.as_bytes(),
            v: version.as_str(),
            t: self.clock.now().as_seconds(),
            c: &capabilities,
        };
        let plain = serde_json::to_vec(&sealed).expect("numbers, texts and JSON serialize");
        let context = gateway_id.to_string();
        let text = self
            .keyring
            .seal(self.entropy.as_ref(), Purpose::McpSession, &context, &plain);
        // Its first request here finds it, and asks no one what its client wanted before.
        if let Some(session) = Session::of(&sealed, gateway_id) {
            self.opened.insert(text.0.as_str().into(), Arc::new(session));
        }
        HeaderValue::from_str(&text.0).expect("sealed text is letters, digits, dots, dashes and underscores")
    }

    /// The session of an id, when it is this caller's at this gateway and has not ended.
    pub fn open(
        &self,
        id: &str,
        gateway_id: GatewayId,
        caller: CallerKey,
    ) -> Result<Arc<Session>, UnknownSession> {
        if id.len() > ID_MAX {
            return Err(UnknownSession);
        }
        let session = match self.opened.get(id) {
            Some(session) => session,
            None => self.unseal(id, gateway_id)?,
        };
        let good = session.gateway_id == gateway_id
            && session.caller == *caller.as_bytes()
            && session.ends_at > self.clock.now()
            && !self.ended.contains_key(&session.id);
        if good { Ok(session) } else { Err(UnknownSession) }
    }

    /// Ends a session (HTTP DELETE): its id is unknown from now on, and its running calls are cancelled.
    pub fn end(&self, session: &Session) {
        self.ended.insert(session.id, ());
        session.wishes.subscribed.clear();
        let running = std::mem::take(&mut *session.lock());
        for (_, token) in running.into_values() {
            token.cancel();
        }
    }

    /// Whether a session has been ended, as far as this replica knows.
    pub fn has_ended(&self, session: &Session) -> bool {
        self.ended.contains_key(&session.id) || session.ends_at <= self.clock.now()
    }

    /// Takes a place among the streams that listen, given back when it is dropped; `None` when there are too many.
    pub fn listen(&self, session: &Arc<Session>) -> Option<Place> {
        let mut users = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = users.get(&session.caller).copied().unwrap_or(0);
        if of_user >= USER_LISTENING_MAX || session.listening.load(Ordering::Acquire) >= LISTENING_MAX {
            return None;
        }
        users.insert(session.caller, of_user + 1);
        session.listening.fetch_add(1, Ordering::AcqRel);
        Some(Place {
            caller: session.caller,
            session: Some(Arc::clone(session)),
            users: Arc::clone(&self.listening),
        })
    }

    /// The same for a user without a session.
    pub fn listen_alone(&self, caller: CallerKey) -> Option<Place> {
        let caller = *caller.as_bytes();
        let mut users = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = users.get(&caller).copied().unwrap_or(0);
        if of_user >= USER_LISTENING_MAX {
            return None;
        }
        users.insert(caller, of_user + 1);
        Some(Place {
            caller,
            session: None,
            users: Arc::clone(&self.listening),
        })
    }

    fn unseal(&self, id: &str, gateway_id: GatewayId) -> Result<Arc<Session>, UnknownSession> {
        let context = gateway_id.to_string();
        let plain = self
            .keyring
            .open(Purpose::McpSession, &context, &SealedText(id.to_owned()))
            .map_err(|_| UnknownSession)?;
        let sealed: Sealed<'_> = serde_json::from_slice(&plain).map_err(|_| UnknownSession)?;
        let session = Session::of(&sealed, gateway_id).ok_or(UnknownSession)?;
        // Two first requests at once must end up with one session, or a cancellation would miss its call.
        Ok(self.opened.get_with(id.into(), || Arc::new(session)))
    }
}

impl Session {
    /// The session that an id holds; nothing where its version is unknown.
    fn of(sealed: &Sealed<'_>, gateway_id: GatewayId) -> Option<Self> {
        let version = ProtocolVersion::parse(sealed.v)?;
        let can = ClientCapabilities::read(sealed.c.get().as_bytes(), Span::new(0, sealed.c.get().len()));
        Some(Self {
            id: sealed.s,
            gateway_id,
            caller: sealed.p,
            version,
            can,
            capabilities: sealed.c.get().into(),
            conversation: Conversation {
                key: sealed.s,
                declares: sealed.c.get().into(),
                is_heard_aside: !can.is_empty(),
            },
            ends_at: Timestamp::from_seconds(sealed.t).plus(LIFE),
            running: Mutex::default(),
            next_call: AtomicU64::new(0),
            listening: AtomicU32::new(0),
            wishes: Wishes::default(),
        })
    }

    /// Whose it is.
    pub(super) const fn caller_key(&self) -> CallerKey {
        CallerKey::from_bytes(self.caller)
    }

    /// Tells sessions apart.
    pub(super) const fn key(&self) -> SessionId {
        self.id
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Bytes, (u64, CancellationToken)>> {
        // Single operations on a map leave it whole even where one of them panicked.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call that runs; it is forgotten when the value is dropped. With too many at once it runs all the same
    /// and only cannot be cancelled by id.
    pub fn run(self: &Arc<Self>, request_id: Bytes) -> Running {
        let token = CancellationToken::new();
        let number = self.next_call.fetch_add(1, Ordering::Relaxed);
        let mut running = self.lock();
        if running.len() < RUNNING_MAX {
            running.insert(request_id.clone(), (number, token.clone()));
        }
        drop(running);
        Running {
            session: Arc::clone(self),
            request_id,
            number,
            token,
        }
    }

    /// Cancels a running call (`notifications/cancelled`); unknown ids are ignored, as the standard asks. Returns whether it
    /// runs here.
    pub fn cancel(&self, request_id: &[u8]) -> bool {
        let token = self.lock().remove(request_id);
        token.inspect(|(_, token)| token.cancel()).is_some()
    }
}

/// The place of a stream that listens.
#[derive(Debug)]
pub struct Place {
    caller: [u8; 16],
    session: Option<Arc<Session>>,
    users: Arc<Mutex<HashMap<[u8; 16], u32>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &self.session {
            session.listening.fetch_sub(1, Ordering::AcqRel);
        }
        if let Some(count) = users.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests;
