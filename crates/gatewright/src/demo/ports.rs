//! Listening on loopback, on the usual port if it is free.

use std::{io::ErrorKind, net::Ipv4Addr};

use anyhow::Context as _;
use tokio::net::TcpListener;

/// Listens on the port that was requested with the option `option`, or near the usual one.
pub(super) async fn listen(requested: Option<u16>, usual: u16, option: &str) -> anyhow::Result<TcpListener> {
    match requested {
        Some(port) => listen_exactly(port, option).await,
        None => listen_near(usual).await,
    }
}

/// Listens on `port`, or on a free one when that is taken.
async fn listen_near(port: u16) -> anyhow::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .context("No free port was found on 127.0.0.1.")
        }
        other => other.with_context(|| format!("Port {port} of 127.0.0.1 cannot be used.")),
    }
}

/// Listens on `port`, which was requested.
pub(super) async fn listen_exactly(port: u16, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| {
            format!("Port {port} of 127.0.0.1 cannot be used. Choose another with {option}, or leave it out.")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_replaced_unless_it_was_requested() {
        let first = listen_near(0).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let second = listen_near(port).await.unwrap();
        assert_ne!(second.local_addr().unwrap().port(), port);
        let error = listen_exactly(port, "--port").await.unwrap_err();
        assert!(error.to_string().contains("--port"), "{error}");
        drop(first);
        assert_eq!(
            listen_exactly(port, "--port")
                .await
                .unwrap()
                .local_addr()
                .unwrap()
                .port(),
            port
        );
    }
}
