//! Distinguishing texts without keeping them.

use sha2::{Digest as _, Sha256};

/// What is kept of a text: the beginning of its SHA-256. Two texts that a server chooses do not share one.
pub(crate) type Fingerprint = [u8; 16];

/// The fingerprint of a text.
pub(crate) fn fingerprint(text: &str) -> Fingerprint {
    let digest = Sha256::digest(text);
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&digest[..16]);
    fingerprint
}
