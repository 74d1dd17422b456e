//! The authorization server through its HTTP surface, in process: a fake clock, SQLite in a temporary folder, and a
//! provider of which only the discovery document is needed.

mod authorizing;
mod confusing;
mod connections;
mod consenting;
mod counting;
mod denying;
mod describing;
mod discovering;
mod failing;
mod getting_along;
mod hostile_keys;
mod known_documents;
mod limiting;
mod overloading;
mod reaching;
mod redeeming;
mod refreshing;
mod registering;
mod revoking;
mod signing;
mod stealing;

use super::testing::{self as world, host, members};
