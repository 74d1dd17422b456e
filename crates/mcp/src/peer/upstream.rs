//! One upstream server: how it is configured, and what is known about it. Everything here is shared by all gateways that
//! federate the server and survives changes of the configuration that do not concern it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use gatewright_domain::{Timestamp, server::IdentityForwarding};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE, USER_AGENT,
    },
};
use tokio::sync::Mutex;

use super::{
    about::About,
    caller::{Caller, CallerKey},
    config::UpstreamConfig,
    credentials::Credentials,
    http_sse::OverHttpSse,
    session::{SlotKey, UpstreamSessions},
    unavailable::Unavailable,
};
use crate::wire::{
    capabilities::Capabilities,
    version::{Era, ProtocolVersion},
};

mod faults;

/// The header that carries the signed identity assertion.
pub(super) const ASSERTION: HeaderName = HeaderName::from_static("gatewright-assertion");
/// After a server could not be used, lists leave it out this long without asking again, so that one dead server does not
/// make every list wait for its time limit. Each further failure doubles it, twice at most. Calls always ask.
const DOWN_FOR: Duration = Duration::from_secs(15);
const DOUBLED_AT_MOST: u32 = 2;

const UNKNOWN: u8 = 0;
const MODERN: u8 = 1;
const LEGACY: u8 = 2;

/// No set of capabilities has these bits.
const UNDECLARED: u16 = u16::MAX;

/// A server and what is known about it.
#[derive(Debug)]
pub struct Upstream {
    /// How it is called.
    pub config: UpstreamConfig,
    /// Sessions with it, while it uses a session-based revision.
    pub sessions: UpstreamSessions,
    base_headers: HeaderMap,
    era: AtomicU8,
    /// Whether it is reached over the HTTP+SSE transport of 2024-11-05.
    over_http_sse: AtomicBool,
    /// Whether the session that began last has no id.
    without_sessions: AtomicBool,
    /// What it called itself when its era was found out or a session began.
    about: ArcSwapOption<About>,
    /// What it declared last that it can do, as bits; [`UNDECLARED`] before it has.
    declared: AtomicU16,
    declared_at: AtomicI64,
    /// Until when it counts as one that says nothing to `server/discover`.
    silent_until: AtomicI64,
    /// Held while the era is found out, so that a hundred first requests probe once. Never taken once it is known.
    pub(super) probing: Mutex<()>,
    down_until: AtomicI64,
    failed_at: AtomicI64,
    /// Failures in a row, each after the pause that the one before brought.
    streak: AtomicU32,
    last_failure: ArcSwapOption<Unavailable>,
    /// Failures noted so far: who waited for another request's attempt sees whether it failed.
    failures: AtomicU64,
}

impl Upstream {
    /// A server of which nothing is known yet.
    pub fn new(config: UpstreamConfig) -> Self {
        let mut base_headers = HeaderMap::with_capacity(config.headers.len() + 10);
        for (name, value) in &config.headers {
            base_headers.append(name.clone(), value.clone());
        }
        for name in [
            HOST,
            CONTENT_LENGTH,
            TRANSFER_ENCODING,
            CONNECTION,
            TE,
            TRAILER,
            UPGRADE,
            ACCEPT_ENCODING,
        ] {
            base_headers.remove(name);
        }
        let protocol: Vec<HeaderName> = base_headers
            .keys()
            .filter(|name| name.as_str().starts_with("mcp-"))
            .cloned()
            .collect();
        for name in protocol {
            base_headers.remove(name);
        }
        // Ours come last: an administrator's header never replaces what the protocol needs.
        base_headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        base_headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        base_headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!(
                "gatewright/",
                env!("CARGO_PKG_VERSION")
            )));
        base_headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        base_headers.remove(ASSERTION);
        Self {
            config,
            sessions: UpstreamSessions::default(),
            base_headers,
            era: AtomicU8::new(UNKNOWN),
            over_http_sse: AtomicBool::new(false),
            without_sessions: AtomicBool::new(false),
            about: ArcSwapOption::empty(),
            declared: AtomicU16::new(UNDECLARED),
            declared_at: AtomicI64::new(0),
            silent_until: AtomicI64::new(0),
            probing: Mutex::new(()),
            down_until: AtomicI64::new(0),
            failed_at: AtomicI64::new(0),
            streak: AtomicU32::new(0),
            last_failure: ArcSwapOption::empty(),
            failures: AtomicU64::new(0),
        }
    }

    /// Its slug.
    pub fn slug(&self) -> &str {
        &self.config.slug
    }

    /// The era, when it is known.
    pub fn era(&self) -> Option<Era> {
        match self.era.load(Ordering::Acquire) {
            MODERN => Some(Era::Modern),
            LEGACY => Some(Era::Legacy),
            _ => None,
        }
    }

    /// Whether it is reached over the HTTP+SSE transport of 2024-11-05, which is deprecated.
    pub fn is_over_http_sse(&self) -> bool {
        self.over_http_sse.load(Ordering::Acquire)
    }

    /// Notes whether it is.
    pub(super) fn set_over_http_sse(&self, is_over_http_sse: bool) {
        self.over_http_sse.store(is_over_http_sse, Ordering::Release);
    }

    /// The name reported by the server, once it has.
    pub fn about(&self) -> Option<Arc<About>> {
        self.about.load_full()
    }

    /// Records the name that it reports.
    pub(super) fn note_about(&self, about: About) {
        self.about.store(Some(Arc::new(about)));
    }

    /// What it said last, if everyone may read it: a server that learns who its users are may say something about one of
    /// them, unless it declares what it says as public.
    pub(crate) fn about_for_all(&self) -> Option<Arc<About>> {
        self.about()
            .filter(|about| about.is_public || !self.knows_users())
    }

    /// The capabilities it declared last, if it has. They can differ between users; these were declared to any of them.
    pub(crate) fn declared(&self) -> Option<Capabilities> {
        let bits = self.declared.load(Ordering::Acquire);
        (bits != UNDECLARED).then(|| Capabilities::from_bits(bits))
    }

    /// When it was asked for that last.
    pub(super) fn declared_at(&self) -> Timestamp {
        Timestamp::from_millis(self.declared_at.load(Ordering::Acquire))
    }

    /// Records that it is asked what it declares.
    pub(super) fn note_asked(&self, now: Timestamp) {
        self.declared_at.store(now.as_millis(), Ordering::Release);
    }

    /// Whether it said nothing to `server/discover` a while ago.
    pub(super) fn was_silent(&self, now: Timestamp) -> bool {
        now.as_millis() < self.silent_until.load(Ordering::Acquire)
    }

    /// Notes that it says nothing to it.
    pub(super) fn note_silence(&self, until: Timestamp) {
        self.silent_until.store(until.as_millis(), Ordering::Release);
    }

    /// Notes what it declares.
    pub(super) fn note_declared(&self, capabilities: Capabilities, now: Timestamp) {
        self.declared_at.store(now.as_millis(), Ordering::Release);
        self.declared.store(capabilities.bits(), Ordering::Release);
    }

    /// Notes the era.
    pub(super) fn set_era(&self, era: Era) {
        let value = match era {
            Era::Modern => MODERN,
            Era::Legacy => LEGACY,
        };
        self.era.store(value, Ordering::Release);
    }

    /// Forgets the era `was`, because an answer contradicts it: the next request finds it out again.
    pub(super) fn forget_era(&self, was: Era) {
        let value = match was {
            Era::Modern => MODERN,
            Era::Legacy => LEGACY,
        };
        // Another request may have detected the new one already.
        let _ = self
            .era
            .compare_exchange(value, UNKNOWN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Notes that the server could not be used.
    pub(crate) fn note_failure(&self, why: &Unavailable, now: Timestamp) {
        self.last_failure.store(Some(Arc::new(why.clone())));
        // Those who failed together, or in the pause, are one failure.
        let streak = if now.as_millis() < self.down_until.load(Ordering::Acquire) {
            self.streak.load(Ordering::Acquire)
        } else {
            self.streak.fetch_add(1, Ordering::AcqRel).saturating_add(1)
        };
        let doubled = streak.saturating_sub(1).min(DOUBLED_AT_MOST);
        self.failed_at.store(now.as_millis(), Ordering::Release);
        self.down_until.store(
            now.plus(DOWN_FOR * 2_u32.pow(doubled)).as_millis(),
            Ordering::Release,
        );
        self.failures.fetch_add(1, Ordering::AcqRel);
    }

    /// Records an answer that shows that the server cannot be used. One that may be about a single user, or about what the
    /// gateway is allowed, says nothing for others.
    pub(super) fn note_refusal(&self, why: &Unavailable, now: Timestamp) {
        if !self.knows_users()
            && !matches!(
                why,
                Unavailable::Refused { .. } | Unavailable::ConnectFirst { .. }
            )
        {
            self.note_failure(why, now);
        }
    }

    /// How many failures were noted so far.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// The failure recorded since there were `before` of them, unless the server has answered since.
    pub(super) fn failed_since(&self, before: u64) -> Option<Unavailable> {
        if self.failures() == before {
            return None;
        }
        self.last_failure.load().as_deref().cloned()
    }

    /// Notes that the server answered.
    pub(crate) fn note_success(&self) {
        if self.down_until.load(Ordering::Acquire) != 0 {
            self.down_until.store(0, Ordering::Release);
            self.streak.store(0, Ordering::Release);
            self.last_failure.store(None);
        }
    }

    /// Why the server was unusable a moment ago.
    pub fn failure(&self, now: Timestamp) -> Option<Arc<Unavailable>> {
        if now.as_millis() < self.down_until.load(Ordering::Acquire) {
            self.last_failure.load_full()
        } else {
            None
        }
    }

    /// When the server was last unusable and why, unless it has answered since.
    pub(crate) fn last_failure(&self) -> Option<(Timestamp, Arc<Unavailable>)> {
        let why = self.last_failure.load_full()?;
        let at = self.failed_at.load(Ordering::Acquire);
        Some((Timestamp::from_millis(at), why))
    }

    /// A request to the server: its custom headers, the protocol's, and the user's credentials if it gets them.
    /// Nothing of the client's own headers is in it.
    pub(crate) async fn request<B: Send>(
        &self,
        method: Method,
        caller: Caller<'_>,
        body: B,
    ) -> Result<Request<B>, Unavailable> {
        let mut request = self.bare_request(method, body);
        self.credentials(caller).await?.write(request.headers_mut());
        Ok(request)
    }

    /// The same without the user's credentials.
    pub(super) fn bare_request<B>(&self, method: Method, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.config.url.clone();
        *request.headers_mut() = self.base_headers.clone();
        if self.is_over_http_sse() {
            request.extensions_mut().insert(OverHttpSse(self.config.project));
        }
        request
    }

    /// The user's credentials for this server, if it gets any. A server that has to learn who the user is, is not
    /// called without.
    pub(super) async fn credentials(&self, caller: Caller<'_>) -> Result<Credentials, Unavailable> {
        match self.config.identity {
            IdentityForwarding::None => Ok(Credentials::default()),
            IdentityForwarding::Assertion => {
                let granted = caller.identity.credentials(&self.config).await;
                granted.map_err(|why| why.at(&self.config))
            }
        }
    }

    /// The version of the session of a user, if there is one.
    pub(crate) fn session_version(&self, caller: CallerKey) -> Option<ProtocolVersion> {
        self.sessions.slot(caller).get().map(|session| session.version)
    }

    /// Whether it may keep a state for a conversation: it does not say that it is stateless.
    pub(crate) fn may_keep_state(&self) -> bool {
        self.era() != Some(Era::Modern) && !self.without_sessions.load(Ordering::Acquire)
    }

    /// Notes whether its sessions have ids. Without one it keeps no state.
    pub(super) fn note_sessions(&self, have_ids: bool) {
        self.without_sessions.store(!have_ids, Ordering::Release);
    }

    /// To whom the lists and announcements of the server in a session belong: that of the conversation, whose state may
    /// be in it; of a server that keeps no state, the user's.
    pub(crate) fn whose(&self, slot: SlotKey) -> SlotKey {
        if self.may_keep_state() {
            slot
        } else {
            slot.caller().into()
        }
    }

    /// Whether its lists can differ between users: it learns who they are.
    pub fn knows_users(&self) -> bool {
        self.config.identity == IdentityForwarding::Assertion
    }
}
