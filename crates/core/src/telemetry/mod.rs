//! What the process tells about itself: log lines, metrics, health.

mod by_server;
pub mod condition;
#[cfg(test)]
mod faults;
pub mod health;
pub mod lines;
pub mod logging;
pub mod metrics;
mod output;
pub mod record;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::Core;

pub use metrics::Telemetry;
pub use record::{RequestRecord, Route};

/// Routes: `/healthz`, `/readyz`, `/metrics`.
pub fn routes<S: Clone + Send + Sync + 'static>(core: Arc<Core>) -> Router<S> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::scrape))
        .with_state(core)
}
