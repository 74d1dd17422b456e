//! The demo's parts as separate processes, for end-to-end tests. Each prints its URL as the first line of standard output and
//! serves until it is interrupted.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use clap::Parser;
use gatewright_demo::{
    provider::{Client, Provider},
    server::{AssertionRules, DemoServer},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Parts of the Gatewright demo, on loopback.
#[derive(Debug, Parser)]
enum Command {
    /// The demo MCP server.
    McpServer {
        /// The port; 0 picks a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Where the gateway's keys are, for `whoami`.
        #[arg(long, requires_all = ["issuer", "project"])]
        jwks_url: Option<Url>,
        /// The gateway's public URL.
        #[arg(long, requires = "jwks_url")]
        issuer: Option<String>,
        /// The project whose users this server knows.
        #[arg(long, requires = "jwks_url")]
        project: Option<String>,
        /// The audience of assertions, if not the server's own URL.
        #[arg(long)]
        audience: Option<String>,
    },
    /// The demo identity provider.
    Provider {
        /// The port; 0 picks a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// The client ID.
        #[arg(long, default_value = "gatewright")]
        client_id: String,
        /// The client secret.
        #[arg(long)]
        client_secret: String,
        /// The only redirect URI.
        #[arg(long)]
        redirect_uri: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let command = Command::parse();
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        // Without a handler for interrupts, the default one ends the process, which is fine.
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    match command {
        Command::McpServer {
            port,
            jwks_url,
            issuer,
            project,
            audience,
        } => {
            let listener = listen(port).await?;
            let pinned = jwks_url.zip(issuer).zip(project);
            let rules = pinned.map(|((jwks_url, issuer), project)| AssertionRules {
                jwks_url,
                issuer,
                project,
                audience,
            });
            let server = DemoServer::on(&listener, rules)?;
            println!("{}", server.url());
            server.serve(listener, stop).await?;
        }
        Command::Provider {
            port,
            client_id,
            client_secret,
            redirect_uri,
        } => {
            let listener = listen(port).await?;
            let client = Client {
                id: client_id,
                secret: client_secret,
                redirect_uri,
            };
            let provider = Provider::on(&listener, client)?;
            println!("{}", provider.issuer());
            provider.serve(listener, stop).await?;
        }
    }
    Ok(())
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("port {port} of 127.0.0.1 cannot be used: choose another with --port"))
}
