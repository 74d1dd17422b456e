//! What every part of the gateway uses: configuration, keys, outbound requests, the directory in memory, limits,
//! telemetry and the context of a request. Nothing in here knows the parts.

pub mod account_sessions;
pub mod acme;
pub mod activity;
pub mod config;
pub mod cookie;
pub mod date;
pub mod descriptors;
pub mod directory;
pub mod fetch;
pub mod headers;
pub mod jose;
mod keepalive;
pub mod keys;
mod last_used;
pub mod mail;
pub mod next;
pub mod otlp;
pub mod problem;
pub mod recorded_body;
pub mod request;
mod request_id;
pub mod routing;
pub mod running;
pub mod same_origin;
pub mod session_cookie;
pub mod single_flight;
mod start;
pub mod status;
pub mod streams;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
pub mod version;
mod waiting;
pub mod webhook;
mod webhook_secret;
pub mod x509;

pub use keepalive::keepalive;
pub use start::{Core, name_full_disk};
