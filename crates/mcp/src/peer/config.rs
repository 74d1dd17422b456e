//! How a server is configured, as far as calling it needs to know.

use std::time::Duration;

use gatewright_domain::{
    id::{ProjectId, ServerId},
    server::{IdentityForwarding, ProtocolChoice},
};
use http::{HeaderName, HeaderValue, Uri};

/// What the federation needs to know of a server to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Its id.
    pub id: ServerId,
    /// Its project, whose share of the memory for lists its lists take.
    pub project: ProjectId,
    /// What it is called in messages.
    pub slug: String,
    /// The prefix of the names of its tools and prompts, if they have one.
    pub prefix: String,
    /// Its Streamable HTTP endpoint.
    pub url: Uri,
    /// The same as the administrator wrote it: the audience of identity assertions.
    pub audience: String,
    /// How long one request may take until its answer begins, and how long an answer may pause.
    pub timeout: Duration,
    /// How often a request that was certainly not processed is sent again.
    pub retries: u8,
    /// The administrator's own headers, secrets filled in.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What it learns about the user.
    pub identity: IdentityForwarding,
    /// Which revisions of MCP are tried with it.
    pub protocol: ProtocolChoice,
    /// Why it is not called, if its headers cannot be filled in.
    pub problem: Option<String>,
}
