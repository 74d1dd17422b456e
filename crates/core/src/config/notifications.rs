//! Who is notified when something needs attention, and through which mail server. Like those of `sections`, the doc
//! comments are what users read.

use std::time::Duration;

use gatewright_domain::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sections::hide;

/// Who is notified when something needs attention in any project, such as a server that cannot be used, failing sign-ins or a
/// key about to expire. One message is sent when it begins and one when it is over.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsConfig {
    /// A URL that messages are sent to (POST, JSON), signed according to Standard Webhooks. The rules of `outbound`
    /// apply to its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "https://hooks.example.com/gatewright")]
    pub webhook_url: Option<String>,
    /// The secret of these signatures: `whsec_` and 24 to 64 random bytes in base64. Create one with:
    /// echo whsec_$(openssl rand -base64 32)
    #[serde(serialize_with = "hide", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"whsec_cmVwbGFjZSB0aGlzIHdpdGggcmFuZG9t")]
    pub webhook_secret: Option<Secret>,
    /// E-mail addresses that messages are sent to. This needs `smtp`.
    #[schemars(example = ["operations@example.com"])]
    pub email: Vec<String>,
    /// How long something must need attention before a message is sent, in seconds. What is over sooner is only listed.
    pub wait_seconds: u32,
    /// How long it must be over before that message is sent, in seconds. If it returns sooner, it is the same incident.
    pub settle_seconds: u32,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        Self {
            webhook_url: None,
            webhook_secret: None,
            email: Vec::new(),
            wait_seconds: 60,
            settle_seconds: 300,
        }
    }
}

impl NotificationsConfig {
    /// How long something must need attention before a message is sent.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_seconds.into())
    }

    /// How long it must be over before that message is sent.
    pub fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_seconds.into())
    }
}

/// The mail server that the instance sends e-mail through.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpConfig {
    /// Its host name. The rules of `outbound` apply to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "smtp.example.com")]
    pub host: Option<String>,
    /// Its port: usually 587 for starttls, and 465 for tls.
    pub port: u16,
    /// How the connection is encrypted: starttls, tls (from the first byte) or none.
    #[schemars(with = "String")]
    pub security: SmtpSecurity,
    /// The user name, if the server wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "gatewright@example.com")]
    pub username: Option<String>,
    /// The password. The environment variable GATEWRIGHT__SMTP__PASSWORD keeps it out of files.
    #[serde(serialize_with = "hide", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = "the password")]
    pub password: Option<Secret>,
    /// The sender's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "Gatewright <gatewright@example.com>")]
    pub from: Option<String>,
}

/// How a connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// It begins in clear text and is encrypted before anything else is said (RFC 3207). A server that does not offer
    /// it is refused.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Clear text, for a server on the same machine. No password is sent.
    None,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            host: None,
            port: 587,
            security: SmtpSecurity::default(),
            username: None,
            password: None,
            from: None,
        }
    }
}
