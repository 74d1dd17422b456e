//! What the process reports about itself: log lines, metrics, health.

mod by_outcome;
mod by_server;
pub(crate) mod condition;
#[cfg(test)]
mod faults;
pub mod lines;
mod log_events;
pub mod logging;
mod metrics;
mod notes;
mod output;
mod record;
mod streams;
mod tls;

pub use log_events::LogEvents;
pub(crate) use log_events::{EventValue, LogEvent};
pub use metrics::Telemetry;
pub use notes::{AskedFor, Decided, Notes, Sending};
pub use record::{RequestRecord, Route};
pub use streams::StreamMetrics;
pub use tls::TlsMetrics;
