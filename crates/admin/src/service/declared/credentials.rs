//! The values of secrets that a declaration refers to.

use gatewright_domain::{Invalid, secret::Secret};

use super::present::Present;
use crate::declared::{Declaration, Secrets, model::SecretReference};

/// The values, in the order of the declaration. Nothing where the stored one stays.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Of the secrets of the project.
    pub(super) secrets: Vec<Option<Secret>>,
    /// The client secrets of the sources.
    pub(super) sources: Vec<Option<Secret>>,
}

impl Values {
    /// Reads them; reports everything that cannot be read together.
    pub(super) fn read(
        declaration: &Declaration,
        present: &Present,
        secrets: &dyn Secrets,
    ) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let mut values = Self::default();
        let project = &declaration.project;
        for (index, secret) in project.secrets.iter().flatten().enumerate() {
            let pointer = format!("/secrets/{index}/value");
            let is_stored = present.secret(&secret.name).is_some();
            let value = value(declaration, &pointer, &secret.value, is_stored, secrets);
            values.secrets.push(invalid.take(value).flatten());
        }
        for (index, source) in project.user_sources.iter().flatten().enumerate() {
            let pointer = format!("/user_sources/{index}/client_secret");
            let is_stored = present.source(&source.name).is_some();
            let value = value(declaration, &pointer, &source.client_secret, is_stored, secrets);
            values.sources.push(invalid.take(value).flatten());
        }
        invalid.into_result()?;
        Ok(values)
    }
}

fn value(
    declaration: &Declaration,
    pointer: &str,
    reference: &SecretReference,
    is_stored: bool,
    secrets: &dyn Secrets,
) -> Result<Option<Secret>, Invalid> {
    let read = match reference {
        SecretReference::Existing(true) if is_stored => return Ok(None),
        SecretReference::Existing(true) => Err(
            "There is no stored value, because this does not exist yet: enter `env: NAME` or `file: PATH`, from where the value \
             is read."
                .to_owned(),
        ),
        SecretReference::Existing(false) => {
            Err("Enter `existing: true` to keep the stored value, or else `env: NAME` or `file: PATH`.".to_owned())
        }
        SecretReference::Env(name) => secrets.variable(name),
        SecretReference::File(path) => secrets.file(&declaration.place.folder.join(path)),
    };
    read.map(Some).map_err(|detail| Invalid::one(pointer, detail))
}
