//! The official Rust SDK (rmcp) as a server and as a client of the end-to-end suite, in either era: see `e2e/sdks/repertoire.mjs`.
//!
//! `e2e-rmcp serve <port> <revision>` serves until it is killed. `e2e-rmcp observe <revision> <json>` prints what a client sees, as
//! `e2e/sdks/clients/seen.py` says.

#![allow(
    deprecated,
    reason = "what a later revision of MCP removes still has to pass through a gateway"
)]

mod client;
mod handler;
mod repertoire;
mod server;

use anyhow::Context as _;
use rmcp::model::ProtocolVersion;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", port, revision] => server::serve(port.parse()?, version(revision)?).await,
        ["observe", revision, job] => client::observe(version(revision)?, job).await,
        _ => anyhow::bail!("usage: e2e-rmcp serve <port> <revision> | observe <revision> <json>"),
    }
}

fn version(revision: &str) -> anyhow::Result<ProtocolVersion> {
    [ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28]
        .into_iter()
        .find(|version| version.as_str() == revision)
        .with_context(|| format!("{revision} is not a revision of this matrix"))
}
