//! `gatewright health`: for health checks of containers, which have no other program to ask with.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::config::Config;

/// `/readyz` waits two seconds for the database.
const DEADLINE: Duration = Duration::from_secs(4);

/// More than `/readyz` ever answers.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Asks `/readyz`; an error says why it is not ready.
pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    println!("{}", ask(here(config.server.listen))?);
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

/// Returns the body of `/readyz` if its status is 200.
fn ask(address: SocketAddr) -> anyhow::Result<String> {
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
    stream.write_all(request.as_bytes()).with_context(unreachable)?;
    let mut answer = Vec::new();
    stream
        .take(LONGEST_ANSWER)
        .read_to_end(&mut answer)
        .with_context(unreachable)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    match status {
        "200" => Ok(body.to_owned()),
        "503" => bail!("not ready: {body}"),
        _ => bail!("{address} is used by another program: it answered /readyz with {status:?}"),
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
        assert_eq!(ask(ready).unwrap(), "{\"status\":\"ok\"}");
        let failing = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"failing\"}");
        assert_eq!(
            ask(failing).unwrap_err().to_string(),
            "not ready: {\"status\":\"failing\"}"
        );
        let other = ask(answering("SSH-2.0-x\r\n")).unwrap_err().to_string();
        assert!(other.contains("used by another program"), "{other}");
    }

    #[test]
    fn a_process_that_does_not_run_is_reported_with_the_remedy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = ask(address).unwrap_err().to_string();
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
