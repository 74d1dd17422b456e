//! E-mail over SMTP (RFC 5321): messages that the instance itself writes, to addresses that the operator configured. The address of the
//! server is vetted and dialled like that of every other peer.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use lettre::{
    Message,
    message::{Mailbox, SinglePart, header},
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    config::{Config, SmtpConfig, SmtpSecurity},
    fetch::{Fetch, FetchError},
};

/// How long a message may take, from the connection to the server's last word.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server could not be reached.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It took too long.
    #[error("the mail server did not answer in time")]
    Timeout,
    /// TLS could not be agreed on.
    #[error("TLS with the mail server failed")]
    Tls,
    /// The server does not offer STARTTLS, although it is configured.
    #[error(
        "the mail server offers no STARTTLS; set smtp.security to `tls` if its port expects TLS from the first byte"
    )]
    NoStartTls,
    /// The server refused the user name or password.
    #[error("the mail server refused smtp.username and smtp.password")]
    Credentials,
    /// The server refused the message.
    #[error("the mail server refused the message ({0})")]
    Refused(String),
    /// The connection broke.
    #[error("the connection to the mail server broke")]
    Broken,
    /// An address is not one.
    #[error("smtp.from or an address in notifications.email is not an e-mail address")]
    Address,
}

/// A text to send.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// The left half of the `Message-ID`, the same in every attempt.
    pub id: &'a str,
    /// Who gets it.
    pub to: &'a [String],
    /// The subject.
    pub subject: &'a str,
    /// The text, with lines of any length.
    pub text: &'a str,
}

/// Sends mail through one server.
#[derive(Debug, Clone)]
pub struct Mailer {
    server: SmtpConfig,
    tls: Arc<rustls::ClientConfig>,
    authorities: Vec<Certificate>,
}

impl Mailer {
    /// Of a configuration; `None` without `smtp.host`. Reads `outbound.extra_ca`.
    pub fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        if config.smtp.host.is_none() {
            return Ok(None);
        }
        let mut authorities = Vec::new();
        for path in &config.outbound.extra_ca {
            for certificate in CertificateDer::pem_file_iter(path)? {
                authorities.push(Certificate::from_der(certificate?.to_vec())?);
            }
        }
        Ok(Some(Self {
            server: config.smtp.clone(),
            tls: Arc::new(crate::fetch::client_config(&config.outbound.extra_ca)?),
            authorities,
        }))
    }

    /// Sends a message once.
    pub async fn send(&self, fetch: &Fetch, mail: Mail<'_>) -> Result<(), MailError> {
        let message = self.message(mail)?;
        timeout(DEADLINE, self.exchange(fetch, &message))
            .await
            .unwrap_or(Err(MailError::Timeout))
    }

    fn message(&self, mail: Mail<'_>) -> Result<Message, MailError> {
        let from: Mailbox = self
            .server
            .from
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|_| MailError::Address)?;
        let mut builder = Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
            .from(from)
            .subject(mail.subject)
            // Programs that answer mail do not answer this (RFC 3834 section 5).
            .header(AutoSubmitted);
        for to in mail.to {
            builder = builder.to(to.parse().map_err(|_| MailError::Address)?);
        }
        builder
            .singlepart(
                SinglePart::builder()
                    .header(header::ContentType::TEXT_PLAIN)
                    .body(mail.text.to_owned()),
            )
            .map_err(|_| MailError::Address)
    }

    async fn exchange(&self, fetch: &Fetch, message: &Message) -> Result<(), MailError> {
        let host = self.server.host.as_deref().unwrap_or_default();
        let stream = fetch.dial(host, self.server.port).await?;
        // What the server is told we are: its filters expect a name or an address.
        let hello = stream.local_addr().map_or_else(
            |_| ClientId::default(),
            |address| match address.ip() {
                IpAddr::V4(address) => ClientId::Ipv4(address),
                IpAddr::V6(address) => ClientId::Ipv6(address),
            },
        );
        let stream: Box<dyn AsyncTokioStream> = match self.server.security {
            SmtpSecurity::Tls => Box::new(self.wrap(host, stream).await?),
            SmtpSecurity::Starttls | SmtpSecurity::None => Box::new(stream),
        };
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello)
            .await
            .map_err(|error| broken(&error))?;
        if self.server.security == SmtpSecurity::Starttls {
            if !connection.can_starttls() {
                return Err(MailError::NoStartTls);
            }
            let parameters = self.parameters(host)?;
            connection
                .starttls(parameters, &hello)
                .await
                .map_err(|_| MailError::Tls)?;
        }
        if let (Some(name), Some(password)) = (&self.server.username, &self.server.password) {
            let credentials = Credentials::new(name.clone(), password.expose().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let answer = connection.auth(&mechanisms, &credentials).await;
            answer.map_err(|error| {
                if error.is_transient() {
                    broken(&error)
                } else {
                    MailError::Credentials
                }
            })?;
        }
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        sent.map_err(|error| broken(&error))?;
        // The message is accepted, whatever becomes of the farewell.
        let _ = connection.quit().await;
        Ok(())
    }

    async fn wrap(&self, host: &str, stream: TcpStream) -> Result<OverTls, MailError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| MailError::Tls)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector
            .connect(name, stream)
            .await
            .map(OverTls)
            .map_err(|_| MailError::Tls)
    }

    fn parameters(&self, host: &str) -> Result<TlsParameters, MailError> {
        let mut builder =
            TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
        for authority in &self.authorities {
            builder = builder.add_root_certificate(authority.clone());
        }
        builder.build_rustls().map_err(|_| MailError::Tls)
    }
}

/// A failure without what the server wrote, but for the code of its answer.
fn broken(error: &lettre::transport::smtp::Error) -> MailError {
    match error.status() {
        Some(code) => MailError::Refused(format!("{code}")),
        None => MailError::Broken,
    }
}

/// `Auto-Submitted: auto-generated`.
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// A connection with TLS from its first byte.
#[derive(Debug)]
struct OverTls(TlsStream<TcpStream>);

impl AsyncTokioStream for OverTls {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for OverTls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for OverTls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
