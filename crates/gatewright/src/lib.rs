//! Gatewright: a self-hosted MCP gateway that sends every end user to the customer's own identity provider.
//!
//! One folder per part the process plays; `app` holds what they share, `router` says which path leads where.

pub mod account;
pub mod api;
pub mod app;
pub mod cli;
mod client_setup;
pub mod dashboard;
pub mod demo;
pub mod jobs;
pub mod router;
pub mod serve;
pub mod service;

pub(crate) use gatewright_core::{
    config, directory, fetch, jose, next, request, same_origin, session_cookie, telemetry,
};
pub(crate) use gatewright_gateway::{
    authorization_server, front, page, relying_party, resource_server, sign_in_trace,
};
