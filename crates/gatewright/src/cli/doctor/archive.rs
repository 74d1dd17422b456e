//! The check of a backup.

use std::{io::Write, path::Path};

use gatewright_domain::sealed::Keyring;
use gatewright_store::copy::known_migrations;

use super::report::Report;
use crate::{
    backup::Backup,
    config::{Config, master_key},
};

/// Reads a backup whole and reports what it is.
pub(super) fn check(report: &mut Report<impl Write>, config: &Config, file: &Path) {
    let backup = match Backup::examine(file) {
        Ok(backup) => backup,
        Err(error) => {
            return report.bad(
                "backup",
                format!("{error:#}"),
                "Make a new backup, or use another copy",
            );
        }
    };
    let manifest = &backup.manifest;
    report.good(
        "backup",
        format!(
            "complete and unchanged, of {} on {}, written at {} by version {}",
            manifest.public_url, manifest.store, manifest.at, manifest.program
        ),
    );
    report.good("contents", backup.contents.in_words());
    if manifest.migrations == known_migrations() {
        report.good("schema", "that of this version");
    } else {
        report.good(
            "schema",
            "of an older version; `gatewright restore` brings it up to date",
        );
    }
    key(report, config, &backup);
}

fn key(report: &mut Report<impl Write>, config: &Config, backup: &Backup) {
    let wanted = backup.manifest.master_key_id.as_deref().unwrap_or("none yet");
    if let Ok(ring) = Keyring::new(backup.keys.clone()) {
        if backup.opens_with(&ring) {
            report.good(
                "master key",
                "in the backup, and the right one. Anyone who has this file can open everything",
            );
        } else {
            report.bad(
                "master key",
                format!("the key in the backup is not the one that it needs ({wanted})"),
                "Keep the key of the instance with it",
            );
        }
        return;
    }
    match master_key::existing(config) {
        Ok(keys) if keys.is_empty() => report.warn(
            "master key",
            format!("not in the backup, and this configuration has none. It needs the key {wanted}"),
            "Make sure that you have a copy of the key",
        ),
        Ok(keys) => match Keyring::new(keys) {
            Ok(ring) if backup.opens_with(&ring) => {
                report.good(
                    "master key",
                    format!("not in the backup; the configured key opens it ({wanted})"),
                );
            }
            _ => report.warn(
                "master key",
                format!(
                    "not in the backup, and the configured key does not open it. It needs the key {wanted}"
                ),
                "Make sure that you have a copy of that key",
            ),
        },
        Err(error) => report.warn("master key", format!("{error:#}"), "Correct keys.master"),
    }
}
