//! Streams: audit events and requests as records, and the ways by which records reach other programs. Which are sent when, and what
//! has arrived, is decided above.

mod ascii;
mod ocsf;
mod plain;
mod record;

pub use record::{Fact, LostRecords, Record, TestRecord, record};

#[cfg(test)]
mod tests;
