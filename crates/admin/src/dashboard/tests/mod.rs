//! The pages as a browser sees them, in process.

mod audit;
pub(super) mod bench;
mod connecting;
mod counting;
mod filtering;
mod forging;
mod instance;
mod joining;
mod keys;
mod overviewing;
mod people;
mod prefixes;
mod projects;
mod reading;
mod secret_fields;
mod secrets;
mod servers;
mod sign_ins;
mod signing_in;
mod trying;
mod trying_asked;
mod trying_live;
mod trying_more;
mod user_source_changes;
pub(super) mod user_source_world;
mod user_sources;
mod users;
