//! How sessions with a server begin (2025-11-25 basic/lifecycle).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;

use super::{
    about::{About, CLIENT_INFO},
    back::Back,
    caller::Caller,
    era::{offered_versions, text_member},
    exchange::SMALL_ANSWER,
    net::Net,
    session::{UpstreamSession, session_headers},
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    whole::read_rest,
};
use crate::wire::{
    capabilities::Capabilities,
    envelope::{self, Limits, Message, Outcome},
    headers,
    id::RequestId,
    jsonrpc,
    version::{Era, ProtocolVersion},
};

/// How long the answer to `notifications/initialized` is waited for; it has no content.
const NOTICE_DEADLINE: Duration = Duration::from_secs(5);

/// What `initialize` led to.
enum Begun {
    Session(Box<UpstreamSession>),
    /// It refused the version and named these.
    Offers(Vec<ProtocolVersion>),
    /// It refused in the words of the stateless era.
    Modern,
}

/// Why no session began.
pub(super) enum NoSession {
    /// The server supports the stateless era after all.
    Modern,
    Unavailable(Unavailable),
}

impl From<Unavailable> for NoSession {
    fn from(why: Unavailable) -> Self {
        Self::Unavailable(why)
    }
}

impl<T: Transport> Net<T> {
    /// The session of a conversation with a server; begins one if there is none.
    pub(super) async fn session(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Arc<UpstreamSession>, Unavailable> {
        let slot = upstream.sessions.slot(caller.slot());
        if let Some(session) = slot.get() {
            return Ok(session);
        }
        // Boxed because it is rare and large.
        match Box::pin(self.begin(upstream, caller, None)).await {
            Ok(session) => Ok(session),
            Err(NoSession::Unavailable(why)) => {
                // A server that was updated may no longer have the older transport.
                if upstream.is_over_http_sse() && matches!(why, Unavailable::NotMcp { .. }) {
                    upstream.forget_era(Era::Legacy);
                }
                Err(why)
            }
            Err(NoSession::Modern) => {
                upstream.forget_era(Era::Legacy);
                Err(upstream.other_version())
            }
        }
    }

    /// Begins a session, with the newest version of MCP that the server named before, if it did.
    pub(super) async fn begin(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        newest: Option<ProtocolVersion>,
    ) -> Result<Arc<UpstreamSession>, NoSession> {
        let slot = upstream.sessions.slot(caller.slot());
        let declares = caller
            .conversation
            .map_or("{}", |conversation| &conversation.declares);
        let failures = upstream.failures();
        let _beginning = slot.beginning.lock().await;
        if let Some(session) = slot.get() {
            return Ok(session);
        }
        if let Some(why) = upstream.failed_since(failures) {
            return Err(why.into());
        }
        let mut version = newest.unwrap_or(ProtocolVersion::LATEST_LEGACY);
        let mut refused = Vec::new();
        let session = loop {
            match self.initialize(upstream, caller, version, declares).await? {
                Begun::Session(session) => break Arc::new(*session),
                Begun::Modern => return Err(NoSession::Modern),
                Begun::Offers(mut versions) => {
                    refused.push(version);
                    versions.retain(|version| !refused.contains(version));
                    version = newest_legacy(&versions)
                        .ok_or_else(|| upstream.not_mcp("`initialize` was refused"))?;
                }
            }
        };
        self.say_initialized(upstream, caller, &session).await?;
        if session.id.is_some() {
            session.ends_with(self.farewell(upstream, &session));
        }
        upstream.note_sessions(session.id.is_some());
        upstream.sessions.tidy();
        slot.set(Arc::clone(&session));
        Ok(session)
    }

    /// What ends a session: HTTP DELETE, without the user's credentials, which have expired by then. Servers may refuse.
    fn farewell(
        self: &Arc<Self>,
        upstream: &Upstream,
        session: &UpstreamSession,
    ) -> impl FnOnce() + Send + 'static {
        let mut request = upstream.bare_request(Method::DELETE, Bytes::new());
        session_headers(&mut request, session);
        let net = Arc::clone(self);
        move || {
            // Without a runtime the process is ending.
            let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                return;
            };
            runtime.spawn(async move {
                let Ok(_turn) = net.farewells.acquire().await else {
                    return;
                };
                if let Err(error) = net.transport.send(request, NOTICE_DEADLINE).await {
                    tracing::debug!(%error, "a session with a server was not ended");
                }
            });
        }
    }

    async fn initialize(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
        version: ProtocolVersion,
        declares: &str,
    ) -> Result<Begun, Unavailable> {
        let params = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{declares},"clientInfo":{CLIENT_INFO}}}"#
        );
        let body = jsonrpc::write_request(&RequestId::Integer(0), "initialize", Some(params.as_bytes()));
        let request = upstream.request(Method::POST, caller, body).await?;
        let back = Back {
            net: self,
            upstream,
            caller,
            session: None,
        };
        let answer = self
            .ask_once(upstream, request, SMALL_ANSWER, Some(&back))
            .await?;
        let Some(body) = &answer.response else {
            return Err(upstream.bad_status(answer.status, &answer.headers));
        };
        let Ok(Message::Response(response)) = envelope::parse(body, &Limits::default()) else {
            return Err(upstream.not_mcp("no response to `initialize`"));
        };
        let result = match &response.outcome {
            Outcome::Result(result) => result,
            Outcome::Error(error) => {
                let mut versions = offered_versions(body, error);
                versions.retain(|version| version.era() == Era::Legacy);
                return Ok(if versions.is_empty() && error.code.proves_modern() {
                    Begun::Modern
                } else {
                    Begun::Offers(versions)
                });
            }
        };
        let version = text_member(body, result.span, "protocolVersion")
            .as_deref()
            .and_then(ProtocolVersion::parse)
            .filter(|version| version.era() == Era::Legacy)
            .ok_or_else(|| upstream.not_mcp("a protocol version that Gatewright does not support"))?;
        upstream.note_about(About::read(body, result.span));
        let capabilities = Capabilities::read(body, result.span);
        upstream.note_declared(capabilities, self.now());
        let id = answer.headers.get(headers::SESSION_ID).cloned();
        let session = UpstreamSession::new(id, version, capabilities);
        Ok(Begun::Session(Box::new(session)))
    }

    /// Says that the session has begun. Only the head of the answer is waited for, because some servers answer with a
    /// stream that stays open; a server that refuses it will say so at the next request.
    async fn say_initialized(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
        session: &UpstreamSession,
    ) -> Result<(), Unavailable> {
        let done = jsonrpc::write_notification("notifications/initialized", None);
        let mut request = upstream.request(Method::POST, caller, done).await?;
        session_headers(&mut request, session);
        let sent = self.transport.send(request, NOTICE_DEADLINE);
        match tokio::time::timeout(NOTICE_DEADLINE, sent).await {
            Ok(Ok(answer)) => read_rest(answer).await,
            Ok(Err(error)) => {
                tracing::info!(server = upstream.slug(), %error, "a server did not take `notifications/initialized`");
            }
            Err(_) => {
                tracing::info!(
                    server = upstream.slug(),
                    "a server did not answer `notifications/initialized`"
                );
            }
        }
        Ok(())
    }
}

/// The newest of some versions that has sessions.
pub(super) fn newest_legacy(versions: &[ProtocolVersion]) -> Option<ProtocolVersion> {
    let legacy = versions.iter().filter(|version| version.era() == Era::Legacy);
    legacy.max().copied()
}
