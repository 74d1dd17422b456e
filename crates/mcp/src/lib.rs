//! MCP: messages on the wire, the servers, their federation, and the endpoint for clients.
//!
//! Four layers, each a folder, and each knows only those before it:
//!
//! - `wire`: messages read and rewritten without changing a byte that need not change, headers, Server-Sent Events, pages of
//!   lists, the translation between the eras. No I/O, no clock, no randomness.
//! - `peer`: one server. What is known about it, its sessions and its era, our own requests, and one call of a client sent
//!   there. The layers above use a trait; behind it is HTTP, over a [`upstream_transport::Transport`].
//! - `federation`: what gateways offer of several servers. Plans, lists and the memory for them, names, and where a call goes.
//! - `endpoint`: what clients meet. The methods of both eras, sessions of clients, and the answers they get.
//!
//! None of them depends on the web framework or the program around it.

// What is `pub` is for other crates; everything else says how far it reaches.

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
pub use peer::{caller, carried, credentials, http_sse, transport as upstream_transport};
pub use wire::{
    bridge_splice, capabilities, envelope, headers, id, jsonrpc, listing, log_level, param_headers, scan,
    splice, sse, uri_expansion, uri_template, verdict, version,
};

/// One server and what is known about it.
pub mod upstream {
    pub use crate::peer::{config::UpstreamConfig, unavailable::Unavailable, upstream::Upstream};
}

/// The result of inspecting a server.
pub mod inspection {
    pub use crate::{
        federation::inspection::{Health, Seen, SharedKey, Unwell, shared_keys},
        peer::about::About,
    };
}

/// The body of an answer to a client.
pub mod answer {
    pub use crate::{endpoint::answer::Answer, peer::answer_error::AnswerError};
}
