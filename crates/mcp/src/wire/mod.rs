//! MCP on the wire: messages read and rewritten without changing a byte that need not change, the mirrored headers,
//! Server-Sent Events, pages of lists, and the translation between the two eras of the protocol. Pure: no I/O, no clock,
//! no randomness.

pub(crate) mod batch;
pub(crate) mod bridge;
pub mod bridge_splice;
pub mod capabilities;
pub mod envelope;
pub(crate) mod extensions;
pub(crate) mod fingerprint;
pub mod headers;
pub mod id;
pub(crate) mod input_required;
pub(crate) mod json;
pub mod jsonrpc;
pub mod listing;
pub mod log_level;
pub(crate) mod media_type;
pub(crate) mod meta;
pub(crate) mod meta_keys;
pub mod param_headers;
pub(crate) mod question;
pub mod scan;
pub mod splice;
pub mod sse;
pub(crate) mod task_ids;
pub mod uri_expansion;
pub(crate) mod uri_finder;
pub mod uri_template;
pub mod verdict;
pub mod version;
