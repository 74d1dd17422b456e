//! Requests about tasks: which task of which server one is about, and the list of a user's tasks (2025-11-25
//! basic/utilities/tasks; the extension `io.modelcontextprotocol/tasks` of 2026-07-28).

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Limited};

use super::{
    answer::Answer,
    calls::takes_stream,
    methods::{Asking, Client},
    reply,
    service::Endpoint,
};
use crate::{
    federation::{
        aim::Aim,
        call::{Call, CallError, TaskError},
        offered::Offered,
        resolved::Resolved,
        task_news::TaskNews,
    },
    peer::{
        call_guard::CallGuard,
        outgoing,
        respondent::Respondent,
        seals::Task,
        tasks::{OfTasks, declares_tasks},
        transport::Transport,
    },
    wire::{
        capabilities::Capability,
        envelope::{self, Limits, Message, Outcome, Request},
        jsonrpc::{ErrorCode, Refusal},
        listing::ListKind,
        log_level::Logs,
        media_type::{MediaType, media_type},
        question::ClientCapabilities,
        scan::{self, Kind},
        splice::Splice,
        sse::Decoder,
        task_ids::{TaskIds as _, asks_for_task},
        version::Era,
    },
};

/// Bytes of one page of the tasks of a server.
const PAGE_MAX: usize = 1024 * 1024;
/// Pages that are read of one server.
const PAGES_MAX: usize = 16;
/// The maximum number of tasks of a server that are listed, and at most [`PAGE_MAX`] bytes of them.
const TASKS_MAX: usize = 256;

impl<T: Transport> Endpoint<T> {
    /// The task that a request is about, if any.
    pub(super) fn task_of(&self, asking: &Asking<'_>) -> Result<Option<Task>, CallError> {
        if !asks_for_task(&asking.request.method.value) {
            return Ok(None);
        }
        if let Client::Modern(meta) = asking.client
            && !declares_tasks(meta.client_capabilities.of(asking.body))
        {
            return Err(TaskError::NotDeclared.into());
        }
        let params = asking.request.params.as_ref();
        let id = params.and_then(|params| params.task_id.as_ref());
        let id = id.ok_or(CallError::NoTask)?;
        let (gateway, caller) = (asking.plan.gateway_id, asking.caller.key);
        let task = self.mailbox.task_of(gateway, caller, &id.value);
        Ok(Some(task.ok_or(TaskError::Foreign)?))
    }

    /// What servers report about tasks that a subscription names. One that its client cannot have got here is left out of the
    /// acknowledgement.
    pub(super) async fn told_tasks(
        &self,
        asking: &Asking<'_>,
        ids: &[Box<str>],
        subscription: &Bytes,
    ) -> Option<TaskNews> {
        let (plan, caller) = (asking.plan, asking.caller);
        let opened = ids.iter().filter_map(|id| {
            let task = self.mailbox.task_of(plan.gateway_id, caller.key, id)?;
            Some((task, String::from(&**id)))
        });
        let tasks: Vec<_> = opened.collect();
        if tasks.is_empty() {
            return None;
        }
        // Boxed because it is rare and large.
        let telling = self.federation.tell_of_tasks(plan, caller, tasks, subscription);
        Some(Box::pin(telling).await)
    }

    /// Answers `tasks/list`: the tasks that this user began here, or has asked for. What else a server lists may be another
    /// user's: many servers take all users of a gateway for one.
    pub(super) async fn list_tasks(&self, asking: &Asking<'_>) -> Response<Answer<T::Body>> {
        let (request, era) = (asking.request, asking.client.era());
        let refuse = |code, why| {
            let refusal = Refusal::new(code, why);
            reply::refusal(&refusal, Some(&request.id.to_owned()), era)
        };
        if !asking.plan.servers.iter().any(lists_tasks) {
            return refuse(ErrorCode::METHOD_NOT_FOUND, "Method not found.");
        }
        if request
            .params
            .as_ref()
            .is_some_and(|params| params.cursor.is_some())
        {
            return refuse(
                ErrorCode::INVALID_PARAMS,
                "Unknown cursor; list again from the beginning.",
            );
        }
        let reading = (asking.plan.servers.iter().enumerate()).map(|(place, offered)| async move {
            let id = offered.server.upstream.config.id;
            if !lists_tasks(offered) || !self.mailbox.tasks.has_any(asking.caller.key, id) {
                return Vec::new();
            }
            self.tasks_at(asking, place).await
        });
        let tasks: Vec<_> = futures_util::future::join_all(reading).await.concat();
        let result = format!(r#"{{"tasks":[{}]}}"#, tasks.join(","));
        reply::result(request.id.raw, result.into())
    }

    /// The tasks of a user that a server lists, as JSON texts with the ids that the user knows. What a server that fails would
    /// list is left out.
    async fn tasks_at(&self, asking: &Asking<'_>, place: usize) -> Vec<String> {
        let upstream = &asking.plan.servers[place].server.upstream;
        let ids = OfTasks::new(&self.respondent(asking), asking.caller.key, upstream);
        let (mut tasks, mut bytes, mut cursor) = (Vec::new(), 0, None::<String>);
        for _ in 0..PAGES_MAX {
            let page = self.page_of_tasks(asking, place, cursor.as_deref());
            let page = tokio::time::timeout(upstream.config.timeout, page).await;
            let Some(page) = page.ok().flatten() else {
                tracing::info!(server = upstream.slug(), "the tasks of a server are left out");
                break;
            };
            let Ok(Message::Response(response)) = envelope::parse(&page, &Limits::default()) else {
                break;
            };
            let Outcome::Result(result) = response.outcome else {
                break;
            };
            let [listed] = scan::pick(&page, result.span, ["tasks"]).unwrap_or_default();
            let Some(listed) = listed.filter(|listed| listed.kind == Kind::Array) else {
                break;
            };
            let elements = scan::each_element(&page, listed.value).map_while(Result::ok);
            for task in elements.filter_map(|(task, _)| known_task(task.of(&page), &ids)) {
                bytes += task.len();
                if bytes > PAGE_MAX || tasks.len() >= TASKS_MAX {
                    return tasks;
                }
                tasks.push(task);
            }
            match result.next_cursor.map(|next| next.value.into_owned()) {
                Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => break,
            }
        }
        tasks
    }

    /// One page of what a server lists, a response; `None` if it does not return one.
    async fn page_of_tasks(&self, asking: &Asking<'_>, place: usize, cursor: Option<&str>) -> Option<Bytes> {
        let params = cursor.map_or_else(
            || "{}".to_owned(),
            |cursor| format!(r#"{{"cursor":{}}}"#, crate::wire::json::json_string(cursor)),
        );
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/list","params":{params}}}"#);
        let body = Bytes::from(body);
        let Ok(Message::Request(request)) = envelope::parse(&body, &Limits::default()) else {
            return None;
        };
        let call = self.call_for(asking, (&request, &body));
        let guard = CallGuard::new(asking.caller.slot(), None);
        let (found, mut noted) = (Resolved::unlisted(place), None);
        let calling = self.federation.call(&call, found, &mut noted, guard, None);
        let answer = reply::answered(calling.await.ok()?);
        let kind = media_type(answer.headers());
        let whole = Limited::new(answer.into_body(), PAGE_MAX).collect().await.ok()?;
        let whole = whole.to_bytes();
        if kind != MediaType::EventStream {
            return Some(whole);
        }
        let mut decoder = Decoder::new(PAGE_MAX);
        decoder.push(whole);
        let is_response = |message: &Bytes| {
            let parsed = envelope::parse(message, &Limits::default());
            matches!(parsed, Ok(Message::Response(_)))
        };
        std::iter::from_fn(|| decoder.next_event().ok().flatten())
            .map(|event| event.data)
            .find(is_response)
    }

    /// Our own request in place of a client's.
    fn call_for<'a>(
        &'a self,
        asking: &'a Asking<'_>,
        (request, body): (&'a Request<'a>, &'a Bytes),
    ) -> Call<'a> {
        Call {
            plan: asking.plan,
            headers: None,
            // It names nothing, so nothing is renamed in it.
            aim: Aim {
                kind: ListKind::Tools,
                text: &request.method,
            },
            task: None,
            message: outgoing::Call {
                caller: asking.caller,
                client_era: asking.client.era(),
                // It must not open the stream that the session listens with: no client could be asked on that.
                logs: Logs::None,
                takes_stream: asking.headers.is_some_and(takes_stream),
                // What a server asks with the answer is not read.
                client: Respondent {
                    can: ClientCapabilities::default(),
                    session: None,
                    ..self.respondent(asking)
                },
                state: None,
                trace: None,
                body,
                request,
            },
        }
    }
}

/// Whether a server lists tasks to clients of the era with sessions.
fn lists_tasks(offered: &Offered) -> bool {
    let upstream = &offered.server.upstream;
    let declared = upstream.declared().unwrap_or_default();
    offered.offers_tools() && upstream.era() == Some(Era::Legacy) && declared.has(Capability::TaskList)
}

/// A task that a server lists, with the ID that the user knows; `None` if it is not known to be theirs.
fn known_task(task: &[u8], ids: &OfTasks) -> Option<String> {
    let object = scan::Span::new(0, task.len());
    let [id] = scan::pick(task, object, ["taskId"]).ok()?;
    let id = id?.value;
    let ours = ids.known(&scan::decode_string(id.of(task))?)?;
    let mut splice = Splice::new(task);
    splice.replace_string(id, &ours);
    String::from_utf8(splice.finish().ok()?.to_vec()).ok()
}
