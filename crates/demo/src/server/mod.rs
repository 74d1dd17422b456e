//! The demo MCP server: a few tools over Streamable HTTP, in the stateless and in the session-based revisions of MCP. One of
//! them, `whoami`, knows who called it from the gateway's signed identity assertion.

mod assertion;
mod tools;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use assertion::{Actor, AssertionError, AssertionRules, Caller};

use assertion::Verifier;
use tools::{DemoTools, Shared};

/// The demo MCP server.
#[derive(Debug)]
pub struct DemoServer {
    url: String,
    shared: Arc<Shared>,
}

impl DemoServer {
    /// The server for a listener. With rules, `whoami` verifies identity assertions; their audience is the server's own URL
    /// unless the rules name another.
    pub fn on(listener: &TcpListener, rules: Option<AssertionRules>) -> anyhow::Result<Self> {
        let address = listener
            .local_addr()
            .context("the MCP server's socket has no address")?;
        let url = format!("http://{address}/mcp");
        let verifier = rules.map(|rules| Verifier::new(rules, &url));
        Ok(Self {
            url,
            shared: Arc::new(Shared::new(verifier)),
        })
    }

    /// The endpoint's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its routes. Cancelling `stop` closes streams and sessions.
    pub fn router(self, stop: &CancellationToken) -> Router {
        let config = StreamableHttpServerConfig::default()
            // One JSON object if nothing precedes the result; a stream if progress does.
            .with_json_response(true)
            .with_cancellation_token(stop.child_token());
        let tools = DemoTools::new(self.shared);
        let service = StreamableHttpService::new(
            move || Ok(tools.clone()),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        Router::new().route_service("/mcp", service)
    }

    /// Serves until `stop` is cancelled.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let router = self.router(&stop);
        axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }
}

#[cfg(test)]
mod tests;
