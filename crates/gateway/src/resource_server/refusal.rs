//! Refusals before a message is read: JSON of OAuth's form (RFC 6750 section 3), and the Bearer challenge where one is
//! due. Nothing in them tells a stranger more than they knew. What is wrong with a message itself is reported as JSON-RPC, because
//! those who get it have signed in and speak MCP.

use gatewright_core::telemetry::Decided;
use gatewright_domain::activity::{Outcome, Rule};
use gatewright_mcp::{caller::Busy, jsonrpc, version::Era};
use gatewright_oauth::{challenge::Challenge, error::ErrorCode};
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{Answer, user_id::UserIdError};
use crate::{config::Config, directory::GatewayEntry, request::BodyError};

/// Why a request of the MCP endpoint is refused before its message is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The configuration could not be confirmed, or the database not be asked.
    #[error("The gateway cannot check this request right now. Try again in a few seconds.")]
    Unchecked,
    /// No active gateway has this slug.
    #[error("There is no such gateway.")]
    NoGateway,
    /// A web page of another origin is asking.
    #[error("Requests from web pages of other origins are not accepted.")]
    ForeignOrigin,
    /// Only GET, POST and DELETE exist here.
    #[error("This method is not used here; MCP uses POST, GET and DELETE.")]
    Method,
    /// No credentials.
    #[error("Sign in first: send an access token of this gateway as `Authorization: Bearer …`.")]
    NoToken,
    /// An access token that is not good here, or no more.
    #[error("The access token is not valid for this gateway, or no longer. Sign in again.")]
    BadToken,
    /// No API key.
    #[error("Send a project API key of role `gateway` as `Authorization: Bearer gwk_…`.")]
    NoKey,
    /// An API key that is not good here.
    #[error(
        "The API key is not valid for this gateway. Use an unexpired key of role `gateway` of its project."
    )]
    BadKey,
    /// The user id beside the key.
    #[error(transparent)]
    UserId(#[from] UserIdError),
    /// The body, in the words of the era that its headers name.
    #[error("{}", body_text(*.0))]
    Body(BodyError, Era),
    /// Too much is on its way or running, in the words of the era that the headers name.
    #[error("{0}")]
    Busy(Busy, Era),
}

/// What is wrong with a body, and what to do.
const fn body_text(error: BodyError) -> &'static str {
    match error {
        BodyError::TooLarge => {
            "The message is larger than 4 MiB, the limit of a gateway. Send a smaller one."
        }
        BodyError::Timeout => "The message did not arrive in time. Send it again.",
        BodyError::Broken => "The message broke off before it was complete. Send it again.",
    }
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::Unchecked => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoGateway => StatusCode::NOT_FOUND,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoToken | Self::BadToken | Self::NoKey | Self::BadKey => StatusCode::UNAUTHORIZED,
            Self::UserId(_) | Self::Body(BodyError::Broken, _) => StatusCode::BAD_REQUEST,
            Self::Body(BodyError::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::Timeout, _) => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(..) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// What the activity says of it.
    pub(super) const fn decided(self) -> Decided {
        let rule = match self {
            Self::Unchecked => return (Outcome::Unavailable, None),
            Self::NoGateway => Rule::NotOffered,
            Self::ForeignOrigin => Rule::ForeignOrigin,
            Self::NoToken | Self::NoKey => Rule::NotSignedIn,
            Self::BadToken | Self::BadKey => Rule::BadCredentials,
            Self::Method | Self::UserId(_) => Rule::Malformed,
            Self::Body(..) => Rule::Body,
            Self::Busy(Busy::Person(_) | Busy::Sending(_), _) => Rule::PersonBusy,
            Self::Busy(Busy::Project, _) => Rule::ProjectBusy,
        };
        (Outcome::Refused, Some(rule))
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Unchecked => "temporarily_unavailable",
            Self::NoGateway => "not_found",
            Self::ForeignOrigin => "forbidden",
            Self::NoToken | Self::NoKey => "unauthorized",
            Self::BadToken | Self::BadKey => "invalid_token",
            Self::Method | Self::UserId(_) | Self::Body(..) | Self::Busy(..) => "invalid_request",
        }
    }

    /// The answer. `entry` is the gateway, once it is known.
    pub(super) fn into_response(self, config: &Config, entry: Option<&GatewayEntry>) -> Response<Answer> {
        let text = self.to_string();
        let body = match self {
            Self::Body(error, era) => {
                jsonrpc::Refusal::new(jsonrpc::ErrorCode::INVALID_REQUEST, body_text(error))
                    .to_response(None, era)
            }
            Self::Busy(busy, era) => {
                jsonrpc::Refusal::new(jsonrpc::ErrorCode::INTERNAL_ERROR, busy.to_string())
                    .to_response(None, era)
            }
            _ => serde_json::json!({ "error": self.code(), "error_description": text })
                .to_string()
                .into(),
        };
        let mut response = Response::new(Answer::full(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Unchecked => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Self::Busy(..) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
            }
            Self::NoToken | Self::BadToken | Self::NoKey | Self::BadKey => {
                let challenge = match (self, entry) {
                    (Self::NoToken | Self::BadToken, Some(entry)) => {
                        Challenge::with_metadata(metadata_url(config, entry), "mcp")
                    }
                    // Headers mode publishes no metadata.
                    _ => Challenge::bare(),
                };
                let challenge = match self {
                    Self::BadToken | Self::BadKey => challenge.because(ErrorCode::InvalidToken, text),
                    _ => challenge,
                };
                if let Ok(value) = HeaderValue::from_str(&challenge.to_string()) {
                    headers.insert(WWW_AUTHENTICATE, value);
                }
            }
            Self::NoGateway | Self::ForeignOrigin | Self::UserId(_) | Self::Body(..) => {}
        }
        response
    }
}

/// Where the protected resource metadata of a gateway lies (RFC 9728 section 3.1).
fn metadata_url(config: &Config, entry: &GatewayEntry) -> String {
    format!(
        "{}/.well-known/oauth-protected-resource/mcp/{}",
        config.public_url(),
        entry.gateway.slug
    )
}
