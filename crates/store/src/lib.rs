//! Persistence on SQLite and PostgreSQL: the only crate that contains SQL. Every query is written once, in the module of
//! its entity, and runs on both engines. Every query about an object of a project takes the project, or
//! says why it cannot.

pub mod account;
pub mod account_address;
pub mod account_link;
pub mod account_session;
pub mod acme;
pub mod activity;
pub mod activity_rollup;
pub mod administrator_provider;
pub mod api_key;
pub mod assertion_origin;
pub mod attention;
pub mod audit;
pub mod authorization_code;
pub mod brought_code;
pub mod claimed_sign_in;
pub mod client_block;
pub mod client_document;
pub mod client_use;
pub mod connection_session;
pub mod copy;
pub mod directory;
pub mod ended_session;
pub mod gateway;
pub mod gateway_list;
pub mod grant;
pub mod held_grants;
pub mod idempotency;
pub mod incident;
pub mod invitation;
pub mod keys;
pub mod lease;
pub mod managed_object;
pub mod member;
pub mod names;
pub mod notification;
pub mod preregistered_client;
pub mod project;
pub mod project_contents;
pub mod quota;
pub mod refresh_token;
pub mod replica_mail;
pub mod revocation;
pub mod secret;
pub mod server;
pub mod session_note;
pub mod sign_in_attempt;
pub mod sign_in_count;
pub mod sign_in_place;
pub mod stream;
pub mod stream_state;
pub mod test_sign_in;
pub mod used_assertion;
pub mod user;
pub mod user_source;

mod cell;
mod error;
mod file;
mod keyring;
mod link;
mod number;
mod page;
mod postgres;
mod probe;
mod row;
mod schema;
mod sqlite;
mod store;
mod turn;
mod tx;
mod value;

/// Migrations that a database does not have yet.
pub mod migrations {
    pub use crate::schema::plan::{Change, PendingMigration, Work};
}

pub use error::StoreError;
pub use page::{Page, PageRequest};
pub use store::{ActivityStore, Store, StoreConfig};
pub use turn::{Connections, Urgency};
pub use tx::{Steps, Tx, revision};
