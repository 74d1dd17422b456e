//! Why a fetch failed, in our words.

use std::error::Error;

/// Why a fetch failed, in words for an administrator. Never contains what the peer sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL or the address it leads to is not allowed.
    #[error("{0}")]
    Refused(String),
    /// No such host.
    #[error("the name {0} could not be resolved")]
    Resolve(String),
    /// Nothing answered, or TLS failed.
    #[error("could not connect to {host}: {reason}")]
    Connect {
        /// The host of the URL.
        host: String,
        /// What went wrong, in our words.
        reason: String,
    },
    /// It took too long.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// The body is longer than the cap.
    #[error("the answer of {0} is too large")]
    TooLarge(String),
    /// The connection broke, or the response was not HTTP.
    #[error("the answer of {0} broke off or is not HTTP")]
    Broken(String),
    /// The answer is compressed, although that was declined.
    #[error("the answer of {host} is compressed ({coding}), although the request asked for it as it is")]
    Coded {
        /// The host of the URL.
        host: String,
        /// The coding, if it is a usual one.
        coding: &'static str,
    },
    /// Too many fetches to this host (stranger policy), or too many connections to servers are open.
    #[error("too many requests to {0} for now")]
    Limited(String),
}

impl FetchError {
    /// The cause, found along the chain of the client's error.
    pub(super) fn of_client(host: &str, error: &hyper_util::client::legacy::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        let connect = |reason: &str| Self::Connect {
            host: host.to_owned(),
            reason: reason.to_owned(),
        };
        while let Some(inner) = cause {
            if let Some(ours) = inner.downcast_ref::<Self>() {
                return ours.clone();
            }
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return connect(tls_reason(tls));
            }
            // An `io::Error` around another error returns that error's source as its own, and would hide it.
            let wrapped = inner
                .downcast_ref::<std::io::Error>()
                .and_then(std::io::Error::get_ref);
            cause = match wrapped {
                Some(wrapped) => Some(wrapped),
                None => inner.source(),
            };
        }
        if error.is_connect() {
            return connect("the connection was refused or closed before TLS was agreed");
        }
        Self::Broken(host.to_owned())
    }
}

/// A TLS failure without the names and bytes the peer sent.
fn tls_reason(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Certificate;
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => {
                "its certificate is from an authority that is not trusted here; name that authority's file in outbound.extra_ca"
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => "its certificate has expired",
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "its certificate is not valid yet; is the clock of this machine right?"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "its certificate is for another host name"
            }
            Certificate::Revoked => "its certificate was revoked",
            _ => "its certificate cannot be accepted",
        },
        rustls::Error::InvalidMessage(_) => "it does not use TLS on this port",
        rustls::Error::AlertReceived(_) => "it broke off the TLS handshake",
        rustls::Error::PeerIncompatible(_) => "it does not support a safe version of TLS (1.2 or 1.3)",
        _ => "the TLS handshake failed",
    }
}
