//! The members of `_meta` that the standard defines (MCP 2026-07-28, Overview, "_meta").

/// Protocol version of a request; required.
pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Name and version of the client; optional.
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What the client can do; required.
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Minimum log level for a request; optional.
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The subscription a notification belongs to.
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// The task a message belongs to (2025-11-25 basic/utilities/tasks, "Related Task Metadata").
pub(crate) const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// Name and version of the server, in results.
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
