//! The MCP endpoint of a gateway for clients of both eras, once the edge knows who is calling: which message it is, its
//! era, and what answers it (2026-07-28 and 2025-11-25 basic/transports).

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use gatewright_domain::activity::{RequestKind, Rule};
use http::{HeaderMap, Response, StatusCode};

use super::{
    answer::Answer,
    feature::Feature,
    reached::Reached,
    reply,
    service::{Endpoint, Lasting},
    session::{Note, Session},
};
use crate::{
    federation::plan::Plan,
    peer::{
        caller::{Caller, Conversation, Runs},
        respondent::Respondent,
        transport::Transport,
    },
    wire::{
        envelope::{self, Limits, Message, Notification, Reason, Request},
        headers,
        jsonrpc::{ErrorCode, Refusal},
        log_level::Logs,
        media_type::{MediaType, media_type},
        meta::{self, Dialect, ModernMeta, header_era},
        question::{ClientCapabilities, Question},
        version::Era,
    },
};

/// The era of a client, with its details.
pub(super) enum Client {
    /// Stateless; what its `_meta` says.
    Modern(ModernMeta),
    /// Within a session.
    Legacy(Arc<Session>),
}

impl Client {
    pub(super) const fn era(&self) -> Era {
        match self {
            Self::Modern(_) => Era::Modern,
            Self::Legacy(_) => Era::Legacy,
        }
    }

    /// Which log messages of a call it wants. Where a session has not said, servers decide (2025-11-25
    /// server/utilities/logging).
    pub(super) fn logs(&self) -> Logs {
        match self {
            Self::Modern(meta) => meta.log_level.map_or(Logs::None, Logs::From),
            Self::Legacy(session) => session.wishes.log_level().map_or(Logs::Any, Logs::From),
        }
    }
}

/// A request of a client, and how it is to be answered.
pub(super) struct Asking<'a> {
    pub(super) plan: &'a Plan,
    pub(super) caller: Caller<'a>,
    pub(super) client: &'a Client,
    /// The headers it came with, if they have to mirror the body.
    pub(super) headers: Option<&'a HeaderMap>,
    /// What a lasting answer needs; `None` if it cannot last.
    pub(super) lasting: Option<&'a Lasting<'a>>,
    /// The message as it came.
    pub(super) body: &'a Bytes,
    /// The same, read.
    pub(super) request: &'a Request<'a>,
}

impl Asking<'_> {
    /// The conversation it belongs to, whose sessions with servers it uses.
    fn conversation(&self) -> Option<Cow<'_, Conversation>> {
        match self.client {
            Client::Legacy(session) => Some(Cow::Borrowed(&session.conversation)),
            Client::Modern(meta) => {
                let span = meta.client_capabilities;
                // Nearly all declare nothing.
                let can = (span.len() > 2).then(|| ClientCapabilities::read(self.body, span))?;
                Respondent::stateless(can).map(Cow::Owned)
            }
        }
    }
}

impl<T: Transport> Endpoint<T> {
    /// Answers a POST. `reached` records the outcome of the request upstream.
    pub async fn post(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &Bytes,
        lasting: Option<&Lasting<'_>>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        if media_type(headers) != MediaType::Json {
            reached.refuse(Rule::Malformed);
            let refusal = Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "The body must be one JSON-RPC message with Content-Type: application/json.",
            );
            return reply::refusal(
                &refusal.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
                None,
                Era::Modern,
            );
        }
        match envelope::parse(body, &Limits::default()) {
            Err(error) if error.reason == Reason::Batch && header_era(headers) == Era::Legacy => {
                // Boxed because it is rare and large.
                Box::pin(self.batch(plan, caller, (headers, body, lasting), reached)).await
            }
            Err(error) => {
                reached.refuse(Rule::Malformed);
                let era = header_era(headers);
                reply::refusal(&Refusal::from(&error), error.id.as_ref(), era)
            }
            Ok(Message::Request(request)) => {
                let came = (headers, body, lasting);
                self.request(plan, caller, came, &request, reached).await
            }
            Ok(Message::Notification(notification)) => {
                self.notification(plan, caller, headers, &notification).await
            }
            Ok(Message::Response(response)) => {
                reached.kind = Some(RequestKind::Answer);
                match self.session_of(plan.gateway_id, caller, headers) {
                    Ok(session) => {
                        reached.within(&session);
                        // Boxed because it is rare and large.
                        Box::pin(self.answered(plan, &session, caller, body, &response)).await
                    }
                    Err(refusal) => {
                        reached.refuse(Rule::NoSession);
                        reply::refusal(&refusal, None, Era::Legacy)
                    }
                }
            }
        }
    }

    async fn request(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        (headers, body, lasting): (&HeaderMap, &Bytes, Option<&Lasting<'_>>),
        request: &Request<'_>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let refuse = |refusal: &Refusal, era| reply::refusal(refusal, Some(&request.id.to_owned()), era);
        reached.asks(request);
        let client = match meta::dialect(headers, request) {
            Err(refusal) => {
                reached.refuse(Rule::Malformed);
                return refuse(&refusal, header_era(headers));
            }
            Ok(Dialect::Modern(meta)) => {
                if let Err(mismatch) = headers::check(headers, request) {
                    reached.refuse(Rule::Malformed);
                    return refuse(&Refusal::from(&mismatch), Era::Modern);
                }
                reached.version = Some(meta.version);
                Client::Modern(meta)
            }
            Ok(Dialect::Legacy(_)) if request.method.value == "initialize" => {
                return self.initialize(plan, caller, body, request).await;
            }
            Ok(Dialect::Legacy(_)) => match self.session_of(plan.gateway_id, caller, headers) {
                Ok(session) => {
                    reached.within(&session);
                    Client::Legacy(session)
                }
                Err(refusal) => {
                    reached.refuse(Rule::NoSession);
                    return refuse(&refusal, Era::Legacy);
                }
            },
        };
        let asking = Asking {
            plan,
            caller,
            client: &client,
            headers: Some(headers),
            lasting,
            body,
            request,
        };
        self.serve(&asking, reached).await
    }

    /// Answers a request of a client whose era and headers were checked.
    pub(super) async fn serve(
        &self,
        asking: &Asking<'_>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let conversation = asking.conversation();
        let asking = &Asking {
            caller: Caller {
                conversation: conversation.as_deref(),
                ..asking.caller
            },
            ..*asking
        };
        let (request, era) = (asking.request, asking.client.era());
        let Some(feature) = Feature::find(&request.method.value, era) else {
            reached.refuse(Rule::UnknownMethod);
            let refusal = Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found.");
            return reply::refusal(&refusal, Some(&request.id.to_owned()), era);
        };
        if feature.asks_servers()
            && let Err(busy) = asking.caller.identity.admit(Runs::Request)
        {
            reached.refuse_busy(busy);
            return reply::busy(busy, Some(&request.id.to_owned()), era);
        }
        match feature {
            Feature::Discover => self.discover(asking).await,
            Feature::Ping => reply::result(request.id.raw, Bytes::from_static(b"{}")),
            Feature::List(kind) => self.list(asking, kind, reached).await,
            Feature::Call => self.relay(asking, reached).await,
            // Boxed because it is rare and large.
            Feature::TaskList => Box::pin(self.list_tasks(asking)).await,
            Feature::Listen => self.subscribe(asking).await,
            // Boxed because they are rare and large.
            Feature::SetLevel => Box::pin(self.set_level(asking)).await,
            Feature::Subscribe => self.subscribe_to_resource(asking, reached).await,
            Feature::Unsubscribe => Box::pin(self.unsubscribe_from_resource(asking)).await,
        }
    }

    pub(super) async fn notification(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
        notification: &Notification<'_>,
    ) -> Response<Answer<T::Body>> {
        match meta::header_version(headers) {
            Err(refusal) => return reply::refusal(&refusal, None, Era::Modern),
            // The stateless era defines none; a client that sends one all the same loses nothing.
            Ok(Some(version)) if version.era() == Era::Modern => {
                return reply::bare(StatusCode::ACCEPTED);
            }
            Ok(_) => {}
        }
        match self.session_of(plan.gateway_id, caller, headers) {
            Err(refusal) => reply::refusal(&refusal, None, Era::Legacy),
            Ok(session) => {
                if notification.method.value == "notifications/cancelled"
                    && let Some(id) = notification.params.as_ref().and_then(|params| params.request_id)
                {
                    let id = id.to_owned().to_json();
                    // It may run at another replica, or be done.
                    if !session.cancel(id.as_bytes())
                        && let Some(note) = Note::cancelled(id.as_bytes())
                    {
                        self.write_to_others(plan.project, &session, &note).await;
                    }
                }
                if notification.method.value == "notifications/roots/list_changed"
                    && session.can.has(Question::Roots)
                {
                    self.federation.tell_changed_roots(plan, caller, session.key());
                }
                reply::bare(StatusCode::ACCEPTED)
            }
        }
    }
}
