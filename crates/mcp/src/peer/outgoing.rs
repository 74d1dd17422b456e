//! The form a call takes for its server: renamed, with ids and metadata of the server's era, everything else as it came.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::id::ServerId;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use super::{
    about::CLIENT_INFO,
    budget::BUSY,
    call_guard::{CallGuard, SessionCall},
    caller::Caller,
    carried,
    net::Net,
    progress::{Progress, Takes},
    respondent::Respondent,
    session::{SlotKey, UpstreamSession, session_headers},
    tasks,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
};
use crate::wire::{
    bridge::Bridge,
    envelope, headers, id,
    jsonrpc::{ErrorCode, Refusal},
    log_level::{LogLevel, Logs},
    meta::{self, ClientFacts},
    splice::{Splice, SpliceError},
    version::{Era, ProtocolVersion},
};

/// A call of a client.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Whose it is.
    pub(crate) caller: Caller<'a>,
    /// The era of the client.
    pub(crate) client_era: Era,
    /// Which log messages the client wants.
    pub(crate) logs: Logs,
    /// Whether the client takes a stream as the answer.
    pub(crate) takes_stream: bool,
    /// What the client can be asked, and how.
    pub(crate) client: Respondent<'a>,
    /// The state of the server that the client sends with it, opened: that of an earlier round.
    pub(crate) state: Option<(ServerId, &'a str)>,
    /// The trace that it takes along.
    pub(crate) trace: Option<carried::Sent<'a>>,
    /// The message as it came.
    pub(crate) body: &'a Bytes,
    /// The same, read.
    pub(crate) request: &'a envelope::Request<'a>,
}

impl Call<'_> {
    /// Whose session with a server it runs in.
    pub(super) fn slot(&self) -> SlotKey {
        self.caller.slot()
    }

    /// The state of this server that the client sends with it.
    fn state_for(&self, upstream: &Upstream) -> Result<Option<&str>, CallError> {
        match self.state {
            Some((server, _)) if server != upstream.config.id => Err(CallError::OtherServer),
            state => Ok(state.map(|(_, state)| state)),
        }
    }
}

/// Where a call goes.
pub(crate) struct To<'a> {
    /// The server.
    pub(crate) upstream: &'a Arc<Upstream>,
    /// What the call names, as the client wrote it.
    pub(crate) text: &'a envelope::Text<'a>,
    /// The same as the server knows it.
    pub(crate) name: &'a str,
    /// The parameters that a stateless server wants mirrored.
    pub(crate) mirrored: Vec<(HeaderName, HeaderValue)>,
}

/// Why a call got no answer of its server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing was sent, because what must be known about the server could not be found out.
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
    /// The state it comes with is that of another server.
    #[error("the state of another server")]
    OtherServer,
    /// It continues a call that is no longer held.
    #[error("no longer held")]
    NotHeld,
    /// It continues a call that another replica holds, and was not passed on to that.
    #[error("{0}")]
    NotPassedOn(&'static str),
}

impl From<&CallError> for Refusal {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Unavailable(why) => Self::new(ErrorCode::INTERNAL_ERROR, why.to_string()),
            CallError::Unanswered(why) => Self::new(ErrorCode::INTERNAL_ERROR, why.of_call()),
            CallError::Splice(_) => Self::new(ErrorCode::INVALID_REQUEST, "The request could not be read."),
            CallError::Busy => Self::new(ErrorCode::INTERNAL_ERROR, BUSY),
            CallError::Cancelled => Self::new(ErrorCode::INTERNAL_ERROR, "The request was cancelled."),
            CallError::OtherServer => Self::new(
                ErrorCode::INVALID_PARAMS,
                "`requestState` belongs to a server that no longer answers this request. Call again without `requestState` and `inputResponses`.",
            ),
            CallError::NotPassedOn(why) => Self::new(ErrorCode::INTERNAL_ERROR, *why),
            CallError::NotHeld => Self::new(
                ErrorCode::INVALID_PARAMS,
                "The call that waited for this answer is over: it was answered before, waited for too long, or the gateway was restarted. Call again without `requestState` and `inputResponses`; the server may have carried a part of it out.",
            ),
        }
    }
}

/// A call in the form its server takes.
pub(super) struct Outgoing {
    pub(crate) request: Request<Bytes>,
    pub(super) bridge: Bridge,
    pub(super) session: Option<Arc<UpstreamSession>>,
    /// The progress that is reported elsewhere, if the client wants any.
    pub(super) progress: Option<Progress>,
}

/// The call for a server with sessions: with an ID that is unique in the session.
pub(super) async fn within_session<T: Transport>(
    net: &Arc<Net<T>>,
    call: &Call<'_>,
    to: &To<'_>,
    session: Arc<UpstreamSession>,
    guard: &mut CallGuard,
) -> Result<Outgoing, CallError> {
    // A server with sessions has none that we would have sealed.
    if call.state.is_some() {
        return Err(CallError::OtherServer);
    }
    let (client, upstream) = (&call.client, to.upstream);
    let level = call.logs.level();
    if !client.can.is_empty() || level.is_some() {
        // Servers ask there too, and log. Only the first call of a session waits for it.
        let lists = guard.lists();
        let listening = async || {
            let aside = net.listen_aside(upstream, &session, call.caller, client, lists);
            aside.await.ok_or(())
        };
        // Without a place for it now, the next call tries again.
        let _ = session.aside.get_or_try_init(listening).await;
    }
    if let Some(level) = level {
        let is_shared = client.session.is_none();
        net.want_logs(to.upstream, call.caller, &session, level, is_shared)
            .await;
    }
    // A client with a session is asked on any of its streams.
    let can_be_asked = client.session.is_none() && !client.can.is_empty() && call.takes_stream;
    let takes = Takes {
        questions: can_be_asked,
        logs: level.is_some() && call.takes_stream,
    };
    let number = session.next_id();
    let id = id::number(number);
    let params = call.request.params.as_ref();
    let token = params
        .and_then(|params| params.meta.as_ref())
        .and_then(|meta| meta.progress_token);
    let mut splice = Splice::new(call.body);
    splice.replace(call.request.id.span, id.to_vec());
    if let Some(token) = token {
        splice.replace(token.span, id.to_vec());
    }
    rename(&mut splice, to);
    if let Some(trace) = &call.trace {
        trace.edit(&mut splice);
    }
    if call.client_era == Era::Modern {
        let edits = meta::legacy_edits(params);
        if !edits.is_empty() {
            splice.edit_meta(call.request.object, params, edits);
        }
        // It means nothing in the client's revision, and would be answered in a form that the client does not know.
        if let Some(params) = params.filter(|params| params.task.is_some()) {
            splice.remove_member(params.span, "task");
        }
    }
    let credentials = to.upstream.credentials(call.caller).await?;
    let mut request = to.upstream.bare_request(Method::POST, splice.finish()?);
    credentials.write(request.headers_mut());
    if let Some(trace) = &call.trace {
        trace.write(request.headers_mut());
    }
    session_headers(&mut request, &session);
    guard.watch(SessionCall {
        net: Arc::clone(net),
        upstream: Arc::clone(to.upstream),
        session: Arc::clone(&session),
        credentials,
        id: id.clone(),
    });
    Ok(Outgoing {
        request,
        bridge: bridge(call, to, Era::Legacy, Some(id)),
        // Only a call whose client wants progress or log messages, or can be asked with its answer, pays for it.
        progress: (token.is_some() || takes.questions || takes.logs)
            .then(|| Progress::of(&session, number, takes)),
        session: Some(session),
    })
}

/// The call for a stateless server: unchanged except for a name, and the metadata of an older client.
pub(super) async fn modern(call: &Call<'_>, to: &To<'_>) -> Result<Outgoing, CallError> {
    let mut splice = Splice::new(call.body);
    rename(&mut splice, to);
    if let Some(trace) = &call.trace {
        trace.edit(&mut splice);
    }
    let params = call.request.params.as_ref();
    if let Some(state) = call.state_for(to.upstream)?
        && let Some(sealed) = params.and_then(|params| params.request_state.as_ref())
    {
        splice.replace_string(sealed.span, state);
    }
    let declares;
    if call.client_era == Era::Legacy {
        declares = call.client.declares_in_request();
        let facts = ClientFacts {
            version: ProtocolVersion::LATEST_MODERN,
            client_info: Some(CLIENT_INFO),
            // What it could do within its session, we do with it on the stream of the call.
            client_capabilities: &declares,
            log_level: call.logs.level().map(LogLevel::as_str),
        };
        splice.edit_meta(call.request.object, params, meta::modern_edits(&facts));
    }
    let body = if splice.is_empty() {
        call.body.clone()
    } else {
        splice.finish()?
    };
    let mut request = to.upstream.request(Method::POST, call.caller, body).await?;
    if let Some(trace) = &call.trace {
        trace.write(request.headers_mut());
    }
    let method = &call.request.method.value;
    modern_headers(request.headers_mut(), method, to.name, &to.mirrored);
    Ok(Outgoing {
        request,
        bridge: bridge(call, to, Era::Modern, None),
        session: None,
        progress: None,
    })
}

/// The headers that mirror a call to a stateless server.
pub(super) fn modern_headers(
    map: &mut HeaderMap,
    method: &str,
    name: &str,
    mirrored: &[(HeaderName, HeaderValue)],
) {
    headers::write(map, ProtocolVersion::LATEST_MODERN, method, Some(name));
    for (name, value) in mirrored {
        map.insert(name, value.clone());
    }
}

/// Replaces the client's name with the one that the server knows.
fn rename(splice: &mut Splice<'_>, to: &To<'_>) {
    if *to.text.value != *to.name {
        splice.replace_string(to.text.span, to.name);
    }
}

fn bridge(call: &Call<'_>, to: &To<'_>, server_era: Era, server_id: Option<Bytes>) -> Bridge {
    let meta = call
        .request
        .params
        .as_ref()
        .and_then(|params| params.meta.as_ref());
    Bridge {
        client_era: call.client_era,
        server_era,
        client_id: Bytes::copy_from_slice(call.request.id.raw.as_bytes()),
        server_id,
        progress_token: meta
            .and_then(|meta| meta.progress_token)
            .map(|token| Bytes::copy_from_slice(token.raw.as_bytes())),
        logs: call.logs,
        is_cacheable: call.request.method.value == "resources/read",
        tasks: tasks::of_call(call, to.upstream, (to.name, server_era)),
    }
}
