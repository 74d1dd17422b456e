//! One JSON-RPC message and what policy reads in it. Everything borrows the body; spans count from its first byte.
//!
//! The body is read in one strict pass by [`parse`]. A member policy reads that appears twice, or in another
//! spelling of upper and lower case, is refused: a server might read the other one.

mod read;

use std::borrow::Cow;

pub use read::parse;

use super::{
    id::{RawId, RequestId},
    jsonrpc::{ErrorCode, Refusal},
    scan::{Kind, MAX_DEPTH, ScanError, Span},
};

/// Ids and progress tokens are kept in maps while a request runs, so they are kept short. Bytes of JSON text.
pub const MAX_ID_BYTES: usize = 1_024;

/// Bounds for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nesting.
    pub max_depth: usize,
    /// Length of an id or progress token, bytes of JSON text.
    pub max_id_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: MAX_DEPTH,
            max_id_bytes: MAX_ID_BYTES,
        }
    }
}

/// A string member: where it is, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// Where it is, quotes included.
    pub span: Span,
    /// Its decoded value.
    pub value: Cow<'a, str>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// It has an id and wants an answer.
    Request(Request<'a>),
    /// It has none and gets none.
    Notification(Notification<'a>),
    /// An answer to a request of the other side.
    Response(Response<'a>),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The whole message.
    pub body: &'a [u8],
    /// The message object in the body.
    pub object: Span,
    /// The id.
    pub id: RawId<'a>,
    /// The method.
    pub method: Text<'a>,
    /// The parameters, if there are any.
    pub params: Option<Params<'a>>,
}

impl<'a> Request<'a> {
    /// `_meta`, if there is one.
    pub fn meta(&self) -> Option<&Meta<'a>> {
        self.params.as_ref()?.meta.as_ref()
    }
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The whole message.
    pub body: &'a [u8],
    /// The message object in the body.
    pub object: Span,
    /// The method.
    pub method: Text<'a>,
    /// The parameters, if there are any.
    pub params: Option<Params<'a>>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// The whole message.
    pub body: &'a [u8],
    /// The message object in the body.
    pub object: Span,
    /// The id; an error response may lack it.
    pub id: Option<RawId<'a>>,
    /// What it says.
    pub outcome: Outcome<'a>,
}

/// What a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It went well.
    Result(ResultMembers<'a>),
    /// It did not.
    Error(ErrorMembers<'a>),
}

/// What policy reads in `result`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultMembers<'a> {
    /// The result object.
    pub span: Span,
    /// `resultType`; absent means `complete`.
    pub result_type: Option<Text<'a>>,
    /// `ttlMs`, as written.
    pub ttl_ms: Option<Span>,
    /// `cacheScope`
    pub cache_scope: Option<Text<'a>>,
    /// `requestState`
    pub request_state: Option<Text<'a>>,
    /// `inputRequests`, an object.
    pub input_requests: Option<Span>,
    /// `nextCursor`
    pub next_cursor: Option<Text<'a>>,
    /// `_meta`, an object.
    pub meta: Option<Span>,
}

/// What policy reads in `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMembers<'a> {
    /// The error object.
    pub span: Span,
    /// `code`
    pub code: ErrorCode,
    /// `message`
    pub message: Option<Text<'a>>,
    /// `data`, as written.
    pub data: Option<Span>,
}

/// What policy reads in `params`. A member that is `null` counts as absent, except `name` and `uri`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params<'a> {
    /// The params object.
    pub span: Span,
    /// `name` of a tool or prompt.
    pub name: Option<Text<'a>>,
    /// `uri` of a resource.
    pub uri: Option<Text<'a>>,
    /// `arguments`, an object.
    pub arguments: Option<Span>,
    /// `cursor`
    pub cursor: Option<Text<'a>>,
    /// `requestId` of a cancellation.
    pub request_id: Option<RawId<'a>>,
    /// `progressToken` of a progress notification; that of a request is in `meta`.
    pub progress_token: Option<RawId<'a>>,
    /// `inputResponses`, an object.
    pub input_responses: Option<Span>,
    /// `requestState`
    pub request_state: Option<Text<'a>>,
    /// `taskId`
    pub task_id: Option<Text<'a>>,
    /// `task`, as written: the request is to be carried out as a task (2025-11-25 basic/utilities/tasks).
    pub task: Option<Span>,
    /// `ref` of a completion.
    pub reference: Option<Reference<'a>>,
    /// `_meta`
    pub meta: Option<Meta<'a>>,
}

/// `ref` of `completion/complete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The object.
    pub span: Span,
    /// `type`
    pub kind: Option<Text<'a>>,
    /// `name` of a prompt.
    pub name: Option<Text<'a>>,
    /// `uri` of a resource or template.
    pub uri: Option<Text<'a>>,
}

/// What policy reads in `_meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta<'a> {
    /// The `_meta` object.
    pub span: Span,
    /// `progressToken`
    pub progress_token: Option<RawId<'a>>,
    /// `io.modelcontextprotocol/protocolVersion`
    pub protocol_version: Option<(Span, Kind)>,
    /// `io.modelcontextprotocol/clientInfo`
    pub client_info: Option<(Span, Kind)>,
    /// `io.modelcontextprotocol/clientCapabilities`
    pub client_capabilities: Option<(Span, Kind)>,
    /// `io.modelcontextprotocol/logLevel`
    pub log_level: Option<(Span, Kind)>,
    /// `io.modelcontextprotocol/subscriptionId`
    pub subscription_id: Option<RawId<'a>>,
}

/// Why a body was not accepted as a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EnvelopeError {
    /// What is wrong.
    pub reason: Reason,
    /// The JSON-RPC code: -32700 for what is not JSON, -32602 inside `params`, -32600 for the rest.
    pub code: ErrorCode,
    /// The ID to answer with, if it could be read.
    pub id: Option<RequestId>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Not JSON, or nested too deep.
    #[error("{0}; send one JSON-RPC message as UTF-8 JSON")]
    Scan(#[from] ScanError),
    /// A list of messages, which 2025-03-26 alone has.
    #[error(
        "batches of messages are accepted only in sessions of MCP 2025-03-26; send each message as a separate request"
    )]
    Batch,
    /// JSON, and not an object.
    #[error("the body is not a JSON-RPC message; send one JSON object")]
    NotAnObject,
    /// A member that policy reads appears twice.
    #[error("the member `{0}` is there more than once; send it once")]
    Duplicate(&'static str),
    /// A member's name differs from one that policy reads only in upper and lower case.
    #[error("a member differs from `{0}` only in upper and lower case; spell it `{0}`")]
    CaseVariant(&'static str),
    /// A member is missing.
    #[error("the member `{0}` is missing; add it")]
    Missing(&'static str),
    /// A member has the wrong type.
    #[error("the member `{0}` must be {1}")]
    Mistyped(&'static str, &'static str),
    /// An id or token is too long.
    #[error("the member `{0}` is longer than {1} bytes; send a shorter one")]
    TooLong(&'static str, usize),
    /// It says something of a request and of a response, or of neither.
    #[error(
        "the message must be a request or notification with `method`, or a response with either `result` or `error`"
    )]
    Shape,
}

impl EnvelopeError {
    /// The JSON-RPC code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }
}

impl From<&EnvelopeError> for Refusal {
    fn from(error: &EnvelopeError) -> Self {
        Self::new(error.code, error.reason.to_string()).with_status(http::StatusCode::BAD_REQUEST)
    }
}
