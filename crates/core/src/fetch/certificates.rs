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
use time::{Date, Month, PrimitiveDateTime, Time};

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
        if let Some(expires_at) = not_after(certificate) {
            let seen = SeenCertificate {
                expires_at,
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

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of the validity of a certificate (RFC 5280 section 4.1.2.5) that was verified, so it is well-formed.
fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = expect(SEQUENCE, certificate)?;
    let (mut fields, _) = expect(SEQUENCE, certificate)?;
    if let Some((_, rest)) = expect(VERSION, fields) {
        fields = rest;
    }
    // The serial number, the algorithm of the signature, and the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        fields = expect(tag, fields)?.1;
    }
    let (validity, _) = expect(SEQUENCE, fields)?;
    let (_, _, end) = element(validity)?;
    let (tag, text, _) = element(end)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The content of the first element, which has this tag, and what follows it.
fn expect(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(input)?;
    (found == tag).then_some((content, rest))
}

/// The first element of DER: its tag, its content, and what follows it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(4))?;
        (
            bytes
                .iter()
                .fold(0, |length, byte| (length << 8) | usize::from(*byte)),
            rest,
        )
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, of which years from 50 are of the last century, or with a year of four digits.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (
                if year < 50 { 2_000 + year } else { 1_900 + year },
                text.get(2..)?,
            )
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(number(0)?).ok()?, number(2)?).ok()?;
    let time = Time::from_hms(number(4)?, number(6)?, number(8)?).ok()?;
    let at = PrimitiveDateTime::new(date, time).assume_utc();
    Some(Timestamp::from_seconds(at.unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_whatever_its_form() {
        // From 2050 on, it has a year of four digits.
        for year in [2031, 2049, 2051] {
            let mut params = CertificateParams::new(vec!["mcp.example.com".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 12, 1);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let at = not_after(certificate.der()).unwrap();
            assert_eq!(at.to_rfc3339(), format!("{year}-12-01T00:00:00Z"));
        }
    }

    #[test]
    fn what_is_not_a_certificate_has_no_expiry() {
        let certificate = CertificateParams::new(vec!["mcp.example.com".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&KeyPair::generate().unwrap()).unwrap();
        for length in 0..120 {
            assert_eq!(not_after(&certificate.der()[..length]), None);
        }
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
