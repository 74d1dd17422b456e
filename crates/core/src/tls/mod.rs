//! TLS of the listener: the certificate that it presents, where it comes from, and how it stands.

mod here;
mod pair;
mod reload;
#[cfg(test)]
pub(crate) mod testing;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption};
use gatewright_domain::Timestamp;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::sync::Notify;

use crate::{config::Config, x509::Validity};

pub use here::client_of_this_machine;
pub(crate) use pair::Wrong;
pub use pair::{Files, Pair, PairError};
pub use reload::{begin, watch};

/// The protocol of a TLS-ALPN-01 challenge (RFC 8737 section 4).
pub const ACME_PROTOCOL: &[u8] = b"acme-tls/1";
/// The protocols of the listener, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The one cryptographic provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Files (`tls`).
    Files(Files),
    /// An authority (`acme`).
    Acme,
}

impl Source {
    /// The source that is configured; `None` if the listener answers plain HTTP.
    pub fn of(config: &Config) -> Option<Self> {
        if config.acme.is_on() {
            return Some(Self::Acme);
        }
        let (certificate, key) = (&config.tls.certificate_file, &config.tls.key_file);
        Some(Self::Files(Files {
            certificate: certificate.clone()?,
            key: key.clone()?,
        }))
    }

    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Files(_) => "files",
            Self::Acme => "acme",
        }
    }
}

/// Why there is no newer certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What happened, in words.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// How the certificate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it comes from: `files` or `acme`.
    pub source: &'static str,
    /// From when and until when it is valid; `None` if there is none yet.
    pub validity: Option<Validity>,
    /// Why there is no newer one, if one was expected.
    pub problem: Option<Problem>,
}

impl Standing {
    /// Whether clients accept the certificate, and a newer one was not expected in vain.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.problem.is_none() && self.validity.is_some_and(|validity| validity.contains(now))
    }
}

/// What the listener presents to its clients. It is empty until the program serves.
#[derive(Debug)]
pub struct ServedTls {
    source: Option<Source>,
    current: ArcSwapOption<Pair>,
    /// Certificates for TLS-ALPN-01 challenges that are open, by domain.
    challenges: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
    /// Answers to HTTP-01 challenges that are open, by token.
    key_authorizations: ArcSwap<HashMap<String, String>>,
    problem: Mutex<Option<Problem>>,
    asked: Notify,
}

impl ServedTls {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            source: Source::of(config),
            current: ArcSwapOption::empty(),
            challenges: ArcSwap::default(),
            key_authorizations: ArcSwap::default(),
            problem: Mutex::default(),
            asked: Notify::new(),
        }
    }

    /// Where the certificate comes from; `None` if the listener answers plain HTTP.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The certificate that is presented now.
    pub fn current(&self) -> Option<Arc<Pair>> {
        self.current.load_full()
    }

    /// Presents this certificate from now on; connections that are open keep theirs.
    pub fn present(&self, pair: Pair) {
        self.current.store(Some(Arc::new(pair)));
        self.note(None);
    }

    /// How the certificate stands; `None` if the listener answers plain HTTP.
    pub fn standing(&self) -> Option<Standing> {
        let source = self.source.as_ref()?;
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Standing {
            source: source.as_str(),
            validity: self.current.load().as_ref().map(|pair| pair.validity),
            problem: problem.clone(),
        })
    }

    /// Notes why there is no newer certificate, or that nothing is wrong.
    pub(crate) fn note(&self, problem: Option<Problem>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Answers challenges with these texts, by token, and with these certificates, by domain.
    pub(crate) fn answer(
        &self,
        key_authorizations: HashMap<String, String>,
        certificates: HashMap<String, Arc<CertifiedKey>>,
    ) {
        self.key_authorizations.store(Arc::new(key_authorizations));
        self.challenges.store(Arc::new(certificates));
    }

    /// The certificate that answers a TLS-ALPN-01 challenge that is open.
    pub(crate) fn challenge_certificate(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        self.challenges.load().get(domain).cloned()
    }

    /// The answer to an HTTP-01 challenge that is open (RFC 8555 section 8.3).
    pub fn key_authorization(&self, token: &str) -> Option<String> {
        self.key_authorizations.load().get(token).cloned()
    }

    /// Asks for the files to be read again.
    pub fn ask_reload(&self) {
        self.asked.notify_one();
    }

    /// The server side of TLS 1.2 and 1.3, which presents what is current at each handshake.
    pub fn server_config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        if self.source == Some(Source::Acme) {
            config.alpn_protocols.push(ACME_PROTOCOL.to_vec());
        }
        // Clients that return are recognised without a memory of them.
        config.ticketer = aws_lc_rs::Ticketer::new().context("TLS session tickets cannot be made")?;
        Ok(config)
    }
}

impl ResolvesServerCert for ServedTls {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello
            .alpn()
            .is_some_and(|mut offered| offered.any(|protocol| protocol == ACME_PROTOCOL))
        {
            let domain = hello.server_name()?.to_ascii_lowercase();
            return self.challenge_certificate(&domain);
        }
        self.current
            .load()
            .as_ref()
            .map(|pair| Arc::clone(&pair.certified))
    }
}
