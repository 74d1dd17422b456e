//! Sealing of what administrators enter and what is never shown again.

use gatewright_domain::{sealed::Purpose, secret::Secret, stored_secret::SealedText};

use crate::Admin;

/// Seals a value for its place in the database, which `context` names.
pub(super) fn seal(app: &Admin, context: &str, value: &Secret) -> SealedText {
    app.keyring.seal(
        app.entropy.as_ref(),
        Purpose::StoredSecret,
        context,
        value.expose().as_bytes(),
    )
}
