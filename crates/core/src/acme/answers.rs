//! The answers to challenges: a text over HTTP (HTTP-01, RFC 8555 section 8.3), or a certificate that only the holder of the account's
//! key can make (TLS-ALPN-01, RFC 8737).

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use gatewright_store::acme::AcmeChallenge;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{Core, tls};

/// Answers these challenges from now on, and no others.
pub(super) fn present(core: &Core, challenges: &[AcmeChallenge]) {
    let texts = challenges
        .iter()
        .map(|challenge| (challenge.token.clone(), challenge.key_authorization.clone()));
    let certificates = challenges
        .iter()
        .filter_map(|challenge| match certificate(challenge) {
            Ok(certificate) => Some((challenge.domain.clone(), Arc::new(certificate))),
            Err(error) => {
                tracing::error!(
                    domain = challenge.domain,
                    error = &*error,
                    "a challenge cannot be answered over TLS"
                );
                None
            }
        });
    core.tls
        .answer(texts.collect(), certificates.collect::<HashMap<_, _>>());
}

/// The certificate for a TLS-ALPN-01 challenge (RFC 8737 section 3).
fn certificate(challenge: &AcmeChallenge) -> Result<CertifiedKey, Box<dyn std::error::Error + Send + Sync>> {
    let mut params = CertificateParams::new(vec![challenge.domain.clone()])?;
    let proof = digest(&SHA256, challenge.key_authorization.as_bytes());
    params
        .custom_extensions
        .push(CustomExtension::new_acme_identifier(proof.as_ref()));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = tls::provider().key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
