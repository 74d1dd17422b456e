//! Requests that one server answers.

use std::{sync::Arc, time::Instant};

use gatewright_domain::activity::{Outcome, Rule};
use http::{HeaderMap, Response, header::ACCEPT};

use super::{
    answer::Answer,
    methods::{Asking, Client},
    reached::Reached,
    reply,
    resumable::Following,
    service::Endpoint,
};
use crate::{
    federation::{
        aim::Aim,
        call::{Call, CallError},
        catalogs::Freshness,
        merge,
    },
    peer::{
        call_guard::CallGuard,
        carried,
        held::Retry,
        incoming::Answered,
        outgoing,
        respondent::Respondent,
        seals::{Nonce, Replica, State},
        transport::Transport,
        unavailable::Unavailable,
        upstream::Upstream,
    },
    wire::{
        jsonrpc::{ErrorCode, Refusal, tool_error},
        listing::ListKind,
        question::ClientCapabilities,
    },
};

impl<T: Transport> Endpoint<T> {
    /// Passes a request on to the server that has what it names, and its answer back.
    pub(super) async fn relay(
        &self,
        asking: &Asking<'_>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let (request, era) = (asking.request, asking.client.era());
        let error = match self.relayed(asking, reached).await {
            Ok(answer) => return self.passed_on(asking, answer),
            Err(error) => error,
        };
        reached.fail_call(&error);
        // Nothing is sent for a cancelled request; a stream without a message says just that.
        if error.is_cancelled() {
            return reply::events(Answer::empty());
        }
        let unavailable = error.unavailable();
        // A person must read this one, and clients show them what tools say more often than errors of the protocol.
        if let Some(why @ Unavailable::ConnectFirst { .. }) = unavailable
            && &*request.method.value == "tools/call"
        {
            return reply::result(request.id.raw, tool_error(&why.to_string(), era));
        }
        reply::refusal(&error.refusal(era), Some(&request.id.to_owned()), era)
    }

    /// The answer of a server, to which a client with a session can come back if its revision says how, and it is a stream.
    fn passed_on(&self, asking: &Asking<'_>, answer: Answered<T::Body>) -> Response<Answer<T::Body>> {
        match (answer, asking.client) {
            (Answered::Events(events), Client::Legacy(session)) if session.can_resume() => {
                let whose = session.whose(asking.plan.project);
                let following = Following::new(&self.resumables, whose, events);
                reply::events(Answer::following(Box::new(following)))
            }
            (answer, _) => reply::answered(answer),
        }
    }

    /// Makes a call. A call of a client with a session can be cancelled once its server is known.
    async fn relayed(
        &self,
        asking: &Asking<'_>,
        reached: &mut Reached,
    ) -> Result<Answered<T::Body>, CallError> {
        let caller = asking.caller;
        let client = self.respondent(asking);
        let state = self.state_of(asking, &client)?;
        let task = self.task_of(asking)?;
        let mut call = Call {
            plan: asking.plan,
            headers: asking.headers,
            aim: Aim::of(asking.request)?,
            task: task.as_ref(),
            message: outgoing::Call {
                caller,
                client_era: asking.client.era(),
                logs: asking.client.logs(),
                // Our own client, which has no headers, reads both.
                takes_stream: asking.headers.is_none_or(takes_stream),
                client,
                state: None,
                trace: None,
                body: asking.body,
                request: asking.request,
            },
        };
        match &state {
            None => {}
            Some(State::Server(server, state)) => call.message.state = Some((*server, state)),
            Some(State::Held(replica, held)) => {
                // Boxed because it is rare and large.
                return Box::pin(self.go_on(&call.message, *replica, *held, &mut reached.server)).await;
            }
        }
        let found = self.federation.find(&call).await?;
        reached.sent_at = Some(Instant::now());
        let carried = caller.identity.carries(reached.named.as_ref());
        reached.span = carried.as_ref().and_then(|carried| carried.span);
        call.message.trace = carried.as_ref().map(|carried| carried::Sent {
            carried,
            at: reached.named_at,
        });
        let noted = &mut reached.server;
        match asking.client {
            Client::Modern(_) => {
                let guard = CallGuard::new(caller.slot(), None);
                self.federation.call(&call, found, noted, guard, None).await
            }
            Client::Legacy(session) => {
                let id = asking.request.id.to_owned();
                let running = session.run(id.to_json().into_owned().into());
                let token = running.token.clone();
                let guard = CallGuard::new(caller.slot(), Some(Box::new(running)));
                // Dropping the call drops the guard, which notifies the server.
                tokio::select! {
                    biased;
                    () = token.cancelled() => Err(CallError::cancelled()),
                    answer = self.federation.call(&call, found, noted, guard, Some(&token)) => answer,
                }
            }
        }
    }

    /// What the servers of a request can ask its client.
    pub(super) fn respondent<'a>(&'a self, asking: &'a Asking<'_>) -> Respondent<'a> {
        let (can, declared, session) = match asking.client {
            Client::Modern(meta) => {
                let span = meta.client_capabilities;
                // Nearly all declare nothing.
                let can = if span.len() > 2 {
                    ClientCapabilities::read(asking.body, span)
                } else {
                    ClientCapabilities::default()
                };
                (can, span.of(asking.body), None)
            }
            Client::Legacy(session) => {
                let declared = session.capabilities.as_bytes();
                (session.can, declared, Some(session.key()))
            }
        };
        Respondent {
            mailbox: &self.mailbox,
            project: asking.plan.project,
            gateway_id: asking.plan.gateway_id,
            can,
            declared,
            session,
        }
    }

    /// The state a request comes with, opened.
    fn state_of(&self, asking: &Asking<'_>, client: &Respondent<'_>) -> Result<Option<State>, CallError> {
        let params = asking.request.params.as_ref();
        let Some(state) = params.and_then(|params| params.request_state.as_ref()) else {
            return Ok(None);
        };
        let bound = client.bound(asking.caller.key, asking.request);
        let opened = self.mailbox.seals.open_state(&bound, &state.value);
        Ok(Some(opened.map_err(CallError::State)?))
    }

    /// Goes on with a call that is held.
    async fn go_on(
        &self,
        call: &outgoing::Call<'_>,
        replica: Replica,
        held: Nonce,
        noted: &mut Option<Arc<Upstream>>,
    ) -> Result<Answered<T::Body>, CallError> {
        if replica != self.mailbox.seals.replica {
            return Ok(self.go_on_elsewhere(replica, held, call).await?);
        }
        let retry = Retry {
            mailbox: &self.mailbox,
            caller: call.caller.key,
            request: call.request,
            logs: call.logs,
            alive: Some(call.caller.identity.alive()),
        };
        let resumed = self.federation.resume(retry, held);
        let (upstream, answer) = resumed.ok_or(outgoing::CallError::NotHeld)?;
        *noted = Some(upstream);
        Ok(answer)
    }

    /// One page of a list.
    pub(super) async fn list(
        &self,
        asking: &Asking<'_>,
        kind: ListKind,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let (request, era) = (asking.request, asking.client.era());
        let refuse = |refusal: &Refusal| reply::refusal(refusal, Some(&request.id.to_owned()), era);
        let cursor = request.params.as_ref().and_then(|params| params.cursor.as_ref());
        let page = cursor.map_or(Some(0), |cursor| merge::page_of_cursor(&cursor.value));
        let unknown = || {
            Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "Unknown cursor; list again from the beginning.",
            )
        };
        let Some(page) = page else {
            reached.refuse(Rule::BadParams);
            return refuse(&unknown());
        };
        let (plan, caller) = (asking.plan, asking.caller);
        match self
            .federation
            .view(plan, kind, caller, Freshness::Fresh, None)
            .await
        {
            Err(why) => {
                reached.fail(&why);
                refuse(&Refusal::new(ErrorCode::INTERNAL_ERROR, why.to_string()))
            }
            Ok(view) => {
                if let Some(result) = view.result(era, page, self.federation.now()) {
                    reached.decided = Some((Outcome::Ok, None));
                    reply::result(request.id.raw, result)
                } else {
                    reached.refuse(Rule::BadParams);
                    refuse(&unknown())
                }
            }
        }
    }
}

/// Whether a client takes a stream of events as an answer; it must, and some do not (2025-11-25 basic/transports, "Sending
/// Messages to the Server").
pub(super) fn takes_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| memchr::memmem::find(accept.as_bytes(), b"text/event-stream").is_some())
}
