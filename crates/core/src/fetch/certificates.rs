//! Certificates of peers: until when they are valid, noted whenever one is verified. Nothing is asked for it.

use std::{sync::Arc, time::Duration};

use gatewright_domain::Timestamp;
use moka::sync::Cache;
use rustls::{
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::x509;

/// Hosts that are remembered, and for how long: those that are used are seen again.
const HOSTS: u64 = 4_096;
const REMEMBERED: Duration = Duration::from_hours(48);

/// A certificate that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenCertificate {
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was seen last.
    pub seen_at: Timestamp,
}

/// The certificates that were seen, by host.
#[derive(Debug, Clone)]
pub(super) struct Certificates(Cache<String, SeenCertificate>);

impl Default for Certificates {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(HOSTS)
                .time_to_live(REMEMBERED)
                .build(),
        )
    }
}

impl Certificates {
    /// That of a host, in lower case.
    pub(super) fn of(&self, host: &str) -> Option<SeenCertificate> {
        self.0.get(host)
    }

    fn note(&self, name: &ServerName<'_>, certificate: &CertificateDer<'_>, now: UnixTime) {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if let Some(validity) = x509::validity(certificate) {
            let seen = SeenCertificate {
                expires_at: validity.not_after,
                seen_at: Timestamp::from_seconds(seconds),
            };
            self.0.insert(name.to_str().to_ascii_lowercase(), seen);
        }
    }
}

/// Verifies as usual, and notes what was valid.
#[derive(Debug)]
pub(super) struct Noting {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Certificates,
}

impl Noting {
    /// Trusts these authorities.
    ///
    /// # Errors
    ///
    /// If there are none.
    pub(super) fn new(
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
        seen: Certificates,
    ) -> anyhow::Result<Self> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { verifier, seen })
    }
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        self.seen.note(server_name, end_entity, now);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
