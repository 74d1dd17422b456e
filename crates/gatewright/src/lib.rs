//! Gatewright: a self-hosted MCP gateway that sends every end user to the customer's own identity provider.
//!
//! The program: the command line, the listener, background jobs and the demo. What it serves is in the crates below:
//! `admin`, `gateway` and `core`.

mod backup;
mod cli;
mod demo;
mod jobs;
mod serve;

pub use cli::run;

pub(crate) use gatewright_admin::operator;
pub(crate) use gatewright_core::{config, directory, fetch, request, telemetry};
pub(crate) use gatewright_gateway::{front, relying_party, resource_server};
