//! The MCP endpoint of gateways towards clients: the methods of both eras, sessions of clients, the client of our own, and
//! what answers are made of.

pub(crate) mod answer;
mod listen;
pub(crate) mod methods;
pub mod own_client;
pub(crate) mod reply;
pub mod session;

pub use methods::{Reached, Refused, header_era};
