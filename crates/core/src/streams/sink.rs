//! The place a stream sends to, whatever kind it is.

use std::{io, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use bytes::Bytes;
use gatewright_domain::{
    Timestamp,
    secret::Secret,
    stream::{Batching, StreamTarget, SyslogTransport},
};

use super::{
    Record,
    file::FileSink,
    syslog::{SyslogError, SyslogSink},
};
use crate::{
    config::Config,
    fetch::{self, Fetch},
    webhook::{DeliveryError, Message, Webhook, WebhookSecret},
};

const MB: u64 = 1024 * 1024;

/// Why records did not arrive, in words for an administrator. Never contains what the receiver sent.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The webhook does not have them.
    #[error(transparent)]
    Webhook(#[from] DeliveryError),
    /// The syslog receiver does not have them.
    #[error(transparent)]
    Syslog(#[from] SyslogError),
    /// They are not in the file.
    #[error("the file {name} could not be written: {reason}")]
    File {
        /// Its name.
        name: String,
        /// What the system says.
        reason: io::Error,
    },
    /// The stream cannot be used as it is configured.
    #[error("{0}")]
    Unusable(String),
}

impl SinkError {
    /// How long the receiver asks to wait before the next attempt.
    pub const fn pause(&self) -> Option<Duration> {
        match self {
            Self::Webhook(error) => error.pause(),
            Self::Syslog(_) | Self::File { .. } | Self::Unusable(_) => None,
        }
    }
}

/// Sends records.
#[derive(Debug)]
pub struct Sink(Kind);

#[derive(Debug)]
enum Kind {
    Webhook(Box<Webhook>, Batching),
    File(FileSink),
    Syslog(SyslogSink),
}

impl Sink {
    /// The sink of a target. `secret` is that of a webhook.
    ///
    /// # Errors
    ///
    /// [`SinkError::Unusable`] with what is wrong, and what to do.
    pub fn of(target: &StreamTarget, secret: Option<&Secret>, config: &Config) -> Result<Self, SinkError> {
        let unusable = |why: &str| SinkError::Unusable(why.to_owned());
        Ok(Self(match target {
            StreamTarget::Webhook { url, batching } => {
                let secret = secret.ok_or_else(|| unusable("the stream has no secret; enter one"))?;
                let webhook = Webhook {
                    url: url
                        .parse()
                        .map_err(|_| unusable("the URL cannot be used; enter another"))?,
                    secret: WebhookSecret::parse(secret).map_err(|error| {
                        SinkError::Unusable(format!("the secret cannot be used: {error}"))
                    })?,
                };
                Kind::Webhook(Box::new(webhook), *batching)
            }
            StreamTarget::File {
                file_name,
                max_size_mb,
                max_files,
            } => {
                let folder = config.streams.directory.clone().ok_or_else(|| {
                    unusable(
                        "streams.directory is not set in the configuration, so there is no folder for files",
                    )
                })?;
                Kind::File(FileSink {
                    folder,
                    name: file_name.clone(),
                    max_size: u64::from(*max_size_mb) * MB,
                    max_files: *max_files,
                })
            }
            StreamTarget::Syslog {
                host,
                port,
                transport,
                authorities,
            } => {
                let tls = match transport {
                    SyslogTransport::Tcp => None,
                    SyslogTransport::Tls => {
                        let client =
                            fetch::client_config_of(&config.outbound.extra_ca, authorities.as_deref())
                                .map_err(|error| SinkError::Unusable(format!("{error:#}")))?;
                        Some(Arc::new(client))
                    }
                };
                Kind::Syslog(SyslogSink {
                    host: host.clone(),
                    port: *port,
                    tls,
                    hostname: hostname(config.public_url()),
                })
            }
        }))
    }

    /// Sends records once, in their order. When it returns, the receiver has all of them.
    pub async fn deliver(&self, fetch: &Fetch, records: &[Record], now: Timestamp) -> Result<(), SinkError> {
        match &self.0 {
            Kind::Webhook(webhook, batching) => {
                let (content_type, body) = body(records, *batching);
                let message = Message {
                    id: &id_of(&body),
                    content_type,
                    body,
                };
                Ok(webhook.deliver(fetch, None, &message, now).await?)
            }
            Kind::File(file) => file.deliver(records).await.map_err(|reason| SinkError::File {
                name: file.name.clone(),
                reason,
            }),
            Kind::Syslog(syslog) => Ok(syslog.deliver(fetch, records).await?),
        }
    }
}

fn body(records: &[Record], batching: Batching) -> (&'static str, Bytes) {
    let (content_type, begin, between, end): (_, &[u8], &[u8], &[u8]) = match batching {
        Batching::Array => ("application/json", b"[", b",", b"]"),
        Batching::Lines => ("application/jsonl", b"", b"\n", b"\n"),
    };
    let mut body = begin.to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(between);
        }
        body.extend_from_slice(&record.json);
    }
    body.extend_from_slice(end);
    (content_type, body.into())
}

/// The ID of a batch: a batch that is sent again as it was has the same.
fn id_of(body: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, body);
    let mut number = [0; 16];
    number.copy_from_slice(&digest.as_ref()[..16]);
    format!("msg_{:032x}", u128::from_be_bytes(number))
}

/// The host of this instance, as syslog has it: at most 255 characters of ASCII, or `-` (RFC 5424 section 6.2.4).
fn hostname(public_url: &str) -> String {
    let url = url::Url::parse(public_url).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let is_valid = (1..=255).contains(&host.len()) && host.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid { host.to_owned() } else { "-".to_owned() }
}
