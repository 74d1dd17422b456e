//! Checks the certificate of the listener: its files, or what was ordered.

use std::{io::Write, os::unix::fs::PermissionsExt as _};

use gatewright_admin::Admin;
use gatewright_core::{
    acme,
    tls::{Pair, Source},
};
use gatewright_domain::{Clock as _, clock::SystemClock};

use super::report::Report;
use crate::config::Config;

/// Checks the files, if the certificate is in files.
pub(super) fn files(report: &mut Report<impl Write>, config: &Config) {
    let Some(Source::Files(files)) = Source::of(config) else {
        return;
    };
    let pair = match Pair::read(&files) {
        Ok(pair) => pair,
        Err(error) => {
            return report.bad(
                "certificate",
                error.to_string(),
                "Fix this first: `gatewright serve` does not start without it",
            );
        }
    };
    let warnings = pair.warnings(&config.public_host(), SystemClock.now());
    for warning in &warnings {
        report.warn(
            "certificate",
            warning,
            "Replace the files: they are read again automatically",
        );
    }
    let is_exposed = std::fs::metadata(&files.key).is_ok_and(|found| found.permissions().mode() & 0o007 != 0);
    if is_exposed {
        report.warn(
            "certificate",
            format!("every user of this machine can use {}", files.key.display()),
            &format!("Run: chmod o= {}", files.key.display()),
        );
    }
    if warnings.is_empty() && !is_exposed {
        report.good(
            "certificate",
            format!("in files, valid until {}", pair.validity.not_after.to_rfc3339()),
        );
    }
}

/// Checks what was ordered, if certificates are ordered.
pub(super) async fn ordered(report: &mut Report<impl Write>, app: &Admin) {
    if app.tls.source() != Some(&Source::Acme) {
        return;
    }
    let directory = &app.config.acme.directory;
    let ordered = match acme::ordered(&app.core()).await {
        Ok(ordered) => ordered,
        Err(error) => {
            return report.bad(
                "certificate",
                error.to_string(),
                "Check the database and the master key",
            );
        }
    };
    let remedy = format!(
        "Check that {} leads to this instance, at port 443 (server.listen) or 80 (tls.http_listen). Details: the log of \
         `gatewright serve`",
        app.config.acme.domains.join(", ")
    );
    let next = ordered.next_at.to_rfc3339();
    match (ordered.expires_at, ordered.last_error) {
        (Some(expires), None) if expires > app.now() => report.good(
            "certificate",
            format!(
                "ordered from {directory}, valid until {}, renewed at {next}",
                expires.to_rfc3339()
            ),
        ),
        (Some(expires), error) if expires > app.now() => report.warn(
            "certificate",
            format!(
                "valid until {}, but it could not be renewed: {}. The next attempt is at {next}",
                expires.to_rfc3339(),
                error.unwrap_or_default()
            ),
            &remedy,
        ),
        (_, Some(error)) => report.bad(
            "certificate",
            format!("there is none: {error}. The next attempt is at {next}"),
            &remedy,
        ),
        (_, None) => report.warn(
            "certificate",
            "none was ordered yet",
            "Start `gatewright serve`: it orders one",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::{super::report::Form, *};

    fn examined(config: &Config) -> (usize, String) {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, Form::Text);
        files(&mut report, config);
        let failures = report.failures();
        (failures, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_wrong_with_the_files_is_reported_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let made = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["gateway.example.com".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2099, 1, 1);
        write(&certificate, params.self_signed(&made).unwrap().pem()).unwrap();
        write(&key, made.serialize_pem()).unwrap();
        set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        let mut config = Config::default();
        assert_eq!(examined(&config), (0, String::new()));
        config.server.public_url = "https://gateway.example.com".to_owned();
        config.tls.certificate_file = Some(certificate.clone());
        config.tls.key_file = Some(key.clone());
        let (_, text) = examined(&config);
        assert!(
            text.contains("ok    certificate: in files, valid until 2099-01-01"),
            "{text}"
        );
        set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        let (failures, text) = examined(&config);
        assert!(failures == 0 && text.contains("chmod o= "), "{text}");
        config.server.public_url = "https://other.example.com".to_owned();
        let (failures, text) = examined(&config);
        assert!(
            failures == 0 && text.contains("does not name other.example.com"),
            "{text}"
        );
        write(&key, "").unwrap();
        let (failures, text) = examined(&config);
        assert!(
            failures == 1 && text.contains("contains no private key"),
            "{text}"
        );
    }
}
