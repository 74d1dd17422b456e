//! The form a call takes for its server: renamed, with ids and metadata of the server's era, everything else as it came.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use super::{plan::Plan, view::View};
use crate::{
    endpoint::session::Session,
    peer::{
        about::CLIENT_INFO,
        budget::BUSY,
        call_guard::{CallGuard, SessionCall},
        caller::Caller,
        net::Net,
        session::{UpstreamSession, session_headers},
        transport::Transport,
        unavailable::Unavailable,
        upstream::{ASSERTION, Upstream},
    },
    wire::{
        bridge::Bridge,
        envelope,
        headers::{self, HeaderMismatch},
        id::number,
        jsonrpc::{ErrorCode, Refusal},
        meta::{self, ClientFacts, ModernMeta},
        splice::{Splice, SpliceError},
        version::{Era, ProtocolVersion},
    },
};

/// How the client of a call speaks.
#[derive(Debug, Clone)]
pub(crate) enum Client {
    /// Stateless; what its `_meta` says.
    Modern(ModernMeta),
    /// Within a session.
    Legacy(Arc<Session>),
}

impl Client {
    pub(crate) const fn era(&self) -> Era {
        match self {
            Self::Modern(_) => Era::Modern,
            Self::Legacy(_) => Era::Legacy,
        }
    }
}

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
    /// Nothing was sent, because what must be known of the server could not be found out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The call was sent, and no usable answer came.
    #[error("{}", .0.of_call())]
    Unanswered(Unavailable),
    /// The body could not be rewritten for the server.
    #[error(transparent)]
    Splice(#[from] SpliceError),
    /// There is no room for the answer.
    #[error("too many large answers at once")]
    Busy,
    /// The client has cancelled it.
    #[error("cancelled")]
    Cancelled,
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
            CallError::Unavailable(why) => Self::new(ErrorCode::INTERNAL_ERROR, why.to_string()),
            CallError::Unanswered(why) => Self::new(ErrorCode::INTERNAL_ERROR, why.of_call()),
            CallError::Splice(_) => Self::new(ErrorCode::INVALID_REQUEST, "The request could not be read."),
            CallError::Busy => Self::new(ErrorCode::INTERNAL_ERROR, BUSY),
            CallError::Cancelled => Self::new(ErrorCode::INTERNAL_ERROR, "The request was cancelled."),
        }
    }
}

/// A call on its way.
pub(crate) struct Call<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) caller: Caller<'a>,
    pub(crate) client: Client,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) request: &'a envelope::Request<'a>,
}

/// A call in the form its server takes.
pub(crate) struct Outgoing {
    pub(crate) request: Request<Bytes>,
    pub(crate) bridge: Bridge,
    pub(crate) session: Option<Arc<UpstreamSession>>,
    /// The mirrored parameters among its headers.
    pub(crate) mirrored: Vec<(HeaderName, HeaderValue)>,
}

/// The call as a server with sessions takes it: with an id no other request of the session has.
pub(crate) fn within_session<T: Transport>(
    net: &Arc<Net<T>>,
    call: &Call<'_>,
    name: &str,
    view: &View,
    upstream: &Arc<Upstream>,
    session: Arc<UpstreamSession>,
    guard: &mut CallGuard,
) -> Result<Outgoing, CallError> {
    let id = number(session.next_id());
    let params = call.request.params.as_ref();
    let token = params
        .and_then(|params| params.meta.as_ref())
        .and_then(|meta| meta.progress_token);
    let mut splice = Splice::new(call.body);
    splice.replace(call.request.id.span, id.to_vec());
    if let Some(token) = token {
        splice.replace(token.span, id.to_vec());
    }
    rename(&mut splice, call, name, view)?;
    check_headers(call, name, view)?;
    if call.client.era() == Era::Modern {
        let edits = meta::legacy_edits(params);
        if !edits.is_empty() {
            splice.edit_meta(call.request.object, params, edits);
        }
    }
    let assertion = upstream.assertion(call.caller)?;
    let mut request = upstream.bare_request(Method::POST, splice.finish()?);
    if let Some(assertion) = &assertion {
        request.headers_mut().insert(ASSERTION, assertion.clone());
    }
    session_headers(&mut request, &session);
    guard.watch(SessionCall {
        net: Arc::clone(net),
        upstream: Arc::clone(upstream),
        session: Arc::clone(&session),
        assertion,
        id: id.clone(),
    });
    Ok(Outgoing {
        request,
        bridge: bridge(call, Era::Legacy, Some(id)),
        session: Some(session),
        mirrored: Vec::new(),
    })
}

/// The call as a stateless server takes it: unchanged but for a renamed tool, and the metadata of an older client.
pub(crate) fn modern(
    call: &Call<'_>,
    name: &str,
    view: &View,
    upstream: &Upstream,
) -> Result<Outgoing, CallError> {
    let mut splice = Splice::new(call.body);
    let upstream_name = rename(&mut splice, call, name, view)?;
    let derived = check_headers(call, name, view)?;
    if call.client.era() == Era::Legacy {
        let facts = ClientFacts {
            version: ProtocolVersion::LATEST_MODERN,
            client_info: Some(CLIENT_INFO),
            // What the client could do within its session cannot be passed on to a stateless server.
            client_capabilities: "{}",
            log_level: None,
        };
        splice.edit_meta(
            call.request.object,
            call.request.params.as_ref(),
            meta::modern_edits(&facts),
        );
    }
    let body = if splice.is_empty() {
        call.body.clone()
    } else {
        splice.finish()?
    };
    let mut request = upstream.request(Method::POST, call.caller, body)?;
    let map = request.headers_mut();
    headers::write(
        map,
        ProtocolVersion::LATEST_MODERN,
        "tools/call",
        Some(upstream_name),
    );
    for (name, value) in &derived {
        map.insert(name, value.clone());
    }
    Ok(Outgoing {
        request,
        bridge: bridge(call, Era::Modern, None),
        session: None,
        mirrored: derived,
    })
}

/// Puts the name the tool has at its server where the client's is; gives that name.
fn rename<'v>(
    splice: &mut Splice<'_>,
    call: &Call<'_>,
    name: &str,
    view: &'v View,
) -> Result<&'v str, CallError> {
    let target = view
        .selected(name)
        .ok_or_else(|| CallError::UnknownTool(name.to_owned()))?;
    if *target.upstream_name != *name
        && let Some(text) = call
            .request
            .params
            .as_ref()
            .and_then(|params| params.name.as_ref())
    {
        splice.replace_string(text.span, &target.upstream_name);
    }
    Ok(&target.upstream_name)
}

/// Checks the mirrored parameters of a client that must send them, and derives them afresh for the server.
pub(crate) fn check_headers(
    call: &Call<'_>,
    name: &str,
    view: &View,
) -> Result<Vec<(HeaderName, HeaderValue)>, CallError> {
    let Some(entry) = view.entry(name).filter(|entry| !entry.param_headers.is_empty()) else {
        return Ok(Vec::new());
    };
    let arguments = call
        .request
        .params
        .as_ref()
        .and_then(|params| params.arguments)
        .map(|span| span.of(call.body));
    if call.client.era() == Era::Modern {
        entry.param_headers.check(call.headers, arguments)?;
    }
    Ok(entry.param_headers.derive(arguments)?)
}

fn bridge(call: &Call<'_>, server_era: Era, server_id: Option<Bytes>) -> Bridge {
    let meta = call
        .request
        .params
        .as_ref()
        .and_then(|params| params.meta.as_ref());
    Bridge {
        client_era: call.client.era(),
        server_era,
        client_id: Bytes::copy_from_slice(call.request.id.raw.as_bytes()),
        server_id,
        progress_token: meta
            .and_then(|meta| meta.progress_token)
            .map(|token| Bytes::copy_from_slice(token.raw.as_bytes())),
        wants_logs: match &call.client {
            Client::Modern(meta) => meta.log_level.is_some(),
            // The `logging` capability is not offered to sessions.
            Client::Legacy(_) => false,
        },
    }
}
