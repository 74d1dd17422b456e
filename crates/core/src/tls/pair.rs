//! A certificate and its private key, as they are read from files and checked.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use gatewright_domain::Timestamp;
use rustls::{
    InconsistentKeys, client::verify_server_name, crypto::CryptoProvider, server::ParsedCertificate,
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName,
    pem::{self, PemObject as _},
};

use crate::x509::{self, Validity};

/// A chain of ten certificates with large keys is a tenth of this.
const LARGEST: u64 = 256 * 1024;
/// What the first line of an encrypted key contains: PKCS#8, and the older form.
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// A certificate with its chain and private key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The chain, and the key in a form that signs.
    pub certified: Arc<CertifiedKey>,
    /// From when and until when the certificate is valid.
    pub validity: Validity,
}

/// The two files of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `tls.certificate_file`.
    pub certificate: PathBuf,
    /// `tls.key_file`.
    pub key: PathBuf,
}

/// Why a pair cannot be used. Each names the setting and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file cannot be read.
    #[error("{setting}: {path} cannot be read ({reason}). Name a file that this user can read")]
    Unreadable {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: String,
        /// Why.
        reason: io::ErrorKind,
    },
    /// A file is too large to be one.
    #[error("{setting}: {path} is larger than {} KB. Name a file that contains only this certificate or key", LARGEST / 1024)]
    TooLarge {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: String,
    },
    /// There is no certificate in the file.
    #[error("tls.certificate_file: {0} contains no certificate in PEM form (BEGIN CERTIFICATE)")]
    NoCertificate(String),
    /// The certificate is damaged.
    #[error("tls.certificate_file: a certificate in {0} is damaged. Copy the file again")]
    Damaged(String),
    /// There is no key in the file.
    #[error("tls.key_file: {0} contains no private key in PEM form (BEGIN PRIVATE KEY)")]
    NoKey(String),
    /// The key is encrypted.
    #[error(
        "tls.key_file: the private key in {0} is encrypted. Decrypt it with: openssl pkey -in {0} -out key.pem"
    )]
    Encrypted(String),
    /// The key is of a kind that cannot be used.
    #[error(
        "tls.key_file: the private key in {0} cannot be used. Use an ECDSA key (P-256 or P-384), an RSA key of 2048 bits or more, or Ed25519"
    )]
    Key(String),
    /// The key belongs to another certificate.
    #[error(
        "tls.key_file: the private key in {key} does not belong to the first certificate in {certificate}. The server's own \
         certificate must come first in its file, and both files must be of the same order"
    )]
    Mismatch {
        /// The file of the key.
        key: String,
        /// The file of the certificate.
        certificate: String,
    },
}

impl Pair {
    /// Reads and checks the files.
    pub fn read(files: &Files) -> Result<Self, PairError> {
        let (certificate, key) = (shown(&files.certificate), shown(&files.key));
        let chain = text("tls.certificate_file", &files.certificate)?;
        let key_text = text("tls.key_file", &files.key)?;
        Self::parse(&chain, &key_text).map_err(|wrong| match wrong {
            Wrong::NoCertificate => PairError::NoCertificate(certificate),
            Wrong::Damaged => PairError::Damaged(certificate),
            Wrong::NoKey if ENCRYPTED.iter().any(|mark| contains(&key_text, mark)) => {
                PairError::Encrypted(key)
            }
            Wrong::NoKey => PairError::NoKey(key),
            Wrong::Key if ENCRYPTED.iter().any(|mark| contains(&key_text, mark)) => PairError::Encrypted(key),
            Wrong::Key => PairError::Key(key),
            Wrong::Mismatch => PairError::Mismatch { key, certificate },
        })
    }

    /// Reads a chain and a key in PEM form.
    pub(crate) fn parse(chain: &[u8], key: &[u8]) -> Result<Self, Wrong> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| Wrong::Damaged)?;
        let first = chain.first().ok_or(Wrong::NoCertificate)?;
        let validity = x509::validity(first).ok_or(Wrong::Damaged)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => Wrong::NoKey,
            _ => Wrong::Key,
        })?;
        Self::of(chain, key, validity, &super::provider())
    }

    fn of(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        validity: Validity,
        provider: &CryptoProvider,
    ) -> Result<Self, Wrong> {
        let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Wrong::Mismatch,
            rustls::Error::InvalidCertificate(_) => Wrong::Damaged,
            _ => Wrong::Key,
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            validity,
        })
    }

    /// Whether it has the same certificate as another.
    pub fn is_same(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }

    /// What an operator should know about a pair that can be used.
    pub fn warnings(&self, host: &str, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.validity.not_after <= now {
            warnings.push(format!(
                "the certificate expired at {}, so clients refuse it. Renew it",
                self.validity.not_after.to_rfc3339()
            ));
        }
        if self.validity.not_before > now {
            warnings.push(format!(
                "the certificate is not valid before {}. Check the clock of this machine",
                self.validity.not_before.to_rfc3339()
            ));
        }
        if !self.covers(host) {
            warnings.push(format!(
                "the certificate does not name {host}, the host of server.public_url, so clients refuse it. Use one that does"
            ));
        }
        warnings
    }

    fn covers(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (Ok(name), Some(certificate)) = (ServerName::try_from(host), self.certified.cert.first()) else {
            return false;
        };
        let parsed = ParsedCertificate::try_from(certificate);
        parsed.is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }
}

/// What is wrong with a pair, wherever it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("the certificate is damaged")]
    Damaged,
    #[error("there is no private key in it")]
    NoKey,
    #[error("the private key cannot be used")]
    Key,
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn contains(text: &[u8], mark: &str) -> bool {
    text.windows(mark.len()).any(|window| window == mark.as_bytes())
}

fn text(setting: &'static str, path: &Path) -> Result<Vec<u8>, PairError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text))
        .map_err(|error| PairError::Unreadable {
            setting,
            path: shown(path),
            reason: error.kind(),
        })?;
    if text.len() as u64 > LARGEST {
        return Err(PairError::TooLarge {
            setting,
            path: shown(path),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::tls::testing::{Made, folder_with, made};

    #[test]
    fn a_pair_that_cannot_be_used_names_the_file_the_setting_and_the_remedy() {
        let good = made("gateway.example.com", 2031);
        let other = made("gateway.example.com", 2031);
        let key = |text: &str| Made {
            key: text.to_owned(),
            ..good.clone()
        };
        let certificate = |text: &str| Made {
            certificate: text.to_owned(),
            ..good.clone()
        };
        for (files, place, remedy) in [
            (certificate(""), "tls.certificate_file", "contains no certificate"),
            (
                certificate(&good.key),
                "tls.certificate_file",
                "contains no certificate",
            ),
            (
                certificate("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"),
                "tls.certificate_file",
                "is damaged",
            ),
            (
                certificate(&good.certificate[..good.certificate.len() / 2]),
                "tls.certificate_file",
                "is damaged",
            ),
            (
                certificate(&"x".repeat(300_000)),
                "tls.certificate_file",
                "larger than",
            ),
            (key(""), "tls.key_file", "contains no private key"),
            (
                key("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
                "tls.key_file",
                "openssl pkey",
            ),
            (
                key("-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n"),
                "tls.key_file",
                "cannot be used",
            ),
            (key(&other.key), "tls.key_file", "does not belong"),
        ] {
            let (_folder, files) = folder_with(&files);
            let error = Pair::read(&files).unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains(remedy), "{error}");
        }
        let (folder, files) = folder_with(&good);
        assert!(Pair::read(&files).is_ok());
        let missing = Files {
            key: folder.path().join("missing.pem"),
            ..files
        };
        let error = Pair::read(&missing).unwrap_err().to_string();
        assert!(
            error.contains("missing.pem cannot be read (entity not found)"),
            "{error}"
        );
    }

    #[test]
    fn a_chain_is_read_in_its_order() {
        let leaf = made("gateway.example.com", 2031);
        let authority = made("authority.example.com", 2031);
        let (_folder, files) = folder_with(&Made {
            certificate: format!("{}{}", leaf.certificate, authority.certificate),
            ..leaf.clone()
        });
        assert_eq!(Pair::read(&files).unwrap().certified.cert.len(), 2);
        let (_folder, files) = folder_with(&Made {
            certificate: format!("{}{}", authority.certificate, leaf.certificate),
            ..leaf
        });
        let error = Pair::read(&files).unwrap_err();
        assert!(matches!(error, PairError::Mismatch { .. }), "{error}");
    }

    #[test]
    fn what_clients_will_refuse_is_a_warning() {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["gateway.example.com".to_owned(), "192.0.2.7".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        let certificate = params.self_signed(&key).unwrap();
        let pair = Pair::parse(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let at = |text: &str| x509_time(text);
        for (host, now, warning) in [
            ("gateway.example.com", "2026-02-01T00:00:00Z", None),
            ("192.0.2.7", "2026-02-01T00:00:00Z", None),
            (
                "gateway.example.com",
                "2026-04-01T00:00:00Z",
                Some("expired at 2026-04-01"),
            ),
            (
                "gateway.example.com",
                "2025-12-31T00:00:00Z",
                Some("not valid before"),
            ),
            (
                "other.example.com",
                "2026-02-01T00:00:00Z",
                Some("does not name other.example.com"),
            ),
            ("[2001:db8::1]", "2026-02-01T00:00:00Z", Some("does not name")),
        ] {
            let warnings = pair.warnings(host, at(now));
            assert_eq!(warnings.len(), usize::from(warning.is_some()), "{warnings:?}");
            if let Some(warning) = warning {
                assert!(warnings[0].contains(warning), "{warnings:?}");
            }
        }
    }

    fn x509_time(text: &str) -> Timestamp {
        let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
        Timestamp::from_seconds(at.unix_timestamp())
    }
}
