//! Requests that one server answers.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, header::ACCEPT};

use super::{
    answer::Answer,
    methods::{Asking, Client},
    reply,
    service::{Endpoint, Reached},
};
use crate::{
    federation::{
        aim::Aim,
        call::{Call, CallError},
        catalogs::Freshness,
        merge,
    },
    peer::{
        call_guard::CallGuard, incoming::Answered, outgoing, transport::Transport, unavailable::Unavailable,
        upstream::Upstream,
    },
    wire::{
        json::json_string,
        jsonrpc::{ErrorCode, Refusal},
        listing::ListKind,
        version::Era,
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
        let error = match self.relayed(asking, &mut reached.server).await {
            Ok(answer) => return reply::answered(answer),
            // Nothing is sent for a cancelled request; a stream without a message says just that.
            Err(error) if error.is_cancelled() => return reply::events(Answer::empty()),
            Err(error) => error,
        };
        let unavailable = error.unavailable();
        if let Some(why) = unavailable {
            reached.failure = Some(why.reason());
        }
        // A person must read this one, and clients show them what tools say more often than errors of the protocol.
        if let Some(why @ Unavailable::ConnectFirst { .. }) = unavailable
            && &*request.method.value == "tools/call"
        {
            return reply::result(request.id.raw, tool_error(&why.to_string(), era));
        }
        reply::refusal(&error.refusal(era), Some(&request.id.to_owned()), era)
    }

    /// Makes a call. That of a client with a session can be cancelled from when it is known where it leads.
    async fn relayed(
        &self,
        asking: &Asking<'_>,
        noted: &mut Option<Arc<Upstream>>,
    ) -> Result<Answered<T::Body>, CallError> {
        let caller = asking.caller;
        let call = Call {
            plan: asking.plan,
            headers: asking.headers,
            aim: Aim::of(asking.request)?,
            message: outgoing::Call {
                caller,
                client_era: asking.client.era(),
                logs: asking.client.logs(),
                takes_stream: asking.headers.is_some_and(takes_stream),
                body: asking.body,
                request: asking.request,
            },
        };
        let found = self.federation.find(&call).await?;
        match asking.client {
            Client::Modern(_) => {
                let guard = CallGuard::new(caller.key, None);
                self.federation.call(&call, found, noted, guard, None).await
            }
            Client::Legacy(session) => {
                let id = asking.request.id.to_owned();
                let running = session.run(id.to_json().into_owned().into());
                let token = running.token.clone();
                let guard = CallGuard::new(caller.key, Some(Box::new(running)));
                // Dropping the call drops the guard, which tells the server.
                tokio::select! {
                    biased;
                    () = token.cancelled() => Err(CallError::cancelled()),
                    answer = self.federation.call(&call, found, noted, guard, Some(&token)) => answer,
                }
            }
        }
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
            return refuse(&unknown());
        };
        let (plan, caller) = (asking.plan, asking.caller);
        match self
            .federation
            .view(plan, kind, caller, Freshness::Fresh, None)
            .await
        {
            Err(why) => {
                reached.failure = Some(why.reason());
                refuse(&Refusal::new(ErrorCode::INTERNAL_ERROR, why.to_string()))
            }
            Ok(view) => match view.result(era, page, self.federation.now()) {
                Some(result) => reply::result(request.id.raw, result),
                None => refuse(&unknown()),
            },
        }
    }
}

/// Whether a client takes a stream of events as an answer; it must, and some do not (2025-11-25 basic/transports, "Sending
/// Messages to the Server").
fn takes_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| memchr::memmem::find(accept.as_bytes(), b"text/event-stream").is_some())
}

/// The result of a tool that failed, with the reason for the model and the person behind it.
fn tool_error(text: &str, era: Era) -> Bytes {
    let result_type = match era {
        Era::Modern => r#""resultType":"complete","#,
        Era::Legacy => "",
    };
    let text = json_string(text);
    format!(r#"{{{result_type}"content":[{{"type":"text","text":{text}}}],"isError":true}}"#).into()
}
