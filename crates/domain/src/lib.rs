//! The rules of the product, free of I/O: what a project, User Source, gateway, server, user, grant and API key
//! are, which changes they allow, and how values are sealed. Nothing here uses SQL or HTTP, or reads a clock.

pub mod account;
pub mod account_link;
pub mod account_session;
pub mod activity;
pub mod activity_rollup;
pub mod api_key;
pub mod audit;
pub mod authorization;
pub mod client;
pub mod client_use;
pub mod clock;
pub mod entropy;
pub mod gateway;
pub mod grant;
pub mod header_template;
pub mod header_text;
pub mod id;
pub mod incident;
pub mod invalid;
pub mod invitation;
pub mod latency;
pub mod loopback;
pub mod member;
pub mod password;
pub mod preregistered_client;
pub mod principal;
pub mod project;
pub mod reference;
pub mod registration;
pub mod sealed;
pub mod secret;
pub mod server;
pub mod sign_in_attempt;
pub mod stored_secret;
pub mod stream;
pub mod test_sign_in;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod token_hash;
pub mod trace_context;
pub mod user;
pub mod user_source;
pub mod words;

pub use clock::{Clock, Timestamp};
pub use entropy::Entropy;
pub use invalid::{Invalid, Violation};
