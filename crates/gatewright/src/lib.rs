//! Gatewright: a self-hosted MCP gateway that sends every end user to the customer's own identity provider.
//!
//! One folder per part the process plays; `app` holds what they share, `router` says which path leads where.

pub mod cli;
pub mod demo;
pub mod jobs;
pub mod serve;

pub(crate) use gatewright_admin::{account, client_setup, dashboard, router, service};
pub(crate) use gatewright_core::{config, directory, fetch, request, telemetry};
pub(crate) use gatewright_gateway::{front, relying_party, resource_server, sign_in_trace};
