//! The gateways of a core on a fresh SQLite database.

use std::sync::Arc;

use axum::{Extension, Router};
use gatewright_core::{config::Config, request::RequestContext, testing::TestCore};
use gatewright_domain::clock::FixedClock;

use crate::{
    Gateways,
    front::{Front, RouteLayer},
    problem::Kind,
};

/// Gateways, their clock and their folder.
#[derive(Debug)]
pub struct TestGateways {
    /// The gateways.
    pub app: Arc<Gateways>,
    /// Their clock.
    pub clock: Arc<FixedClock>,
    test: TestCore,
}

impl TestGateways {
    /// With the default configuration.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With changes to the configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let test = TestCore::with(change).await;
        Self {
            app: Arc::new(Gateways::new(Arc::clone(&test.core))),
            clock: Arc::clone(&test.clock),
            test,
        }
    }

    /// Another process on the same data.
    pub async fn another(&self) -> anyhow::Result<Arc<Gateways>> {
        let core = Arc::new(self.test.another().await?);
        Ok(Arc::new(Gateways::new(core)))
    }
}

/// The front before the routes of gateways and of telemetry alone.
pub fn front(app: Arc<Gateways>) -> Front {
    let router = Router::new()
        .merge(crate::routes(Arc::clone(&app)))
        .merge(gatewright_core::status::routes(app.core()))
        .fallback(async |Extension(context): Extension<RequestContext>| {
            Kind::NOT_FOUND.respond("There is nothing at this path.", context.id)
        })
        .layer(RouteLayer);
    Front::new(app, router)
}
