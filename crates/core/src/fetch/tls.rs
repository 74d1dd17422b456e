//! TLS towards others: the public authorities and those of `outbound.extra_ca`.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, ensure};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::certificates::{Certificates, Noting};
use crate::tls::provider;

/// The client side of TLS 1.2 and 1.3, which notes the certificates that it sees.
pub(super) fn noting(extra_ca: &[PathBuf], seen: &Certificates) -> anyhow::Result<ClientConfig> {
    let mut config = client_config(extra_ca)?;
    let verifier = Noting::new(roots(extra_ca)?, provider(), seen.clone())?;
    // It decides nothing itself.
    config.dangerous().set_certificate_verifier(Arc::new(verifier));
    Ok(config)
}

/// The client side of TLS 1.2 and 1.3.
pub(crate) fn client_config(extra_ca: &[PathBuf]) -> anyhow::Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(extra_ca)?)
        .with_no_client_auth())
}

/// The same that trusts these authorities (PEM) instead, if there are any.
pub(crate) fn client_config_of(
    extra_ca: &[PathBuf],
    authorities: Option<&str>,
) -> anyhow::Result<ClientConfig> {
    let Some(pem) = authorities else {
        return client_config(extra_ca);
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let unreadable = "the certificates of the stream cannot be read; enter them in PEM form";
        roots.add(certificate.context(unreadable)?).context(unreadable)?;
    }
    ensure!(
        !roots.is_empty(),
        "the stream names no certificate; enter it in PEM form"
    );
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn roots(extra_ca: &[PathBuf]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for path in extra_ca {
        let file = || format!("outbound.extra_ca: {}", path.display());
        let mut found = false;
        for certificate in CertificateDer::pem_file_iter(path).with_context(file)? {
            let certificate = certificate.with_context(file)?;
            roots.add(certificate).with_context(file)?;
            found = true;
        }
        ensure!(found, "{} contains no certificate in PEM form", file());
    }
    Ok(roots)
}
