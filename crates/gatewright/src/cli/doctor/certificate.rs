//! Checks the certificate of the listener: its files, or what was ordered.

use std::io::Write;

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
    if warnings.is_empty() {
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
