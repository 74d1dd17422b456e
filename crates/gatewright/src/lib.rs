//! Gatewright: a self-hosted MCP gateway that sends every end user to the customer's own identity provider.
//!
//! One folder per part the process plays; `app` holds what they share, `router` says which path leads where.

pub mod account;
pub mod admission;
pub mod api;
pub mod app;
pub mod authorization_server;
pub mod cli;
mod client_setup;
pub mod dashboard;
pub mod demo;
pub mod front;
pub mod jobs;
pub mod page;
pub mod relying_party;
pub mod resource_server;
pub mod router;
pub mod serve;
pub mod service;
pub mod sign_in_trace;

pub(crate) use gatewright_core::{
    config, date, directory, fetch, jose, keys, request, same_origin, telemetry,
};
