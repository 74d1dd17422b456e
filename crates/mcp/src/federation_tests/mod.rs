//! The federation against servers in memory.

mod beginnings;
mod calls;
mod cancellation;
mod discretion;
mod endpoint;
mod eras;
mod inspection;
mod isolation;
mod lists;
mod lost_sessions;
mod once;
mod own_client;
mod patience;
mod streams;
