//! What administrators do, as functions that API, dashboard, CLI and demo share.
//!
//! Every change goes the same way: the caller's [`Authority`] is asked and returns a permit, without which no transaction
//! begins. The input is checked, and one error lists all that is wrong with it. One transaction makes the change, writes its
//! audit event and advances the revision. The directory is read again before the response, so that the next request sees the
//! change.

pub(crate) mod account_sessions;
pub(crate) mod accounts;
mod address;
pub(crate) mod api_keys;
pub(crate) mod attention;
pub(crate) mod audit_events;
pub(crate) mod authority;
mod change;
pub(crate) mod clients;
pub(crate) mod demo;
pub(crate) mod effects;
mod entity;
pub(crate) mod error;
pub(crate) mod gateways;
mod grants;
pub(crate) mod instance;
pub(crate) mod invitations;
pub(crate) mod members;
mod memory;
pub(crate) mod names;
pub(crate) mod once;
pub(crate) mod pace;
pub(crate) mod password_reset;
pub(crate) mod patch;
pub(crate) mod preregistered_clients;
pub(crate) mod projects;
pub(crate) mod provider_presets;
mod quota;
mod sealing;
pub(crate) mod secrets;
pub(crate) mod server_checks;
pub(crate) mod servers;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod sign_in_attempts;
pub(crate) mod single_sign_on;
mod state;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod try_tool;
pub(crate) mod turns;
pub(crate) mod user_sources;
pub(crate) mod users;

pub use authority::Authority;
pub(crate) use entity::Saved;
pub use error::ServiceError;
pub(crate) use patch::Version;
pub use patch::{IfMatch, Patch};
pub use state::Admin;
