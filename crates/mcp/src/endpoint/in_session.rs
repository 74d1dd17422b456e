//! Streams that listen, of both eras, and the end of a session.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::id::GatewayId;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::ALLOW};

use super::{
    answer::Answer,
    listen::{Listening, PlanNow, Words},
    methods::Asking,
    reply,
    service::{Endpoint, Lasting},
    session::Session,
};
use crate::{
    federation::{news::ANNOUNCED, plan::Plan},
    peer::{
        caller::{Caller, Runs},
        transport::Transport,
    },
    wire::{
        headers,
        jsonrpc::{ErrorCode, Refusal},
        meta::header_era,
        scan::{self, Kind},
        version::Era,
    },
};

/// The answer to what is refused.
pub type Refused<T> = Box<Response<Answer<<T as Transport>::Body>>>;

impl<T: Transport> Endpoint<T> {
    /// Answers a GET: a stream that lasts while there is a plan for the user, until the session ends or the process stops.
    pub fn get(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
        lasting: &Lasting<'_>,
    ) -> Response<Answer<T::Body>> {
        match self.session_for_method(plan.gateway_id, caller, headers) {
            Err(refusal) => not_for_method(&refusal, headers),
            Ok(session) => {
                if let Err(busy) = caller.identity.admit(Runs::Stream) {
                    return reply::busy(busy, None, header_era(headers));
                }
                let Some(place) = self.sessions.listen(&session) else {
                    let refusal = Refusal::new(
                        ErrorCode::INVALID_REQUEST,
                        "Too many streams are listening already; close some of them first.",
                    );
                    return not_for_method(&refusal.with_status(StatusCode::TOO_MANY_REQUESTS), headers);
                };
                let sessions = Arc::clone(&self.sessions);
                let plan_now = (lasting.plan_now)();
                let plan_now = Box::new(move || {
                    // Held for as long as the stream lasts.
                    let _place = &place;
                    plan_now().filter(|_| !sessions.has_ended(&session))
                });
                self.listening(plan, caller, lasting, plan_now, Words::Session)
            }
        }
    }

    /// Answers `subscriptions/listen`.
    pub(super) fn subscribe(&self, asking: &Asking<'_>) -> Response<Answer<T::Body>> {
        let (request, caller) = (asking.request, asking.caller);
        let id = request.id.to_owned();
        let Some(lasting) = asking.lasting else {
            let refusal = Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found.");
            return reply::refusal(&refusal, Some(&id), Era::Modern);
        };
        if let Err(busy) = caller.identity.admit(Runs::Stream) {
            return reply::busy(busy, Some(&id), Era::Modern);
        }
        let Some(place) = self.sessions.listen_alone(caller.key) else {
            let refusal = Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "Too many streams are listening already; close some of them first.",
            );
            return reply::refusal(
                &refusal.with_status(StatusCode::TOO_MANY_REQUESTS),
                Some(&id),
                Era::Modern,
            );
        };
        let Some(asked) = asked(asking) else {
            let refusal = Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "params.notifications is missing; say in it which changes to tell, like `\"toolsListChanged\":true`.",
            );
            return reply::refusal(&refusal, Some(&id), Era::Modern);
        };
        let plan_now = (lasting.plan_now)();
        let plan_now = Box::new(move || {
            // Held for as long as the stream lasts.
            let _place = &place;
            plan_now()
        });
        let id = Bytes::copy_from_slice(request.id.raw.as_bytes());
        self.listening(
            asking.plan,
            caller,
            lasting,
            plan_now,
            Words::Subscription { id, asked },
        )
    }

    fn listening(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        lasting: &Lasting<'_>,
        plan_now: PlanNow,
        words: Words,
    ) -> Response<Answer<T::Body>> {
        let (federation, key, class) = (Arc::clone(&self.federation), caller.key, caller.class);
        let identity = caller.identity.kept();
        let news_of = Box::new(move |plan: &Plan| {
            let caller = Caller {
                key,
                class,
                identity: &*identity,
            };
            federation.news(plan, caller)
        });
        let shutdown = lasting.shutdown.clone();
        reply::events(Answer::listening(Box::new(Listening::new(
            shutdown, plan, plan_now, news_of, words,
        ))))
    }

    /// The session that a DELETE is to end, or the refusal. It goes on until [`Federation::end`].
    pub fn ending(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refused<T>> {
        self.session_for_method(gateway_id, caller, headers)
            .map_err(|refusal| Box::new(not_for_method(&refusal, headers)))
    }

    /// Answers a DELETE: the session ends here, after all other replicas can know of it.
    pub fn end(&self, session: &Session) -> Response<Answer<T::Body>> {
        self.sessions.end(session);
        reply::bare(StatusCode::NO_CONTENT)
    }

    /// The session a request of the session-based era names.
    pub(super) fn session_of(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refusal> {
        let id = headers::single(headers, &headers::SESSION_ID)
            .ok()
            .flatten()
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| {
                Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "Mcp-Session-Id is missing; begin with `initialize` and send the id it answers with.",
                )
                .with_status(StatusCode::BAD_REQUEST)
            })?;
        self.sessions.open(id, gateway_id, caller.key).map_err(|_| {
            Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "This session is unknown or has ended; begin a new one with `initialize`.",
            )
            .with_status(StatusCode::NOT_FOUND)
        })
    }

    /// The same for GET and DELETE, which exist in the session-based era only.
    fn session_for_method(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refusal> {
        if header_era(headers) == Era::Modern {
            let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, "This version of MCP uses POST only.");
            return Err(refusal.with_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        self.session_of(gateway_id, caller, headers)
    }
}

/// Which lists a subscription asks for; nothing where it does not say.
fn asked(asking: &Asking<'_>) -> Option<[bool; ANNOUNCED.len()]> {
    let params = asking.request.params.as_ref()?.span;
    let [filter] = scan::pick(asking.body, params, ["notifications"]).ok()?;
    let filter = filter.filter(|filter| filter.kind == Kind::Object)?.value;
    let names = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"];
    let members = scan::pick(asking.body, filter, names).ok()?;
    Some(members.map(|member| member.is_some_and(|member| member.value.of(asking.body) == b"true")))
}

/// A refusal of GET or DELETE, in the words of the era whose header stands there.
fn not_for_method<B>(refusal: &Refusal, request: &HeaderMap) -> Response<Answer<B>> {
    let mut response = reply::refusal(refusal, None, header_era(request));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
