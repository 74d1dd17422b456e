//! Servers and clients in memory, for the tests that go through all layers.

mod body;
pub(crate) mod net;
mod words;
mod world;
