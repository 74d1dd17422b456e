//! The files of the workspace.

use std::{collections::BTreeMap, fs};

use crate::shell::{capture, command, root};

/// What the rules read, by path from the root of the workspace.
pub type Files = BTreeMap<String, String>;

/// The folder of the migrations.
pub const MIGRATIONS: &str = "crates/store/migrations/";

/// Reads every file that a rule looks at: those that git knows, and new ones that it does not ignore.
pub fn read() -> anyhow::Result<Files> {
    let listed = capture(&mut command(
        "git",
        &[
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
            "*.html",
            "*.css",
            "*.mjs",
            "*Cargo.toml",
            &format!("{MIGRATIONS}*"),
        ],
    ))?;
    // A file that was deleted and not committed yet is still listed.
    let read = |path: &str| Some((path.to_owned(), fs::read_to_string(root().join(path)).ok()?));
    Ok(listed.lines().filter_map(read).collect())
}

/// Whether a file has one of these endings.
pub fn is_of_kind(path: &str, endings: &[&str]) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, ending)| endings.contains(&ending))
}

#[cfg(test)]
pub mod testing {
    use super::Files;

    /// A workspace as text.
    pub fn files(files: &[(&str, &str)]) -> Files {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        files.iter().map(owned).collect()
    }
}
