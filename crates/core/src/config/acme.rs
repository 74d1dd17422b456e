//! Section `acme`: certificates that are ordered automatically.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::{account::Email, secret::Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Config, sections::hide};

/// The directory of Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// A certificate has at most this many names at Let's Encrypt and most other authorities.
const DOMAINS_MAX: usize = 100;
/// RFC 1035 section 2.3.4.
const DOMAIN_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// Orders and renews the certificate of server.listen automatically (ACME, RFC 8555). To prove that a domain is yours,
/// server.listen must be reachable at port 443 of the domain (TLS-ALPN-01), or tls.http_listen at port 80 (HTTP-01).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeConfig {
    /// Turns it on: you accept the terms of service of the certificate authority.
    pub accept_terms: bool,
    /// The names of the certificate. Without this key, it is the host of public_url.
    #[schemars(example = ["gateway.example.com"])]
    pub domains: Vec<String>,
    /// Where the authority can reach you about the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "operations@example.com")]
    pub email: Option<String>,
    /// The directory URL of the certificate authority. An authority of your own may need outbound.extra_ca.
    pub directory: String,
    /// The ID of a key from the authority, if it only serves customers that it knows (external account binding).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "kid-1")]
    pub eab_key_id: Option<String>,
    /// That key, in base64url as the authority shows it. The environment variable keeps it out of files.
    #[serde(serialize_with = "hide", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG4")]
    pub eab_hmac_key: Option<Secret>,
}

impl Default for AcmeConfig {
    fn default() -> Self {
        Self {
            accept_terms: false,
            domains: Vec::new(),
            email: None,
            directory: LETS_ENCRYPT.to_owned(),
            eab_key_id: None,
            eab_hmac_key: None,
        }
    }
}

impl AcmeConfig {
    /// Whether certificates are ordered.
    pub fn is_on(&self) -> bool {
        self.accept_terms
    }

    /// Whether anything is configured.
    fn is_begun(&self) -> bool {
        !self.domains.is_empty()
            || self.email.is_some()
            || self.directory != LETS_ENCRYPT
            || self.eab_key_id.is_some()
            || self.eab_hmac_key.is_some()
    }
}

/// Checks the section, and fills in what follows from the public URL.
pub(super) fn check(config: &mut Config, refuse: &mut impl FnMut(&str, String)) {
    if config.acme.is_on() {
        check_acme(config, refuse);
    } else if config.acme.is_begun() {
        refuse(
            "acme.accept_terms",
            "certificates are ordered only if you accept the terms of service of the authority. Read them, then write true"
                .into(),
        );
    }
}

fn check_acme(config: &mut Config, refuse: &mut impl FnMut(&str, String)) {
    let directory = Url::parse(&config.acme.directory).ok();
    if !directory.is_some_and(|url| url.scheme() == "https" && url.has_host()) {
        refuse(
            "acme.directory",
            "it must be the https URL of the authority's directory, like https://acme-v02.api.letsencrypt.org/directory"
                .into(),
        );
    }
    if let Some(email) = &config.acme.email
        && Email::check("", email).is_err()
    {
        refuse("acme.email", format!("`{email}` is not an e-mail address"));
    }
    if config.acme.eab_key_id.is_some() != config.acme.eab_hmac_key.is_some() {
        refuse(
            "acme.eab_hmac_key",
            "acme.eab_key_id and acme.eab_hmac_key belong together. Set both or none".into(),
        );
    }
    if let Some(key) = &config.acme.eab_hmac_key
        && decoded(key).is_none()
    {
        refuse(
            "acme.eab_hmac_key",
            "it is not in base64url. Copy it as the authority shows it".into(),
        );
    }
    if config.acme.domains.is_empty() {
        config.acme.domains = vec![config.public_host()];
    }
    if config.acme.domains.len() > DOMAINS_MAX {
        refuse(
            "acme.domains",
            format!("a certificate has at most {DOMAINS_MAX} names. Remove some"),
        );
    }
    for domain in &mut config.acme.domains {
        *domain = domain.trim().to_ascii_lowercase();
        if !is_domain(domain) {
            refuse(
                "acme.domains",
                format!(
                    "no certificate can be ordered for `{domain}`. Write names in DNS without a wildcard, like \
                     gateway.example.com"
                ),
            );
        }
    }
    config.acme.domains.sort();
    config.acme.domains.dedup();
}

/// The bytes of a key for external account binding (RFC 8555 section 7.3.4).
pub(crate) fn decoded(key: &Secret) -> Option<Vec<u8>> {
    let text = key.expose().trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// Whether a text is a name in DNS that a challenge over HTTP or TLS can prove.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= DOMAIN_MAX
        && text.split('.').all(is_label)
        && Url::parse(&format!("https://{text}")).is_ok_and(|url| matches!(url.host(), Some(Host::Domain(_))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::validate::testing::{checked, problems};

    #[test]
    fn certificates_are_ordered_for_names_only_and_by_default_for_the_public_url() {
        let (config, refused) = checked(|config| config.acme.accept_terms = true);
        assert_eq!(refused, [] as [&str; 0]);
        assert_eq!(config.acme.domains, ["gateway.example.com"]);
        for (key, change) in [
            (
                "acme.domains",
                (|config| config.server.public_url = "https://192.0.2.7".to_owned()) as fn(&mut Config),
            ),
            ("acme.domains", |config| {
                config.acme.domains = vec!["*.example.com".to_owned()];
            }),
            ("acme.domains", |config| {
                config.acme.domains = vec!["https://example.com".to_owned()];
            }),
            ("acme.domains", |config| {
                config.acme.domains = vec!["example..com".to_owned()];
            }),
            ("acme.domains", |config| {
                config.acme.domains = vec!["127.1".to_owned()];
            }),
            ("acme.domains", |config| {
                config.acme.domains = (0..=DOMAINS_MAX)
                    .map(|number| format!("a{number}.example.com"))
                    .collect();
            }),
            ("acme.directory", |config| {
                config.acme.directory = "http://ca.example.com".to_owned();
            }),
            ("acme.email", |config| config.acme.email = Some("ada".to_owned())),
            ("acme.eab_hmac_key", |config| {
                config.acme.eab_key_id = Some("kid".to_owned());
            }),
            ("acme.eab_hmac_key", |config| {
                config.acme.eab_key_id = Some("kid".to_owned());
                config.acme.eab_hmac_key = Some(Secret::new("not base64!"));
            }),
        ] {
            let refused = problems(|config| {
                config.acme.accept_terms = true;
                change(config);
            });
            assert_eq!(refused, [key]);
        }
        let begun = problems(|config| config.acme.email = Some("ada@example.com".to_owned()));
        assert_eq!(begun, ["acme.accept_terms"]);
    }
}
