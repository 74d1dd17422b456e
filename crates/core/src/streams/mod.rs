//! Streams: audit events and requests as records, and the ways by which records reach other programs. Which are sent when, and what
//! has arrived, is decided above.

mod ascii;
mod file;
mod ocsf;
mod plain;
mod record;
mod sink;
mod syslog;

pub use record::{Fact, Loss, LostRecords, Record, TestRecord, record};
pub use sink::{Sink, SinkError};

#[cfg(test)]
mod tests;
