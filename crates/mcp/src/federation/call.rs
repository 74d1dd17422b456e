//! `tools/call`: found in the gateway's selection, and sent to the server it leads to.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use super::{
    catalog_read::catalog, catalogs::Freshness, plan::Plan, resolved::Resolved, server::Server,
    servers::Federation,
};
use crate::{
    peer::{
        call::Attempt,
        call_guard::{CallGuard, Lists as _},
        incoming::Answered,
        outgoing::{self, To},
        peers::Peers,
        unavailable::Unavailable,
        upstream::Upstream,
    },
    wire::{
        headers::HeaderMismatch,
        jsonrpc::{ErrorCode, Refusal},
        listing::{Entry, ListKind},
        version::Era,
    },
};

/// Why a call got no answer of its server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The call has no name of a tool.
    #[error("params.name is missing")]
    NoName,
    /// The gateway offers no tool of that name.
    #[error("unknown tool")]
    UnknownTool(String),
    /// Mirrored headers and arguments differ.
    #[error(transparent)]
    Headers(#[from] HeaderMismatch),
    /// It led to a server, and no further.
    #[error(transparent)]
    Server(#[from] outgoing::CallError),
}

impl CallError {
    /// Why a server gave no usable answer, where it was asked for one.
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

impl From<&CallError> for Refusal {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::NoName => Self::new(
                ErrorCode::INVALID_PARAMS,
                "params.name is missing; give the name of a tool from tools/list.",
            ),
            CallError::UnknownTool(name) => {
                Self::new(ErrorCode::INVALID_PARAMS, format!("Unknown tool: {name}"))
            }
            CallError::Headers(mismatch) => Self::from(mismatch),
            CallError::Server(error) => Self::from(error),
        }
    }
}

/// A call at a gateway.
pub(crate) struct Call<'a> {
    pub(crate) plan: &'a Plan,
    /// The headers it came with.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) message: outgoing::Call<'a>,
}

impl Call<'_> {
    fn name(&self) -> Result<&str, CallError> {
        let params = self.message.request.params.as_ref();
        let name = params.and_then(|params| params.name.as_ref());
        name.map(|name| &*name.value).ok_or(CallError::NoName)
    }

    /// Checks the mirrored parameters of a client that must send them, and derives them afresh for the server.
    fn mirrored(&self, entry: &Entry) -> Result<Vec<(HeaderName, HeaderValue)>, HeaderMismatch> {
        if entry.param_headers.is_empty() {
            return Ok(Vec::new());
        }
        let params = self.message.request.params.as_ref();
        let arguments = params
            .and_then(|params| params.arguments)
            .map(|span| span.of(self.message.body));
        if self.message.client_era == Era::Modern {
            entry.param_headers.check(self.headers, arguments)?;
        }
        entry.param_headers.derive(arguments)
    }
}

impl<P: Peers> Federation<P> {
    /// Where a call leads.
    pub(crate) async fn find(&self, call: &Call<'_>) -> Result<Resolved, CallError> {
        let name = call.name()?;
        match self.resolve(call, Freshness::Any).await? {
            Some(found) => Ok(found),
            None => Box::pin(self.look_again(call, name)).await,
        }
    }

    async fn resolve(&self, call: &Call<'_>, freshness: Freshness) -> Result<Option<Resolved>, CallError> {
        let name = call.name()?;
        let seen = self
            .view(
                call.plan,
                ListKind::Tools,
                call.message.caller,
                freshness,
                Some(name),
            )
            .await?;
        Ok(Resolved::of(&seen.view, name))
    }

    /// Asks again what tools there are, because none of this name was known.
    async fn look_again(&self, call: &Call<'_>, name: &str) -> Result<Resolved, CallError> {
        let (plan, caller) = (call.plan, call.message.caller);
        let seen = self
            .view(plan, ListKind::Tools, caller, Freshness::LookAgain, Some(name))
            .await?;
        if let Some(found) = Resolved::of(&seen.view, name) {
            return Ok(found);
        }
        match seen.view.missing_server(plan.naming, &plan.servers, name) {
            Some(upstream) => {
                let why = upstream.failure(self.peers.now());
                Err(why
                    .map_or_else(|| upstream.unreachable(), |why| Unavailable::clone(&why))
                    .into())
            }
            None => Err(CallError::UnknownTool(name.to_owned())),
        }
    }

    /// Makes a call. `noted` is told the server.
    pub(crate) async fn call(
        &self,
        call: &Call<'_>,
        mut found: Resolved,
        noted: &mut Option<Arc<Upstream>>,
        mut guard: CallGuard,
        cancelled: Option<&CancellationToken>,
    ) -> Result<Answered<P::Body>, CallError> {
        // Where nothing is to be sent twice, not even what surely did nothing is.
        let mut repeats = true;
        let mut may_repeat =
            |upstream: &Upstream| std::mem::take(&mut repeats) && upstream.config.retries > 0;
        loop {
            let server = found.server(&call.plan.servers);
            let upstream = &server.upstream;
            *noted = Some(Arc::clone(upstream));
            let line = self.peers.line(upstream, call.message.caller).await?;
            let entry = found.entry();
            let to = To {
                upstream,
                name: &entry.key,
                mirrored: call.mirrored(entry)?,
            };
            guard.keep_informed(Arc::clone(server) as _);
            let attempt = self.peers.call(line, &call.message, to, guard, cancelled).await?;
            let (kept, why) = match attempt {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Again(guard, why) => (guard, why),
                Attempt::HeadersRefused {
                    guard,
                    mirrored,
                    surely_undone,
                } => {
                    let why = upstream.not_mcp("it refuses the headers that its own list asks for");
                    // Boxed because it is rare and large.
                    let now = Box::pin(self.mirrored_now(call, server, surely_undone)).await?;
                    if now.is_none_or(|now| now == mirrored) {
                        return Err(CallError::unanswered(why));
                    }
                    (guard, why)
                }
            };
            if !may_repeat(upstream) {
                return Err(CallError::unanswered(why));
            }
            guard = kept;
            let again = self.resolve(call, Freshness::Any).await?;
            found = match again {
                Some(found) => found,
                None => return Err(CallError::UnknownTool(call.name()?.to_owned())),
            };
        }
    }

    /// Reads the list of a server once more, and derives from it the mirrored parameters of a call that may be sent once more.
    async fn mirrored_now(
        &self,
        call: &Call<'_>,
        server: &Arc<Server>,
        may_be_sent: bool,
    ) -> Result<Option<Vec<(HeaderName, HeaderValue)>>, CallError> {
        let caller = call.message.caller;
        server.has_changed(ListKind::Tools, caller.key);
        catalog(&self.lists, server, ListKind::Tools, caller, Freshness::Fresh).await?;
        let found = self.resolve(call, Freshness::Any).await?;
        if !may_be_sent {
            return Ok(None);
        }
        let mirrored = found.map_or_else(|| Ok(Vec::new()), |found| call.mirrored(found.entry()))?;
        Ok(Some(mirrored))
    }
}
