//! The gateways' pages as a browser sees them, in process.

mod bench;
mod choosing;
mod clients;
mod drafting;
mod editing;
mod looking;
mod lost_source;
mod naming;
mod offering;
