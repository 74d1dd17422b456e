//! Detecting which era of MCP a server supports, with requests that do nothing (2026-07-28 basic/versioning). No call is
//! sent before the server has shown it.

use std::{sync::Arc, time::Duration};

use gatewright_domain::server::ProtocolChoice;
use http::StatusCode;

use super::{
    about::About,
    caller::Caller,
    era::{listed_versions, offered_versions},
    exchange::{SMALL_ANSWER, modern_request},
    handshake::{NoSession, newest_legacy},
    http_sse::speaks_http_sse,
    net::Net,
    session::UpstreamSession,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
};
use crate::wire::{
    capabilities::Capabilities,
    envelope::{self, Limits, Message, Outcome},
    jsonrpc::ErrorCode,
    version::{Era, ProtocolVersion},
};

/// A server that does not respond to `server/discover` for this long is asked to `initialize` too, and whatever it answers
/// first counts: servers of the older era were seen to leave unknown methods without an answer.
const SILENCE: Duration = Duration::from_secs(3);
/// One that was silent is asked for both at the same time for this long, so that only the first request waits.
const SILENT_FOR: Duration = Duration::from_hours(1);
/// What a stateless server declares that it can do is believed this long.
const DECLARED_FOR: Duration = Duration::from_mins(5);
/// What `server/discover` showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Discovered {
    /// The stateless era.
    Modern,
    /// Not that era; the newest version of the other one that it named.
    Legacy(Option<ProtocolVersion>),
}

impl<T: Transport> Net<T> {
    /// The era of a server, found out where it is not known.
    pub(super) async fn era_of(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Era, Unavailable> {
        if let Some(problem) = &upstream.config.problem {
            return Err(Unavailable::Misconfigured {
                server: upstream.slug().to_owned(),
                problem: problem.clone(),
            });
        }
        if let Some(era) = upstream.era() {
            return Ok(era);
        }
        // Boxed because it is rare and large: without, every call would carry the room for it.
        Box::pin(self.find_era(upstream, caller)).await
    }

    /// Finds out the era of a server, once for all who wait for it.
    async fn find_era(self: &Arc<Self>, upstream: &Upstream, caller: Caller<'_>) -> Result<Era, Unavailable> {
        let failures = upstream.failures();
        let _probing = upstream.probing.lock().await;
        if let Some(era) = upstream.era() {
            return Ok(era);
        }
        // Waiters share the answer, so a queue in front of a hung server drains at once.
        if let Some(why) = upstream.failed_since(failures) {
            return Err(why);
        }
        let silence = if upstream.was_silent(self.now()) {
            Duration::ZERO
        } else {
            silence_of(upstream)
        };
        let probing = self.probe(upstream, caller, silence);
        let outcome = tokio::time::timeout(upstream.config.timeout + silence, probing)
            .await
            .unwrap_or_else(|_| Err(upstream.timed_out()));
        match outcome {
            Ok(era) => {
                upstream.set_era(era);
                Ok(era)
            }
            // It was cut off here: its server has not failed.
            Err(why) if self.transport.has_cut_off() => Err(why),
            Err(why @ Unavailable::Timeout { .. }) => {
                upstream.note_failure(&why, self.now());
                Err(why)
            }
            Err(why) => {
                upstream.note_refusal(&why, self.now());
                Err(why)
            }
        }
    }

    async fn probe(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        silence: Duration,
    ) -> Result<Era, Unavailable> {
        // It may have been updated.
        upstream.set_over_http_sse(false);
        if upstream.config.protocol == ProtocolChoice::SessionsOnly {
            let begun = self.begin(upstream, caller, None).await;
            return match self.era_of_beginning(upstream, caller, begun).await {
                Ok(Era::Modern) => Err(upstream.no_session("it supports only 2026-07-28")),
                Err(Unavailable::NotMcp { what, .. }) => Err(upstream.no_session(what)),
                other => other,
            };
        }
        let mut discovering = std::pin::pin!(self.discover(upstream, caller));
        let begun = match tokio::time::timeout(silence, discovering.as_mut()).await {
            Ok(Ok(Discovered::Modern)) => return Ok(Era::Modern),
            Ok(Ok(Discovered::Legacy(newest))) => self.begin(upstream, caller, newest).await,
            // It got nothing, or wants other credentials: that is the same for every method.
            Ok(Err(
                why @ (Unavailable::Unreachable { .. }
                | Unavailable::Misconfigured { .. }
                | Unavailable::ConnectFirst { .. }
                | Unavailable::Refused { .. }
                | Unavailable::Redirected { .. }),
            )) => return Err(why),
            // An old server may fail at what it does not know, and close the connection.
            Ok(Err(_)) => self.begin(upstream, caller, None).await,
            Err(_) => {
                upstream.note_silence(self.now().plus(SILENT_FOR));
                let mut beginning = std::pin::pin!(self.begin(upstream, caller, None));
                let mut silent = true;
                let begun = loop {
                    tokio::select! {
                        discovered = discovering.as_mut(), if silent => {
                            if matches!(discovered, Ok(Discovered::Modern)) {
                                return Ok(Era::Modern);
                            }
                            silent = false;
                        }
                        begun = beginning.as_mut() => break begun,
                    }
                };
                // It may be slow to answer one question and refuse the other.
                if silent && begun.is_err() && matches!(discovering.await, Ok(Discovered::Modern)) {
                    return Ok(Era::Modern);
                }
                begun
            }
        };
        self.era_of_beginning(upstream, caller, begun).await
    }

    /// The era that the answer to `initialize` shows. A session is the proof of the older one, and will be needed anyway.
    async fn era_of_beginning(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        begun: Result<Arc<UpstreamSession>, NoSession>,
    ) -> Result<Era, Unavailable> {
        match begun {
            Ok(_) => Ok(Era::Legacy),
            Err(NoSession::Modern) => Ok(Era::Modern),
            Err(NoSession::Unavailable(why @ Unavailable::NotMcp { .. }))
                if speaks_http_sse(self, upstream, caller).await =>
            {
                tracing::info!(
                    server = upstream.slug(),
                    %why,
                    "a server is reached over the deprecated HTTP+SSE transport"
                );
                upstream.set_over_http_sse(true);
                match self
                    .begin(upstream, caller, Some(ProtocolVersion::V2024_11_05))
                    .await
                {
                    Ok(_) => Ok(Era::Legacy),
                    Err(NoSession::Modern) => Err(upstream.other_version()),
                    Err(NoSession::Unavailable(why)) => Err(why),
                }
            }
            Err(NoSession::Unavailable(why)) => Err(why),
        }
    }

    /// What a server declares to a user that it can do. A stateless server is asked again after a while.
    pub(super) async fn capabilities_of(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Capabilities, Unavailable> {
        if self.era_of(upstream, caller).await? == Era::Legacy {
            return Ok(self.session(upstream, caller).await?.capabilities);
        }
        if self.now().since(upstream.declared_at()) >= DECLARED_FOR {
            // Until it answers, what it declared before is used.
            upstream.note_asked(self.now());
            let discovering = self.discover(upstream, caller);
            if let Ok(Ok(Discovered::Legacy(_))) =
                tokio::time::timeout(silence_of(upstream), discovering).await
            {
                // The next request finds out what it is now.
                upstream.forget_era(Era::Modern);
            }
        }
        // One that was found out to be stateless in another way than by its answer has declared nothing.
        Ok(upstream.declared().unwrap_or(Capabilities::EVERYTHING))
    }

    /// Whether `server/discover` is answered as a server of the stateless era answers it. Where it is not, that says nothing of
    /// a server that may be of the older one.
    async fn discover(&self, upstream: &Upstream, caller: Caller<'_>) -> Result<Discovered, Unavailable> {
        let request = modern_request(upstream, caller, "server/discover", "").await?;
        let answer = self.ask_quietly(upstream, request, SMALL_ANSWER, None).await?;
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            || answer.status.is_redirection()
        {
            return Err(upstream.bad_status(answer.status, &answer.headers));
        }
        let Some(body) = &answer.response else {
            return Ok(Discovered::Legacy(None));
        };
        let Ok(Message::Response(response)) = envelope::parse(body, &Limits::default()) else {
            return Ok(Discovered::Legacy(None));
        };
        let is_modern =
            |versions: &[ProtocolVersion]| versions.iter().any(|version| version.era() == Era::Modern);
        let (versions, modern) = match &response.outcome {
            Outcome::Result(result) => {
                let versions = listed_versions(body, result.span, "supportedVersions");
                let modern = is_modern(&versions);
                if modern {
                    upstream.note_about(About::read(body, result.span));
                    upstream.note_declared(Capabilities::read(body, result.span), self.now());
                }
                (versions, modern)
            }
            // It is modern, and may not support a modern version that we support: the older era may still be shared.
            Outcome::Error(error) if error.code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => {
                let listed = error.data.map(|data| listed_versions(body, data, "supported"));
                let modern = listed.is_some_and(|versions| is_modern(&versions));
                (offered_versions(body, error), modern)
            }
            Outcome::Error(error) => (offered_versions(body, error), error.code.proves_modern()),
        };
        Ok(if modern {
            Discovered::Modern
        } else {
            Discovered::Legacy(newest_legacy(&versions))
        })
    }
}

/// How long a server may say nothing to `server/discover`.
fn silence_of(upstream: &Upstream) -> Duration {
    SILENCE.min(upstream.config.timeout / 3)
}
