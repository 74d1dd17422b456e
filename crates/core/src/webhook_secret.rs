//! The secret of a webhook, and signatures with it.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatewright_domain::secret::Secret;

/// How a secret begins in text.
const PREFIX: &str = "whsec_";
/// The version of the signature: HMAC with SHA-256.
const VERSION: &str = "v1";
/// The fewest and most bytes of a secret.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret for HMAC-SHA256, 24 to 64 bytes. Its text is `whsec_` and the bytes in base64.
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret([redacted])")
    }
}

/// A text is not the secret of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be `whsec_` and 24 to 64 random bytes in base64. Create one with: echo whsec_$(openssl rand -base64 32)"
)]
pub struct InvalidSecret;

impl WebhookSecret {
    /// Reads a secret.
    ///
    /// # Errors
    ///
    /// If the text does not have the form of one.
    pub fn parse(text: &Secret) -> Result<Self, InvalidSecret> {
        let encoded = text.expose().trim().strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        Self::of_bytes(&bytes)
    }

    /// The secret with these bytes.
    ///
    /// # Errors
    ///
    /// If they are fewer than 24, or more than 64.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        if BYTES.contains(&bytes.len()) {
            Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
        } else {
            Err(InvalidSecret)
        }
    }

    /// The value of `webhook-signature` for a message sent at this time, in seconds since the Unix epoch.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{id}.{seconds}.").as_bytes());
        signing.update(body);
        format!("{VERSION},{}", STANDARD.encode(signing.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Result<WebhookSecret, InvalidSecret> {
        WebhookSecret::parse(&Secret::new(text))
    }

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the reference libraries of Standard Webhooks.
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            secret.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(format!("{secret:?}"), "WebhookSecret([redacted])");
    }

    #[test]
    fn a_secret_that_could_be_guessed_or_is_none_is_refused() {
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_not base64 not base64 not base64",
        ] {
            secret(text).unwrap_err();
        }
    }
}
