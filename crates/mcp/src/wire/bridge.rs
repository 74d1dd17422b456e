//! Between a client and a server of whatever eras: what of a server's messages reaches the client, and what is changed
//! in them on the way.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    envelope::{self, Limits, Message, Notification, Outcome, Response},
    id::same_id,
    json::json_string,
    jsonrpc::{self, ErrorCode, Refusal},
    listing::ListKind,
    log_level::Logs,
    question::Question,
    scan::{self, Kind, Span},
    splice::Splice,
    task_ids::{TaskIds, edit_related_of, edit_response, edit_result, edit_status, tells_status},
    version::Era,
};

/// One call between one client and one server.
#[derive(Debug, Clone)]
pub(crate) struct Bridge {
    /// The era of the client.
    pub client_era: Era,
    /// The era of the server.
    pub server_era: Era,
    /// The client's request id, JSON text as it was written.
    pub client_id: Bytes,
    /// The id the server knows the request by, JSON text; `None` if it is the client's own.
    pub server_id: Option<Bytes>,
    /// The client's progress token, JSON text; `None` if it wants no progress. The server's is `server_id` if
    /// there is one.
    pub progress_token: Option<Bytes>,
    /// Which log messages the client wants.
    pub logs: Logs,
    /// Whether the result says how long it can be kept (2026-07-28 server/utilities/caching).
    pub is_cacheable: bool,
    /// The IDs of tasks, if the call can begin one or is about one.
    pub tasks: Option<Tasks>,
}

/// The ids of tasks in the answer to a call, as the client knows them.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    pub ids: Arc<dyn TaskIds>,
    /// Whether the call is about a task, and not one that may begin one.
    pub asks_for_task: bool,
}

impl Tasks {
    /// A response with the ids that the client knows.
    pub(crate) fn in_response(&self, message: &Bytes) -> Bytes {
        edit_response(message, &*self.ids, self.asks_for_task)
    }

    /// What the server sends before its answer, with the ids that the client knows.
    fn in_message(&self, message: &Bytes) -> Bytes {
        edit_related_of(message, &|theirs| self.ids.known(theirs))
    }
}

/// The answer of a stateless server that begins a task though its client did not say that it can follow one.
const FOREIGN_TASK: &str = "The server answers with a task in the form of revision 2026-07-28, which clients with sessions cannot follow. Use a client of that revision that declares the extension `io.modelcontextprotocol/tasks`.";

/// What to do with a message of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Pass this on.
    Forward(Bytes),
    /// Pass this on; it is the answer, and nothing follows it.
    Last(Bytes),
    /// Nothing for the client.
    Drop,
    /// Nothing for the client: a list of the server has changed.
    ListChanged(ListKind),
    /// Nothing for the client of the call: a resource of the server has changed.
    Updated(Box<str>),
    /// Nothing for the client: send this back to the server as the answer to its own request.
    Reply(Bytes),
    /// It asks something of the client.
    Ask,
    /// It cancels its own request.
    GivenUp,
    /// It is the answer, and asks for input in the place of a result.
    InputRequired,
}

impl Bridge {
    /// Decides on one message of the server's stream.
    pub(crate) fn translate(&self, data: &Bytes) -> Step {
        match envelope::parse(data, &Limits::default()) {
            Ok(Message::Response(response)) => self.response(data, &response),
            Ok(Message::Notification(notification)) => self.notification(data, &notification),
            Ok(Message::Request(request)) => self.request(&request),
            Err(error) => {
                tracing::debug!(%error, "a message of a server is not a JSON-RPC message");
                Step::Drop
            }
        }
    }

    /// The answer of the server as the client gets it; `Drop` when it answers another request.
    pub(super) fn response(&self, data: &Bytes, response: &Response<'_>) -> Step {
        let expected = self.server_id.as_ref().unwrap_or(&self.client_id);
        let id = match response.id {
            Some(id) if same_id(id.raw, expected) => Some(id),
            // An error that could not name its request: the exchange it came in says which it was.
            None if matches!(response.outcome, Outcome::Error(_)) => None,
            Some(_) | None => return Step::Drop,
        };
        let Some(id) = id else {
            let Outcome::Error(error) = &response.outcome else {
                return Step::Drop;
            };
            return Step::Last(self.error(error.span.of(data)));
        };
        let mut splice = Splice::new(data);
        if self.server_id.is_some() {
            splice.replace(id.span, &self.client_id[..]);
        }
        if let Outcome::Result(result) = &response.outcome {
            let kind = result.result_type.as_ref().map(|text| text.value.as_ref());
            match (self.client_era, kind) {
                (Era::Modern, None) => {
                    splice.set_member(result.span, "resultType", &b"\"complete\""[..]);
                    if self.is_cacheable {
                        splice.set_member(result.span, "ttlMs", &b"0"[..]);
                        splice.set_member(result.span, "cacheScope", &b"\"private\""[..]);
                    }
                }
                (_, Some("input_required")) => return Step::InputRequired,
                (Era::Legacy, Some("task")) => return Step::Last(self.refuse(FOREIGN_TASK)),
                // Older clients know no such member, and some refuse what they do not know.
                (Era::Legacy, Some(_)) => {
                    splice.remove_member(result.span, "resultType");
                    if self.is_cacheable {
                        splice.remove_member(result.span, "ttlMs");
                        splice.remove_member(result.span, "cacheScope");
                    }
                }
                (Era::Modern, Some(_)) | (Era::Legacy, None) => {}
            }
            if let Some(tasks) = &self.tasks {
                edit_result(&mut splice, data, result.span, &*tasks.ids, tasks.asks_for_task);
            }
        }
        // `null` next to a result or an error: the SDKs refuse a message with both members.
        if let Outcome::Error(error) = &response.outcome
            && let Some((code, now)) = self.other_code(data, error.span)
        {
            splice.replace(code, now.0.to_string().into_bytes());
        }
        let (other, quoted) = match &response.outcome {
            Outcome::Result(_) => ("error", &b"\"error\""[..]),
            Outcome::Error(_) => ("result", &b"\"result\""[..]),
        };
        if memchr::memmem::find(data, quoted).is_some()
            && scan::pick(data, response.object, [other]).is_ok_and(|[other]| other.is_some())
        {
            splice.remove_member(response.object, other);
        }
        if splice.is_empty() {
            return Step::Last(data.clone());
        }
        match splice.finish() {
            Ok(body) => Step::Last(body),
            Err(error) => {
                tracing::warn!(%error, "an answer could not be rewritten");
                Step::Last(self.refuse("The answer of the server could not be passed on."))
            }
        }
    }

    /// The error for a client that cannot be asked for the input that its server wants.
    pub(crate) fn cannot_give_input(&self) -> Bytes {
        self.refuse(
            "The tool asks for further input, and this client does not declare that it can provide any. Use a client that declares the capabilities `elicitation`, `sampling` or `roots`.",
        )
    }

    /// Our own error in the place of the server's answer.
    pub(crate) fn refuse(&self, message: impl Into<std::borrow::Cow<'static, str>>) -> Bytes {
        let refusal = Refusal::new(ErrorCode::INTERNAL_ERROR, message);
        self.error(&error_object(&refusal))
    }

    /// An error response to the client around an `error` object, JSON text.
    pub(crate) fn error(&self, error: &[u8]) -> Bytes {
        let mut body = Vec::with_capacity(error.len() + self.client_id.len() + 40);
        body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        body.extend_from_slice(&self.client_id);
        body.extend_from_slice(br#","error":"#);
        match self.other_code(error, Span::new(0, error.len())) {
            None => body.extend_from_slice(error),
            Some((code, now)) => {
                body.extend_from_slice(&error[..code.start]);
                body.extend_from_slice(now.0.to_string().as_bytes());
                body.extend_from_slice(&error[code.end..]);
            }
        }
        body.push(b'}');
        body.into()
    }

    /// An answer that is as the client gets it except for the code of its error; `None` if that is right.
    pub(crate) fn recoded(&self, message: &Bytes) -> Option<Bytes> {
        if !self.has_other_codes() || memchr::memmem::find(message, b"\"error\"").is_none() {
            return None;
        }
        let Ok(Message::Response(response)) = envelope::parse(message, &Limits::default()) else {
            return None;
        };
        let Outcome::Error(error) = &response.outcome else {
            return None;
        };
        let (code, now) = self.other_code(message, error.span)?;
        let mut splice = Splice::new(message);
        splice.replace(code, now.0.to_string().into_bytes());
        splice.finish().ok()
    }

    /// Whether client and server say with different codes that a resource was not found.
    fn has_other_codes(&self) -> bool {
        self.is_cacheable && self.client_era != self.server_era
    }

    /// The place of an error code that says that a resource was not found, and the one that the client's era has for
    /// that: -32002 in 2025-11-25, -32602 in 2026-07-28 (server/resources, "Error Handling"). The latter has more than one
    /// meaning: it has this one if the error names the URI.
    fn other_code(&self, body: &[u8], error: Span) -> Option<(Span, ErrorCode)> {
        if !self.has_other_codes() {
            return None;
        }
        let [code, data] = scan::pick(body, error, ["code", "data"]).ok()?;
        let code = code?.value;
        let names_uri = || {
            let data = data.filter(|data| data.kind == Kind::Object)?;
            let [uri] = scan::pick(body, data.value, ["uri"]).ok()?;
            uri
        };
        match (
            self.client_era,
            std::str::from_utf8(code.of(body))
                .ok()?
                .parse()
                .ok()
                .map(ErrorCode)?,
        ) {
            (Era::Modern, ErrorCode::LEGACY_RESOURCE_NOT_FOUND) => Some((code, ErrorCode::INVALID_PARAMS)),
            (Era::Legacy, ErrorCode::INVALID_PARAMS) if names_uri().is_some() => {
                Some((code, ErrorCode::LEGACY_RESOURCE_NOT_FOUND))
            }
            _ => None,
        }
    }

    fn notification(&self, data: &Bytes, notification: &Notification<'_>) -> Step {
        match notification.method.value.as_ref() {
            "notifications/progress" => self.progress(data, notification),
            "notifications/message" if !self.logs.want(notification) => Step::Drop,
            "notifications/tools/list_changed" => Step::ListChanged(ListKind::Tools),
            "notifications/prompts/list_changed" => Step::ListChanged(ListKind::Prompts),
            "notifications/resources/list_changed" => Step::ListChanged(ListKind::Resources),
            "notifications/resources/updated" => {
                let params = notification.params.as_ref();
                let uri = params.and_then(|params| params.uri.as_ref());
                uri.map_or(Step::Drop, |uri| Step::Updated(uri.value.as_ref().into()))
            }
            "notifications/cancelled" => Step::GivenUp,
            // They concern our lists and subscriptions with the server, not this client's.
            "notifications/initialized" | "notifications/subscriptions/acknowledged" => Step::Drop,
            method if tells_status(method) => {
                let ids = self.tasks.as_ref().map(|tasks| &*tasks.ids);
                let told = ids.and_then(|ids| edit_status(data, ids));
                told.map_or(Step::Drop, Step::Forward)
            }
            _ => Step::Forward(match &self.tasks {
                Some(tasks) => tasks.in_message(data),
                None => data.clone(),
            }),
        }
    }

    fn progress(&self, data: &Bytes, notification: &Notification<'_>) -> Step {
        let theirs = notification
            .params
            .as_ref()
            .and_then(|params| params.progress_token);
        let (Some(ours), Some(theirs)) = (&self.progress_token, theirs) else {
            return Step::Drop;
        };
        let Some(server_id) = &self.server_id else {
            return if same_id(theirs.raw, ours) {
                Step::Forward(data.clone())
            } else {
                Step::Drop
            };
        };
        if !same_id(theirs.raw, server_id) {
            return Step::Drop;
        }
        let mut splice = Splice::new(data);
        splice.replace(theirs.span, &ours[..]);
        splice.finish().map_or(Step::Drop, Step::Forward)
    }

    fn request(&self, request: &envelope::Request<'_>) -> Step {
        if self.server_era == Era::Modern {
            // The standard forbids them there, and there is nowhere to answer.
            return Step::Drop;
        }
        if request.method.value == "ping" {
            return Step::Reply(reply_to(request));
        }
        Step::Ask
    }

    /// An answer of a stateless server that asks for input, as a client of that era gets it: with the state sealed.
    pub(crate) fn input_required(&self, data: &Bytes, seal: impl FnOnce(&str) -> String) -> Bytes {
        let Ok(Message::Response(response)) = envelope::parse(data, &Limits::default()) else {
            return self.refuse("The answer of the server could not be passed on.");
        };
        let mut splice = Splice::new(data);
        if let (Some(id), Some(_)) = (response.id, &self.server_id) {
            splice.replace(id.span, &self.client_id[..]);
        }
        if let Outcome::Result(result) = &response.outcome
            && let Some(state) = &result.request_state
        {
            splice.replace_string(state.span, &seal(&state.value));
        }
        if splice.is_empty() {
            return data.clone();
        }
        splice
            .finish()
            .unwrap_or_else(|_| self.refuse("The answer of the server could not be passed on."))
    }
}

/// The answer to a request of a server if no client can be asked: a `ping` is answered, everything else is refused.
pub(crate) fn reply_to(request: &envelope::Request<'_>) -> Bytes {
    let id = request.id.to_owned();
    if request.method.value == "ping" {
        return jsonrpc::write_result(&id, b"{}");
    }
    let refusal = Question::of(request).map_or_else(
        || Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found."),
        Question::not_declared,
    );
    refusal.to_response(Some(&id), Era::Legacy)
}

/// The `error` object of a refusal.
fn error_object(refusal: &Refusal) -> Vec<u8> {
    let message = json_string(&refusal.message);
    format!(r#"{{"code":{},"message":{message}}}"#, refusal.code.0).into_bytes()
}
