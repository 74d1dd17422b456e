//! What `gatewright demo` and the tests need around a gateway, all on loopback: an OpenID provider with two people, an
//! MCP server that says who called it, and a client that does everything from a URL to a tool call.
//!
//! Nothing here is for production, and `gatewright serve` uses none of it.

pub mod provider;
pub mod server;
pub mod walk;

mod loopback;
mod random;
