//! MCP on the wire: messages read and rewritten without changing a byte that need not change, the mirrored headers,
//! Server-Sent Events, lists of tools merged across servers, and the two eras of the protocol.
//!
//! The wire modules are pure: no I/O, no clock, no randomness. On them stands the federation: the upstream servers and
//! what is known of them, the sessions of clients, and the bridge between the eras. It reaches servers through a
//! [`upstream_transport::Transport`] and knows neither axum nor the program around it.

#![warn(unreachable_pub)]

pub mod endpoint;
pub mod federation;
mod peer;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wire;

pub use endpoint::{own_client, session};
pub use federation::{list_memory, merge, naming};
pub use peer::{caller, transport as upstream_transport};
pub use wire::{
    bridge_splice, envelope, headers, id, jsonrpc, listing, param_headers, scan, splice, sse, version,
};

/// One server and what is known of it.
pub mod upstream {
    pub use crate::peer::{config::UpstreamConfig, unavailable::Unavailable, upstream::Upstream};
}

/// What a server shows when it is looked at.
pub mod inspection {
    pub use crate::{
        federation::inspection::{Health, Seen, Unwell},
        peer::about::About,
    };
}

/// The body of an answer to a client.
pub mod answer {
    pub use crate::{endpoint::answer::Answer, peer::answer_error::AnswerError};
}
