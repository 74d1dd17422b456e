//! The files of the workspace, and its packages with what each depends on.

use std::{collections::BTreeMap, fs};

use anyhow::Context as _;
use toml::{Table, Value};

use crate::shell::{capture, command, root};

/// What the rules read, by path from the root of the workspace.
pub(crate) type Files = BTreeMap<String, String>;

/// The folder of the migrations.
pub(crate) const MIGRATIONS: &str = "crates/store/migrations/";

/// Reads every file that a rule looks at: those that git knows, and new ones that it does not ignore.
pub(crate) fn read() -> anyhow::Result<Files> {
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
pub(crate) fn is_of_kind(path: &str, endings: &[&str]) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, ending)| endings.contains(&ending))
}

/// A package: a folder with a `Cargo.toml`.
pub(crate) struct Package {
    /// From the root of the workspace, without a slash at the end: `crates/mcp`.
    pub folder: String,
    /// `gatewright-mcp`
    pub name: String,
    pub dependencies: Vec<Dependency>,
}

/// One line of a `Cargo.toml`.
pub(crate) struct Dependency {
    /// As the manifest names it: `futures-util`.
    pub key: String,
    /// The package of it; another name only if the manifest renames it.
    pub package: String,
    pub section: Section,
    pub is_optional: bool,
}

/// Where a dependency is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Normal,
    Dev,
    Build,
}

impl Section {
    const ALL: [Self; 3] = [Self::Normal, Self::Dev, Self::Build];

    /// The name of the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normal => "dependencies",
            Self::Dev => "dev-dependencies",
            Self::Build => "build-dependencies",
        }
    }
}

impl Dependency {
    /// The name in code: `futures_util`.
    pub(crate) fn in_code(&self) -> String {
        self.key.replace('-', "_")
    }
}

/// The packages, and what the workspace offers them to depend on (`[workspace.dependencies]`).
pub(crate) fn packages(files: &Files) -> anyhow::Result<(Vec<Package>, Table)> {
    let mut manifests = Vec::new();
    let mut shared = Table::new();
    for (path, text) in files {
        if path != "Cargo.toml" && !path.ends_with("/Cargo.toml") {
            continue;
        }
        let manifest: Table = text.parse().with_context(|| path.clone())?;
        if path == "Cargo.toml" {
            shared = table(&manifest, &["workspace", "dependencies"])
                .cloned()
                .unwrap_or_default();
        } else {
            manifests.push((path.trim_end_matches("/Cargo.toml").to_owned(), manifest));
        }
    }
    let package = |(folder, manifest): (String, Table)| {
        let name = table(&manifest, &["package"])?.get("name")?.as_str()?.to_owned();
        Some(Package {
            folder,
            name,
            dependencies: dependencies(&manifest, &shared),
        })
    };
    let packages = manifests.into_iter().filter_map(package).collect();
    Ok((packages, shared))
}

fn table<'a>(start: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter()
        .try_fold(start, |table, name| table.get(*name)?.as_table())
}

/// The dependencies of a manifest, those of single targets included.
fn dependencies(manifest: &Table, shared: &Table) -> Vec<Dependency> {
    let targets = table(manifest, &["target"])
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let mut found = Vec::new();
    for place in std::iter::once(manifest).chain(targets) {
        for section in Section::ALL {
            for (key, value) in table(place, &[section.name()]).into_iter().flatten() {
                let renamed = [Some(value), shared.get(key)]
                    .into_iter()
                    .find_map(|value| value?.get("package")?.as_str());
                found.push(Dependency {
                    key: key.clone(),
                    package: renamed.unwrap_or(key).to_owned(),
                    section,
                    is_optional: value.get("optional").and_then(Value::as_bool).unwrap_or(false),
                });
            }
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Files;

    /// A workspace as text.
    pub(crate) fn files(files: &[(&str, &str)]) -> Files {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        files.iter().map(owned).collect()
    }
}
