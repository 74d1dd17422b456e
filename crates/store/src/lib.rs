//! Persistence on SQLite and PostgreSQL: the one crate that knows SQL. Every query is written once, in the module of
//! its entity, and runs on both engines. Every query about an object of a project takes the project.

pub mod account;
pub mod account_address;
pub mod account_link;
pub mod account_session;
pub mod api_key;
pub mod assertion_origin;
pub mod attention;
pub mod audit;
pub mod authorization_code;
pub mod brought_code;
pub mod claimed_sign_in;
pub mod client_block;
pub mod client_use;
pub mod directory;
pub mod error;
pub mod gateway;
pub mod gateway_list;
pub mod grant;
pub mod held_grants;
pub mod idempotency;
pub mod invitation;
pub mod keys;
pub mod member;
pub mod names;
pub mod page;
pub mod preregistered_client;
pub mod project;
pub mod project_contents;
pub mod refresh_token;
pub mod revision;
pub mod revocation;
pub mod secret;
pub mod server;
pub mod sign_in_attempt;
pub mod sign_in_place;
pub mod store;
pub mod test_sign_in;
pub mod tx;
pub mod used_assertion;
pub mod user;
pub mod user_source;

mod keyring;
mod postgres;
mod row;
mod schema;
mod sqlite;
mod value;

pub use error::StoreError;
pub use page::{Page, PageRequest};
pub use store::{Store, StoreConfig};
pub use tx::Tx;
