//! The API through its router, in process, on a real SQLite store.

mod accounts;
mod audit;
mod bench;
mod canaries;
mod catalogue;
mod clients;
mod credentials;
mod document;
mod everything;
mod gateways;
mod idempotency;
mod input;
mod keys;
mod people;
mod quotas;
mod rehearsals;
mod roles;
mod rotation;
mod secrets;
mod servers;
mod shared_origins;
mod sign_in_attempts;
mod tool_calls;
mod user_sources;
mod users;
mod verification;
