//! One request to the collector, and when it is sent again (OTLP 1.9, "OTLP/HTTP").

use std::{io::Write as _, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;

use super::resource::rejected;
use crate::{
    config::{OtlpConfig, Signal},
    fetch::{Fetch, FetchError, Limits, Policy},
};

/// What is read of an answer: that it was accepted, or how many were not.
const ANSWER_MAX: usize = 64 * 1024;
/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, unless the collector asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// The longest pause that the collector can ask for.
const ASKED_MAX: Duration = Duration::from_mins(10);

/// Why the collector has not accepted a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// It could not be sent, or there was no answer.
    #[error("the collector of otlp.endpoint: {0}")]
    Fetch(#[from] FetchError),
    /// The collector answered with another status than success.
    #[error("the collector of otlp.endpoint, {host}, answered with HTTP {status}{}", hint(*status))]
    Refused {
        /// The host of the URL.
        host: String,
        /// The status.
        status: StatusCode,
        /// How long it asks to wait.
        pause: Option<Duration>,
    },
}

/// What to look at.
fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; check otlp.headers",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "; check that otlp.endpoint is its address for OTLP over HTTP (port 4318 by default), without /v1/traces"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "; raise what it accepts in one request",
        _ => "",
    }
}

impl ExportError {
    /// Whether the same request can be accepted later ("Failures", "Retryable Response Codes").
    pub(super) const fn is_passing(&self) -> bool {
        match self {
            Self::Fetch(FetchError::Refused(_)) => false,
            Self::Fetch(_) => true,
            Self::Refused { status, .. } => matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
        }
    }

    /// How long to wait before the next attempt, after so many failures in a row, from 1.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
        let asked = match self {
            Self::Fetch(_) => None,
            Self::Refused { pause, .. } => *pause,
        };
        asked.map_or(doubled.min(PAUSE_MAX), |asked| asked.min(ASKED_MAX))
    }
}

/// Sends requests to the collector of a configuration.
#[derive(Debug)]
pub(super) struct Sender {
    headers: HeaderMap,
    limits: Limits,
    compresses: bool,
}

impl Sender {
    /// Reads the headers of the configuration.
    pub(super) fn new(config: &OtlpConfig) -> anyhow::Result<Self> {
        let mut headers = config.header_map()?;
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        if config.gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Self {
            headers,
            limits: Limits {
                deadline: config.timeout(),
                body: ANSWER_MAX,
            },
            compresses: config.gzip,
        })
    }

    /// The body of a request, compressed where that is configured.
    pub(super) fn body(&self, message: Vec<u8>) -> Bytes {
        if !self.compresses {
            return message.into();
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
        // Memory takes everything.
        let _ = encoder.write_all(&message);
        encoder.finish().unwrap_or_default().into()
    }

    /// Sends a request once; returns how many of what it contains the collector has not accepted.
    pub(super) async fn send(&self, fetch: &Fetch, url: &Uri, body: Bytes) -> Result<u64, ExportError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        request.headers_mut().clone_from(&self.headers);
        let answer = fetch
            .buffered(Policy::Configuration, request, self.limits)
            .await?;
        if answer.status().is_success() {
            return Ok(rejected(answer.body()));
        }
        let seconds = answer.headers().get(header::RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(ExportError::Refused {
            host: url.host().unwrap_or("the host").to_owned(),
            status: answer.status(),
            pause: seconds.map(Duration::from_secs),
        })
    }
}

/// Sends an empty request, which every collector accepts; for the doctor.
pub async fn try_out(config: &OtlpConfig, signal: Signal, fetch: &Fetch) -> anyhow::Result<()> {
    let sender = Sender::new(config)?;
    if let Some(url) = config.url(signal) {
        sender.send(fetch, &url, sender.body(Vec::new())).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, pause: Option<u64>) -> ExportError {
        ExportError::Refused {
            host: "collector.example".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            pause: pause.map(Duration::from_secs),
        }
    }

    #[test]
    fn only_what_can_pass_is_sent_again() {
        let timeout = ExportError::from(FetchError::Timeout("collector.example".to_owned()));
        let forbidden = ExportError::from(FetchError::Refused("outbound.deny".to_owned()));
        assert!(timeout.is_passing() && !forbidden.is_passing());
        for (status, passes) in [
            (429, true),
            (502, true),
            (503, true),
            (504, true),
            (400, false),
            (401, false),
            (500, false),
        ] {
            assert_eq!(refused(status, None).is_passing(), passes, "{status}");
        }
        assert!(refused(401, None).to_string().ends_with("check otlp.headers"));
    }

    #[test]
    fn pauses_double_and_the_collector_can_ask_for_another() {
        let pause = |failures| refused(503, None).pause(failures).as_secs();
        assert_eq!([1, 2, 3, 7, 8, 100].map(pause), [1, 2, 4, 60, 60, 60]);
        assert_eq!(refused(429, Some(7)).pause(1).as_secs(), 7);
        assert_eq!(refused(429, Some(86_400)).pause(1).as_secs(), 600);
    }
}
