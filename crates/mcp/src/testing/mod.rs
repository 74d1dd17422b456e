//! Servers and clients in memory, for the tests that go through all layers.

mod body;
pub(crate) mod net;
pub(crate) mod offers;
mod words;
mod world;
