//! Certificates for tests.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::Files;

/// A self-signed certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// One that expires at the beginning of a year.
pub(crate) fn made(name: &str, year: i32) -> Made {
    made_for(name, 2025, year)
}

/// One that is valid from the beginning of a year to that of another.
pub(crate) fn made_for(name: &str, from: i32, until: i32) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    Made {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// A folder with the files of a pair.
pub(super) fn folder_with(made: &Made) -> (TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    let files = Files {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    write(&files, made);
    (folder, files)
}

/// Replaces the files of a pair.
pub(super) fn write(files: &Files, made: &Made) {
    std::fs::write(&files.certificate, &made.certificate).unwrap();
    std::fs::write(&files.key, &made.key).unwrap();
}
