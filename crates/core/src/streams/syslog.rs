//! Syslog: messages of RFC 5424 over TCP (RFC 6587 section 3.4.1) or TLS (RFC 5425), each with its length in front.
//!
//! Syslog acknowledges nothing. So each batch has a connection of its own: it is written, the sending side is closed, and the batch
//! counts as delivered when the receiver has closed its side as well, which it does once it has read everything.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::Record;
use crate::fetch::{Fetch, FetchError};

/// From the first byte sent to the last.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long the receiver may take to read what it has been sent and to close its side. Until then it may not have read anything: what
/// was written may still be in buffers of either system.
const CLOSING: Duration = Duration::from_secs(10);
/// After the receiver has closed, a reset for what it did not read arrives within this time.
const RESET_WITHIN: Duration = Duration::from_millis(250);
/// Bytes that are read of what the receiver says, which has nothing to say.
const ANSWER_MAX: usize = 4 * 1024;
/// Facilities (RFC 5424 section 6.2.1): log audit, and local use 0.
const AUDIT: u8 = 13;
const LOCAL: u8 = 16;
/// Severities: warning, notice, informational.
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

/// Why a batch was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum SyslogError {
    /// The receiver could not be reached.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// TLS failed.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// In our words.
        reason: &'static str,
    },
    /// It took too long.
    #[error("{0} did not read the messages and close the connection in time")]
    Timeout(String),
    /// The connection broke, or the receiver closed it before it had read everything.
    #[error("{0} closed the connection before it had read all messages")]
    Closed(String),
}

/// Sends to one receiver.
#[derive(Debug, Clone)]
pub(super) struct SyslogSink {
    pub(super) host: String,
    pub(super) port: u16,
    /// Nothing without encryption.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The host of this instance.
    pub(super) hostname: String,
}

impl SyslogSink {
    /// Sends messages.
    pub(super) async fn deliver(&self, fetch: &Fetch, records: &[Record]) -> Result<(), SyslogError> {
        let mut bytes = Vec::new();
        for record in records {
            let message = message(&self.hostname, record);
            bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
            bytes.extend_from_slice(&message);
        }
        let stream = fetch.dial(&self.host, self.port).await?;
        let exchange = async {
            if let Some(tls) = &self.tls {
                let mut stream = self.wrap(tls, stream).await?;
                self.exchange(&mut stream, &bytes).await?;
                self.check(stream.get_ref().0).await
            } else {
                let mut stream = stream;
                self.exchange(&mut stream, &bytes).await?;
                self.check(&stream).await
            }
        };
        timeout(DEADLINE, exchange)
            .await
            .unwrap_or_else(|_| Err(SyslogError::Timeout(self.host.clone())))
    }

    async fn exchange<S>(&self, stream: &mut S, bytes: &[u8]) -> Result<(), SyslogError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let closed = || SyslogError::Closed(self.host.clone());
        stream.write_all(bytes).await.map_err(|_| closed())?;
        stream.flush().await.map_err(|_| closed())?;
        stream.shutdown().await.map_err(|_| closed())?;
        let mut answer = [0; 512];
        let mut read = 0;
        let drained = timeout(CLOSING, async {
            while read < ANSWER_MAX {
                match stream.read(&mut answer).await {
                    Ok(0) => return Ok(()),
                    Ok(count) => read += count,
                    // Closed without saying so in TLS.
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                    Err(_) => return Err(closed()),
                }
            }
            Err(closed())
        });
        drained
            .await
            .unwrap_or_else(|_| Err(SyslogError::Timeout(self.host.clone())))
    }

    /// Fails if the receiver refused what it had not read when it closed.
    async fn check(&self, stream: &TcpStream) -> Result<(), SyslogError> {
        sleep(RESET_WITHIN).await;
        match stream.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(SyslogError::Closed(self.host.clone())),
        }
    }

    async fn wrap(
        &self,
        tls: &Arc<ClientConfig>,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SyslogError> {
        let failed = |reason| SyslogError::Tls {
            host: self.host.clone(),
            reason,
        };
        let name = self.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| failed("its name cannot be in a certificate"))?;
        let connected = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        connected.map_err(|error| {
            let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            failed(match cause {
                Some(rustls::Error::InvalidCertificate(_)) => {
                    "its certificate is not valid for this name, has expired, or comes from an authority that is not known. \
                     Enter the certificate of the authority in the stream, or name its file in outbound.extra_ca"
                }
                Some(_) => "no encryption was agreed on",
                None => "the connection broke",
            })
        })
    }
}

/// The message of a record (RFC 5424 section 6). Its text is ASCII, so there is no byte order mark in front of it.
fn message(hostname: &str, record: &Record) -> Vec<u8> {
    let facility = if record.kind == "activity" { LOCAL } else { AUDIT };
    let severity = match record.kind {
        _ if record.is_notable => WARNING,
        "activity" => INFORMATIONAL,
        _ => NOTICE,
    };
    let head = format!(
        "<{}>1 {} {hostname} gatewright - {} [origin software=\"Gatewright\" swVersion=\"{}\"] ",
        facility * 8 + severity,
        record.at.to_rfc3339(),
        record.kind,
        env!("CARGO_PKG_VERSION")
    );
    let mut message = head.into_bytes();
    message.extend_from_slice(&record.json);
    message
}

#[cfg(test)]
mod tests {
    use gatewright_domain::Timestamp;
    use tokio::{net::TcpListener, task::JoinHandle};

    use super::*;
    use crate::config::Config;

    fn record(kind: &'static str, is_notable: bool) -> Record {
        Record {
            kind,
            is_notable,
            at: Timestamp::from_millis(1_700_000_000_123),
            json: b"{\"a\":1}".to_vec(),
        }
    }

    #[test]
    fn a_message_has_the_form_of_the_rfc() {
        let text =
            |kind, is_notable| String::from_utf8(message("gw.example", &record(kind, is_notable))).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text("audit", false),
            format!(
                "<109>1 2023-11-14T22:13:20.123Z gw.example gatewright - audit [origin software=\"Gatewright\" \
                 swVersion=\"{version}\"] {{\"a\":1}}"
            )
        );
        assert!(text("audit", true).starts_with("<108>1 "));
        assert!(text("activity", false).starts_with("<134>1 "));
        assert!(text("activity", true).starts_with("<132>1 "));
    }

    fn sink(port: u16) -> SyslogSink {
        SyslogSink {
            host: "127.0.0.1".to_owned(),
            port,
            tls: None,
            hostname: "gw.example".to_owned(),
        }
    }

    async fn deliver(port: u16) -> Result<(), SyslogError> {
        let mut config = Config::default();
        config.server.public_url = "http://127.0.0.1".to_owned();
        let sink = sink(port);
        let records = [record("audit", false), record("activity", false)];
        sink.deliver(&Fetch::new(&config).unwrap(), &records).await
    }

    async fn receiver(reads: bool) -> (u16, JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            if reads {
                stream.read_to_end(&mut received).await.unwrap();
            }
            received
        });
        (port, received)
    }

    #[tokio::test]
    async fn messages_have_their_length_in_front_and_count_once_the_receiver_has_read_them() {
        let (port, received) = receiver(true).await;
        deliver(port).await.unwrap();
        let mut rest = String::from_utf8(received.await.unwrap()).unwrap();
        let mut count = 0;
        while !rest.is_empty() {
            let (length, after) = rest.split_once(' ').unwrap();
            let length = length.parse().unwrap();
            assert!(after.starts_with('<') && after[..length].ends_with("{\"a\":1}"));
            rest = after[length..].to_owned();
            count += 1;
        }
        assert_eq!(count, 2);
    }

    #[tokio::test]
    async fn a_receiver_that_closes_without_reading_has_nothing() {
        let (port, _received) = receiver(false).await;
        let error = deliver(port).await.unwrap_err();
        assert!(matches!(error, SyslogError::Closed(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_accepts_and_hangs_has_nothing_as_far_as_anyone_can_know() {
        let (mut ours, mut theirs) = tokio::io::duplex(1_024);
        let error = sink(1).exchange(&mut ours, b"8 message1").await.unwrap_err();
        assert!(matches!(error, SyslogError::Timeout(_)), "{error}");
        // Also one that reads, and then keeps the connection.
        let (mut ours, reading) = tokio::io::duplex(1_024);
        let reads = async {
            let (mut reading, _kept) = tokio::io::split(reading);
            let mut received = Vec::new();
            reading.read_to_end(&mut received).await.unwrap();
            std::future::pending::<()>().await;
        };
        let exchange = async { sink(1).exchange(&mut ours, b"8 message1").await };
        let error = tokio::select! {
            () = reads => unreachable!("it never ends"),
            result = exchange => result.unwrap_err(),
        };
        assert!(matches!(error, SyslogError::Timeout(_)), "{error}");
        let mut written = [0; 10];
        theirs.read_exact(&mut written).await.unwrap();
        assert_eq!(&written, b"8 message1");
    }
}
