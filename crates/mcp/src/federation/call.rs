//! A request that names something of a server: found in the gateway's selection, and sent to the server it leads to.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use super::{
    aim::Aim, catalog_read::catalog, catalogs::Freshness, plan::Plan, resolved::Resolved, server::Server,
    servers::Federation,
};
use crate::{
    peer::{
        call::{Attempt, Line},
        call_guard::{CallGuard, Lists as _},
        held::Retry,
        incoming::Answered,
        outgoing::{self, To},
        peers::Peers,
        seals::{Nonce, StateError, Task},
        unavailable::Unavailable,
        upstream::Upstream,
    },
    wire::{
        extensions::TASKS,
        headers::HeaderMismatch,
        json::json_string,
        jsonrpc::{ErrorCode, Refusal},
        listing::{Entry, ListKind},
        version::Era,
    },
};

/// Why a task cannot be asked for, or a tool not be called as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TaskError {
    /// Its id is not one that the user got here.
    #[error(
        "`taskId` was not issued by this gateway to this user, or it was altered. Use the ID as in the response that started the task."
    )]
    Foreign,
    /// Its server is no longer part of the gateway.
    #[error("The server of this task is no longer part of this gateway, so the task is not available here.")]
    ServerGone,
    /// Its server is of the other era.
    #[error(
        "The server of this task uses a revision of MCP in which tasks have a different form. Use a client of the revision that the task was started with."
    )]
    OtherEra,
    /// The tool works only as a task, and the client has no way to ask for one.
    #[error(
        "The tool works only as a task of revision 2025-11-25, which clients of later revisions cannot request."
    )]
    OnlyTask,
    /// The client does not declare that it can follow tasks.
    #[error("Missing required client capability: declare the extension `io.modelcontextprotocol/tasks`.")]
    NotDeclared,
}

impl From<TaskError> for Refusal {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::NotDeclared => {
                let required = format!(r#"{{"requiredCapabilities":{{"extensions":{{"{TASKS}":{{}}}}}}}}"#);
                Self::new(ErrorCode::MISSING_CLIENT_CAPABILITY, error.to_string()).with_data(required)
            }
            TaskError::Foreign | TaskError::ServerGone | TaskError::OtherEra | TaskError::OnlyTask => {
                Self::new(ErrorCode::INVALID_PARAMS, error.to_string())
            }
        }
    }
}

/// Why a call got no answer of its server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It names nothing of this kind: the member that should is missing.
    #[error("{1} is missing")]
    NoName(ListKind, &'static str),
    /// It does not say what is to be completed.
    #[error("params.ref is missing")]
    NoReference,
    /// The gateway offers nothing of this kind under that name.
    #[error("unknown name")]
    Unknown(ListKind, String),
    /// Mirrored headers and arguments differ.
    #[error(transparent)]
    Headers(#[from] HeaderMismatch),
    /// The state it comes with is not accepted.
    #[error(transparent)]
    State(StateError),
    /// It does not say which task it is about.
    #[error("params.taskId is missing")]
    NoTask,
    /// The task it is about cannot be asked for.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// It led to a server, and no further.
    #[error(transparent)]
    Server(#[from] outgoing::CallError),
}

impl CallError {
    /// Why a server did not return a usable answer, if it was asked for one.
    pub(crate) const fn unavailable(&self) -> Option<&Unavailable> {
        match self {
            Self::Server(outgoing::CallError::Unavailable(why) | outgoing::CallError::Unanswered(why)) => {
                Some(why)
            }
            _ => None,
        }
    }

    /// Whether the client has cancelled it.
    pub(crate) const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Server(outgoing::CallError::Cancelled))
    }

    /// The client has cancelled it.
    pub(crate) const fn cancelled() -> Self {
        Self::Server(outgoing::CallError::Cancelled)
    }

    const fn unanswered(why: Unavailable) -> Self {
        Self::Server(outgoing::CallError::Unanswered(why))
    }
}

impl From<Unavailable> for CallError {
    fn from(why: Unavailable) -> Self {
        Self::Server(why.into())
    }
}

impl CallError {
    /// The same as a client of this era receives it.
    pub(crate) fn refusal(&self, era: Era) -> Refusal {
        match self {
            Self::NoReference => Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "params.ref is missing or of an unknown type; send a reference of type `ref/prompt` or `ref/resource`.",
            ),
            Self::NoName(kind, member) => Refusal::new(
                ErrorCode::INVALID_PARAMS,
                format!(
                    "{member} is missing; send the {} of a {} from {}.",
                    kind.key(),
                    kind.singular(),
                    kind.method()
                ),
            ),
            // Older revisions have their own code (2025-11-25 server/resources, "Error Handling"), though not for
            // what a reference names (server/utilities/completion, "Error Handling").
            Self::Unknown(kind @ (ListKind::Resources | ListKind::ResourceTemplates), uri) => {
                let code = match (era, kind) {
                    (Era::Legacy, ListKind::Resources) => ErrorCode::LEGACY_RESOURCE_NOT_FOUND,
                    _ => ErrorCode::INVALID_PARAMS,
                };
                Refusal::new(code, "Resource not found")
                    .with_data(format!(r#"{{"uri":{}}}"#, json_string(uri)))
            }
            Self::Unknown(kind, name) => Refusal::new(
                ErrorCode::INVALID_PARAMS,
                format!("Unknown {}: {name}", kind.singular()),
            ),
            Self::Headers(mismatch) => Refusal::from(mismatch),
            Self::NoTask => Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "params.taskId is missing; send the ID of a task as in the response that started it.",
            ),
            Self::Task(why) => Refusal::from(*why),
            Self::State(why) => Refusal::new(ErrorCode::INVALID_PARAMS, why.to_string()),
            Self::Server(error) => Refusal::from(error),
        }
    }
}

/// A call at a gateway.
pub(crate) struct Call<'a> {
    pub(crate) plan: &'a Plan,
    /// The headers it came with, if they have to mirror the call.
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) message: outgoing::Call<'a>,
    /// What it names.
    pub(crate) aim: Aim<'a>,
    /// The task it is about, if any.
    pub(crate) task: Option<&'a Task>,
}

impl Call<'_> {
    fn wants_progress(&self) -> bool {
        let meta = self.message.request.meta();
        meta.is_some_and(|meta| meta.progress_token.is_some())
    }

    /// Tasks have a different form in each era, and one that is begun in one era cannot be requested in the other.
    fn check_tasks(&self, entry: Option<&Entry>, line: &Line) -> Result<(), TaskError> {
        let era = match line {
            Line::Modern => Era::Modern,
            Line::Legacy(_) => Era::Legacy,
        };
        if era == self.message.client_era {
            return Ok(());
        }
        if self.task.is_some() {
            return Err(TaskError::OtherEra);
        }
        match (self.message.client_era, entry) {
            (Era::Modern, Some(entry)) if entry.is_only_task => Err(TaskError::OnlyTask),
            _ => Ok(()),
        }
    }

    /// Checks the mirrored parameters of a client that must send them, and derives them afresh for the server.
    fn mirrored(&self, entry: Option<&Entry>) -> Result<Vec<(HeaderName, HeaderValue)>, HeaderMismatch> {
        let Some(entry) = entry.filter(|entry| !entry.param_headers.is_empty()) else {
            return Ok(Vec::new());
        };
        let params = self.message.request.params.as_ref();
        let arguments = params
            .and_then(|params| params.arguments)
            .map(|span| span.of(self.message.body));
        if self.message.client_era == Era::Modern
            && let Some(headers) = self.headers
        {
            entry.param_headers.check(headers, arguments)?;
        }
        entry.param_headers.derive(arguments)
    }
}

impl<P: Peers> Federation<P> {
    /// Where a call leads. Its name is looked up here, once; what is found travels with the call.
    pub(crate) async fn find(&self, call: &Call<'_>) -> Result<Resolved, CallError> {
        if let Some(task) = call.task {
            let place = call.plan.place_of(task.server);
            // The tool that started it is no longer known; a server without tools has no tasks to lead to.
            let place = place.filter(|place| call.plan.servers[*place].offers_tools());
            return Ok(Resolved::unlisted(place.ok_or(TaskError::ServerGone)?));
        }
        if !call.aim.kind.is_named() {
            return self.find_by_uri(call).await;
        }
        match self.resolve(call, Freshness::Any).await? {
            Some(found) => Ok(found),
            None => Box::pin(self.look_again(call)).await,
        }
    }

    /// Where a URI leads; a template can be named itself, to complete its variables.
    async fn find_by_uri(&self, call: &Call<'_>) -> Result<Resolved, CallError> {
        if call.aim.kind == ListKind::ResourceTemplates {
            let (plan, caller) = (call.plan, call.message.caller);
            let templates = self.view(plan, call.aim.kind, caller, Freshness::Any, None).await;
            if let Some(found) = templates
                .ok()
                .and_then(|seen| Resolved::of(&seen.view, call.aim.name()))
            {
                return Ok(found);
            }
        }
        self.find_resource(call).await
    }

    async fn resolve(&self, call: &Call<'_>, freshness: Freshness) -> Result<Option<Resolved>, CallError> {
        let (plan, caller, Aim { kind, .. }) = (call.plan, call.message.caller, call.aim);
        let name = call.aim.name();
        let seen = self.view(plan, kind, caller, freshness, Some(name)).await?;
        Ok(Resolved::of(&seen.view, name))
    }

    /// Asks the servers again, because this name was unknown.
    async fn look_again(&self, call: &Call<'_>) -> Result<Resolved, CallError> {
        let (plan, caller, Aim { kind, .. }) = (call.plan, call.message.caller, call.aim);
        let name = call.aim.name();
        let seen = self
            .view(plan, kind, caller, Freshness::LookAgain, Some(name))
            .await?;
        if let Some(found) = Resolved::of(&seen.view, name) {
            return Ok(found);
        }
        match seen.view.missing_server(plan.naming, &plan.servers, name) {
            Some((place, upstream)) => {
                let just_now = seen.failure.filter(|(failed, _)| *failed == place);
                let why = just_now.map(|(_, why)| why);
                let why = why.or_else(|| Some(Unavailable::clone(&*upstream.failure(self.peers.now())?)));
                Err(why.unwrap_or_else(|| upstream.unreachable()).into())
            }
            None => Err(CallError::Unknown(kind, name.to_owned())),
        }
    }

    /// Makes a call. `noted` receives the server.
    pub(crate) async fn call(
        &self,
        call: &Call<'_>,
        mut found: Resolved,
        noted: &mut Option<Arc<Upstream>>,
        mut guard: CallGuard,
        cancelled: Option<&CancellationToken>,
    ) -> Result<Answered<P::Body>, CallError> {
        // Where nothing is to be sent twice, not even what certainly did nothing is.
        let mut repeats = true;
        let mut may_repeat =
            |upstream: &Upstream| std::mem::take(&mut repeats) && upstream.config.retries > 0;
        loop {
            let server = found.server(&call.plan.servers);
            let upstream = &server.upstream;
            *noted = Some(Arc::clone(upstream));
            let message = &call.message;
            let line = self.peers.line(upstream, message.caller).await?;
            let entry = found.entry();
            call.check_tasks(entry, &line)?;
            if call.aim.kind == ListKind::Tools {
                self.note_page(call.plan, message.caller, server, entry);
            }
            let unlisted = call.task.map_or(call.aim.name(), |task| &*task.id);
            let to = To {
                upstream,
                text: call.aim.text,
                name: entry.map_or(unlisted, |entry| &*entry.key),
                mirrored: call.mirrored(entry)?,
            };
            guard.keep_informed(Arc::clone(server) as _);
            // Only a call whose client wants progress pays for it, and only if its session is not listened to anyway.
            let is_heard = message.caller.conversation.is_some_and(|one| one.is_heard_aside);
            if matches!(line, Line::Legacy(_)) && call.wants_progress() && !is_heard {
                guard.listen_with(self.listen_for_call(call.plan.project, server, call.message.caller));
            }
            let attempt = self.peers.call(line, &call.message, to, guard, cancelled).await?;
            let (kept, why, listed_now) = match attempt {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Again(guard, why) => (guard, why, None),
                Attempt::HeadersRefused {
                    guard,
                    mirrored,
                    surely_undone,
                } => {
                    let why = upstream.not_mcp("it refuses the headers that its own list asks for");
                    if call.task.is_some() {
                        return Err(CallError::unanswered(why));
                    }
                    // Boxed because it is rare and large.
                    let now = Box::pin(self.listed_now(call, server)).await?;
                    let sent_now = now
                        .as_ref()
                        .map_or_else(|| Ok(Vec::new()), |now| call.mirrored(now.entry()));
                    if !surely_undone || sent_now? == mirrored {
                        return Err(CallError::unanswered(why));
                    }
                    (guard, why, Some(now))
                }
            };
            if !may_repeat(upstream) {
                return Err(CallError::unanswered(why));
            }
            guard = kept;
            found = match listed_now {
                None => found,
                Some(Some(found)) => found,
                Some(None) => return Err(CallError::Unknown(call.aim.kind, call.aim.name().to_owned())),
            };
        }
    }

    /// Continues a call that is held, whose client has come back; `None` if it is no longer held.
    pub(crate) fn resume(&self, retry: Retry<'_>, held: Nonce) -> Option<(Arc<Upstream>, Answered<P::Body>)> {
        self.peers.resume(retry, held)
    }

    /// Where a call leads by the list that its server has now.
    async fn listed_now(&self, call: &Call<'_>, server: &Arc<Server>) -> Result<Option<Resolved>, CallError> {
        let (kind, caller) = (call.aim.kind, call.message.caller);
        server.has_changed(kind, caller.slot());
        catalog(&self.lists, server, kind, caller, Freshness::Fresh).await?;
        self.resolve(call, Freshness::Any).await
    }
}
