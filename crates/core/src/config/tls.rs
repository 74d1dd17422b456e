//! Section `tls`: the certificate of the listener.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Config;

/// The certificate that server.listen presents, if no reverse proxy terminates TLS. Without one, and without the section acme,
/// server.listen answers plain HTTP.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The file of the certificate and, after it, of the intermediate certificates that lead to its authority (PEM). It is
    /// read again when it changes, and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = "/etc/gatewright/tls/certificate.pem")]
    pub certificate_file: Option<PathBuf>,
    /// The file of its private key (PEM, not encrypted). It is read again together with the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = "/etc/gatewright/tls/key.pem")]
    pub key_file: Option<PathBuf>,
    /// A second address and port, which answers plain HTTP: it redirects everything to public_url, and proves to a certificate
    /// authority that a domain is yours (ACME, HTTP-01). That needs port 80, as seen from the internet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = "0.0.0.0:80")]
    pub http_listen: Option<SocketAddr>,
}

impl Config {
    /// Whether `server.listen` answers HTTPS.
    pub fn is_tls(&self) -> bool {
        self.tls.certificate_file.is_some() || self.acme.is_on()
    }

    /// The host of the public URL.
    pub fn public_host(&self) -> String {
        let url = Url::parse(self.public_url()).ok();
        url.and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// Checks the section.
pub(super) fn check(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    let tls = &config.tls;
    match (&tls.certificate_file, &tls.key_file) {
        (Some(_), None) => refuse(
            "tls.key_file",
            "it is missing: name the file of the certificate's private key".into(),
        ),
        (None, Some(_)) => refuse(
            "tls.certificate_file",
            "it is missing: name the file of the certificate that belongs to tls.key_file".into(),
        ),
        _ => {}
    }
    if tls.certificate_file.is_some() && config.acme.is_on() {
        refuse(
            "tls.certificate_file",
            "either files or ACME: remove tls.certificate_file and tls.key_file, or set acme.accept_terms to false".into(),
        );
    }
    if config.is_tls() && config.public_url().starts_with("http:") {
        refuse(
            "server.public_url",
            "server.listen answers HTTPS, because a certificate is configured. Write https://".into(),
        );
    }
    let Some(http) = tls.http_listen else { return };
    if !config.is_tls() {
        refuse(
            "tls.http_listen",
            "it only redirects to HTTPS. Configure a certificate (tls.certificate_file or acme), or remove it".into(),
        );
    }
    if http == config.server.listen && http.port() != 0 {
        refuse(
            "tls.http_listen",
            "server.listen has the same address. Write another port, usually 80".into(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::validate::testing::problems;

    fn with_files(config: &mut Config) {
        config.tls.certificate_file = Some("certificate.pem".into());
        config.tls.key_file = Some("key.pem".into());
    }

    #[test]
    fn half_of_a_pair_or_two_sources_of_a_certificate_are_refused() {
        assert_eq!(problems(with_files), [] as [&str; 0]);
        for (key, change) in [
            (
                "tls.key_file",
                (|config| config.tls.key_file = None) as fn(&mut Config),
            ),
            ("tls.certificate_file", |config| {
                config.tls.certificate_file = None;
            }),
            ("tls.certificate_file", |config| config.acme.accept_terms = true),
            ("server.public_url", |config| {
                config.server.public_url = "http://127.0.0.1:8080".to_owned();
            }),
            ("tls.http_listen", |config| {
                config.tls.http_listen = Some(config.server.listen);
            }),
        ] {
            let refused = problems(|config| {
                with_files(config);
                change(config);
            });
            assert_eq!(refused, [key]);
        }
        let alone = problems(|config| config.tls.http_listen = Some(([127, 0, 0, 1], 80).into()));
        assert_eq!(alone, ["tls.http_listen"]);
    }
}
