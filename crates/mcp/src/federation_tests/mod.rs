//! The federation against servers in memory.

mod calls;
mod cancellation;
mod discretion;
mod endpoint;
mod eras;
mod inspection;
mod isolation;
mod lists;
mod own_client;
mod streams;
