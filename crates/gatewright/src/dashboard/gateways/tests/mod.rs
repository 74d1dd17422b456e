//! The gateways' pages as a browser sees them, in process.

mod bench;
mod choosing;
mod clients;
mod editing;
mod looking;
