//! What the process answers about itself: `/healthz`, `/readyz` and `/metrics`.

mod health;
mod scrape;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::Core;

pub use scrape::look;

/// Routes: `/healthz`, `/readyz`, `/metrics`.
pub fn routes<S: Clone + Send + Sync + 'static>(core: Arc<Core>) -> Router<S> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(scrape::scrape))
        .with_state(core)
}
