//! An instance for tests: two gateways of one User Source, a host of client metadata documents, and the little that a client
//! and a browser do.

mod clients;
pub mod host;
pub mod members;
mod source;
mod world;

pub use clients::way_back;
pub use source::{provider, source};
pub use world::*;
