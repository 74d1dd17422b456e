//! OAuth and OpenID Connect as a client, towards any provider: its documents and keys, what is sent to it, and what its
//! answers prove. It returns a verified person; whom that makes of them, and what they get, is for the crates above.

pub mod budget;
pub mod client_auth;
pub mod cookie;
pub mod discovery;
pub mod endpoint_error;
pub mod excerpt;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod id_token;
pub mod providers;
pub mod pushes;
pub mod subject;
pub mod verdicts;

pub use providers::Providers;

pub(crate) use gatewright_core::{fetch, jose};
