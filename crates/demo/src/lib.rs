//! What `gatewright demo` and the tests need around a gateway, all on loopback: an OpenID provider with two people, an
//! MCP server that shows who called it, and a client that performs all steps from a URL to a tool call.
//!
//! None of this is for production, and `gatewright serve` does not use it.

pub mod provider;
pub mod server;
pub mod walk;

mod loopback;
mod random;
