//! Messages to other programs' webhooks, signed and retried according to the specification *Standard Webhooks* 1.0.0
//! (<https://www.standardwebhooks.com>): the ID of a message stays the same in every attempt, so its receiver recognises one that
//! arrives twice.

mod schedule;

use std::time::Duration;

use bytes::Bytes;
use gatewright_domain::{Timestamp, id::ProjectId};
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, response::Parts};
use http_body_util::Full;

pub use crate::webhook_secret::{InvalidSecret, WebhookSecret};
pub use schedule::{ATTEMPTS, retry_after};

use crate::fetch::{Fetch, FetchError, Limits};

/// How long a receiver may take. It should note the message and answer, and work on it afterwards.
const DEADLINE: Duration = Duration::from_secs(15);
/// What is read of an answer. Only its status counts.
const ANSWER_MAX: usize = 16 * 1024;
/// The longest pause that a receiver can ask for.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// Where messages are sent, and how they are signed.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The URL.
    pub url: Uri,
    /// The secret that its receiver checks signatures with.
    pub secret: WebhookSecret,
}

/// A message: what it is about is up to its sender.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Its ID, the same in every attempt: letters, digits, `_` and `-`.
    pub id: &'a str,
    /// The media type of its body.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It could not be sent, or there was no answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The receiver answered with another status than success.
    #[error("{host} answered with HTTP {status}")]
    Refused {
        /// The host of the URL.
        host: String,
        /// The status.
        status: StatusCode,
        /// How long it asks to wait, an hour at most.
        pause: Option<Duration>,
    },
}

impl DeliveryError {
    /// How long the receiver asks to wait before the next attempt.
    pub const fn pause(&self) -> Option<Duration> {
        match self {
            Self::Fetch(_) => None,
            Self::Refused { pause, .. } => *pause,
        }
    }
}

impl Webhook {
    /// Sends a message once, at the expense of a project if it is about one. Any status from 200 to 299 means that the receiver
    /// has it. Redirects are not followed.
    pub async fn deliver(
        &self,
        fetch: &Fetch,
        project: Option<ProjectId>,
        message: &Message<'_>,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let limits = Limits {
            deadline: DEADLINE,
            body: ANSWER_MAX,
        };
        match fetch.answered(project, self.request(message, now), limits).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(self.refused(&answer)),
            Err(error) => Err(error.into()),
        }
    }

    fn request(&self, message: &Message<'_>, now: Timestamp) -> Request<Full<Bytes>> {
        let seconds = now.as_seconds();
        let signature = self.secret.sign(message.id, seconds, &message.body);
        let mut request = Request::new(Full::new(message.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(message.content_type),
        );
        for (name, value) in [
            ("webhook-id", message.id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ] {
            // IDs are ours, and the others are digits and base64.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        request
    }

    fn refused(&self, answer: &Parts) -> DeliveryError {
        let seconds = answer.headers.get(header::RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        DeliveryError::Refused {
            host: self.url.host().unwrap_or("the host").to_owned(),
            status: answer.status,
            pause: seconds.map(|seconds| Duration::from_secs(seconds).min(PAUSE_MAX)),
        }
    }
}

#[cfg(test)]
mod tests;
