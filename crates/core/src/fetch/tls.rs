//! TLS towards others: the public authorities and those of `outbound.extra_ca`.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, ensure};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// The client side of TLS 1.2 and 1.3.
pub(super) fn client_config(extra_ca: &[PathBuf]) -> anyhow::Result<ClientConfig> {
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
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
