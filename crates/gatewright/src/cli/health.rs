//! `gatewright health`: for health checks of containers, which have no other program to ask with.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use gatewright_core::tls;
use tokio_rustls::rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use crate::config::Config;

/// `/readyz` waits two seconds for the database.
const DEADLINE: Duration = Duration::from_secs(4);

/// More than `/readyz` ever answers.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Asks `/readyz`; an error says why it is not ready.
pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let tls = config.is_tls().then(|| config.public_host());
    println!("{}", ask(here(config.server.listen), tls.as_deref())?);
    Ok(ExitCode::SUCCESS)
}

/// Where a process of this machine reaches a listener: one on all addresses is on loopback too.
fn here(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(address, listen.port())
}

/// Returns the body of `/readyz` if its status is 200; over TLS if `host` is the name to ask for.
fn ask(address: SocketAddr, host: Option<&str>) -> anyhow::Result<String> {
    let unreachable = || {
        format!(
            "no process answers on {address} (server.listen). Start it with `gatewright serve`, or use the same \
             configuration for both commands"
        )
    };
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).with_context(unreachable)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = match host {
        None => exchange(&mut stream, &request).with_context(unreachable)?,
        Some(host) => {
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
            let client = ClientConnection::new(Arc::new(tls::client_of_this_machine()?), name)?;
            let mut stream = StreamOwned::new(client, stream);
            exchange(&mut stream, &request).with_context(|| {
                format!("no TLS connection can be made to {address} (server.listen). The log of `gatewright serve` says why")
            })?
        }
    };
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    match status {
        "200" => Ok(body.to_owned()),
        "503" => bail!("not ready: {body}"),
        _ => bail!("{address} is used by another program: it answered /readyz with {status:?}"),
    }
}

fn exchange(stream: &mut (impl Read + Write), request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(LONGEST_ANSWER).read_to_end(&mut answer) {
        // A connection that closes without the last word of TLS has said everything nevertheless.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => Ok(answer),
        Err(error) => Err(error),
        Ok(_) => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_200_is_ready() {
        let ready = answering("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"status\":\"ok\"}");
        assert_eq!(ask(ready, None).unwrap(), "{\"status\":\"ok\"}");
        let failing = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"failing\"}");
        assert_eq!(
            ask(failing, None).unwrap_err().to_string(),
            "not ready: {\"status\":\"failing\"}"
        );
        let other = ask(answering("SSH-2.0-x\r\n"), None).unwrap_err().to_string();
        assert!(other.contains("used by another program"), "{other}");
    }

    #[test]
    fn a_process_that_does_not_run_is_reported_with_the_remedy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = ask(address, None).unwrap_err().to_string();
        assert!(error.contains("gatewright serve"), "{error}");
    }

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        let asked = |listen: &str| here(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(asked("[::]:8080"), "[::1]:8080");
        assert_eq!(asked("10.0.0.7:80"), "10.0.0.7:80");
    }
}
