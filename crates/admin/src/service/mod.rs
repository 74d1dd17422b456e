//! What administrators do, as functions that API, dashboard, CLI and demo share.
//!
//! Every change goes the same way: the caller's [`Authority`] is asked and returns a permit, without which no transaction
//! begins. The input is checked, and one error lists all that is wrong with it. One transaction makes the change, writes its
//! audit event and advances the revision. The directory is read again before the response, so that the next request sees the
//! change.

pub mod account_sessions;
pub mod accounts;
pub mod activity;
mod address;
pub mod api_keys;
pub mod attention;
pub mod audit_events;
pub(crate) mod authority;
mod change;
pub mod clients;
pub mod declared;
pub(crate) mod demo;
pub mod effects;
mod entity;
pub mod error;
pub(crate) mod exports;
pub mod gateways;
mod grants;
pub mod incidents;
pub(crate) mod instance;
pub mod invitations;
pub mod live_tails;
pub mod members;
mod memory;
pub mod names;
pub(crate) mod notifications;
pub(crate) mod once;
pub(crate) mod pace;
pub mod password_reset;
pub(crate) mod patch;
pub mod preregistered_clients;
pub mod projects;
pub mod provider_presets;
mod quota;
mod sealing;
pub mod secrets;
pub mod server_checks;
pub mod servers;
pub mod setup;
pub mod sign_in;
pub mod sign_in_attempts;
pub mod single_sign_on;
mod state;
pub(crate) mod store;
pub mod streams;
#[cfg(test)]
mod tests;
pub mod traffic;
pub mod try_tool;
pub(crate) mod turns;
pub mod user_sources;
pub mod users;
pub(crate) mod watch;

pub use authority::Authority;
pub use entity::Saved;
pub use error::ServiceError;
pub use patch::Version;
pub use patch::{IfMatch, Patch};
pub use state::Admin;
