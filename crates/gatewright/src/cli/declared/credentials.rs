//! The file that gets credentials which are created: keys, secrets of clients, links of invitations. They are never printed,
//! because what a pipeline prints is kept and read by many.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::operator::declared::Outcome;

/// The file, once it is needed.
pub(super) struct CredentialsFile {
    path: PathBuf,
    file: File,
    is_empty: bool,
}

impl Drop for CredentialsFile {
    /// A file in which nothing is would be in the way of the next try.
    fn drop(&mut self) {
        if self.is_empty {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl CredentialsFile {
    /// Creates the file if plans say that credentials will be created. Fails if none is named.
    pub(super) fn for_plans(path: Option<&Path>, plans: &[Outcome]) -> anyhow::Result<Option<Self>> {
        let needed = plans.iter().flat_map(|plan| &plan.credentials);
        let names: Vec<_> = needed
            .map(|credential| match credential.kind {
                "api_key" => format!("the API key {}", credential.name),
                "invitation" => format!("the link that invites {}", credential.name),
                _ => format!("the secret of the client {}", credential.name),
            })
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        let Some(path) = path else {
            bail!(
                "this creates what cannot be read again: {}. Add --credentials FILE, and it is written there. Nothing was applied",
                names.join(", ")
            );
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .with_context(|| {
                format!(
                    "the file {} (--credentials) cannot be created. Name one that does not exist, in a folder that this user can \
                     write to. Nothing was applied",
                    path.display()
                )
            })?;
        let path = path.to_owned();
        Ok(Some(Self {
            path,
            file,
            is_empty: true,
        }))
    }

    /// Writes what was created in a project, a JSON object on each line.
    pub(super) fn write(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        let mut lines = String::new();
        for credential in &outcome.credentials {
            let line = json!({
                "project": outcome.project,
                "kind": credential.kind,
                "name": credential.name,
                "id": credential.id,
                "text": credential.text.expose(),
            });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        self.is_empty &= lines.is_empty();
        let written = self
            .file
            .write_all(lines.as_bytes())
            .and_then(|()| self.file.sync_all());
        written.with_context(|| {
            format!(
                "the project {} was changed, but its new credentials could not be written to {}. Revoke them, and create others",
                outcome.project,
                self.path.display()
            )
        })
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
