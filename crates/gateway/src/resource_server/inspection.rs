//! Servers as the people who administer look at them.

use std::time::Duration;

use gatewright_domain::server::Server;
use gatewright_mcp::inspection::{Health, Seen, Unwell};

use super::{ResourceServer, plan::upstream_config};
use crate::directory::ServerEntry;

impl ResourceServer {
    /// Asks a server, for no user, what it speaks and which tools it has.
    pub async fn inspect(&self, entry: &ServerEntry, deadline: Duration) -> Result<Seen, Unwell> {
        self.federation.inspect(upstream_config(entry), deadline).await
    }

    /// What is known of a server from serving gateways.
    pub fn health(&self, server: &Server) -> Option<Health> {
        self.federation.health(server.id, &server.url)
    }
}
