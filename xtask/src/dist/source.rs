//! What is built: the folder of the sources, the version, the commit and its time.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, bail};
use toml::Table;

use crate::shell::{capture, root};

/// The sources of a build.
pub(crate) struct Source {
    /// The root of the workspace.
    pub root: PathBuf,
    /// The version in `Cargo.toml`.
    pub version: String,
    /// The commit, in full; it ends with `-dirty` if files differ from it.
    pub commit: String,
    /// The time of the commit, or `SOURCE_DATE_EPOCH`: seconds since 1970. Every file in an artefact has this time.
    pub time: u64,
}

impl Source {
    /// The workspace of this command. `GATEWRIGHT_COMMIT` and `SOURCE_DATE_EPOCH` go before what git says, and make it unnecessary.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let root = root();
        let manifest: Table = std::fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
        let version = manifest["workspace"]["package"]["version"]
            .as_str()
            .context("Cargo.toml has no workspace.package.version")?
            .to_owned();
        // This is a command for developers, not the program.
        #[allow(clippy::disallowed_methods)]
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let commit = match variable("GATEWRIGHT_COMMIT") {
            Some(commit) => commit,
            None => commit(&root)?,
        };
        let time = match variable("SOURCE_DATE_EPOCH") {
            Some(time) => time,
            None => git(&root, &["log", "-1", "--format=%ct"])?,
        };
        let time = time
            .parse()
            .context("SOURCE_DATE_EPOCH must be a number of seconds since 1970")?;
        Ok(Self {
            root,
            version,
            commit,
            time,
        })
    }

    /// What `--version` shows of the commit.
    pub(crate) fn short_commit(&self) -> String {
        let (hash, dirty) = self
            .commit
            .split_once('-')
            .map_or((self.commit.as_str(), ""), |(hash, _)| (hash, "-dirty"));
        format!("{}{dirty}", hash.get(..12).unwrap_or(hash))
    }

    /// Fails if files differ from the commit.
    pub(crate) fn require_clean(&self) -> anyhow::Result<()> {
        if self.commit.ends_with("-dirty") {
            bail!(
                "files differ from the commit. Commit or stash them first: only a commit can be built again"
            );
        }
        Ok(())
    }
}

fn commit(root: &std::path::Path) -> anyhow::Result<String> {
    let hash = git(root, &["rev-parse", "HEAD"]).context(
        "the commit is not known: build in a git clone, or set GATEWRIGHT_COMMIT and SOURCE_DATE_EPOCH",
    )?;
    let changes = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = if changes.is_empty() { "" } else { "-dirty" };
    Ok(format!("{hash}{dirty}"))
}

/// What git prints.
fn git(root: &std::path::Path, arguments: &[&str]) -> anyhow::Result<String> {
    capture(Command::new("git").args(arguments).current_dir(root))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Source;

    /// Sources that no artefact is built of.
    pub(crate) fn source() -> Source {
        Source {
            root: crate::shell::root(),
            version: "1.2.3".to_owned(),
            commit: "3f2a91c04d5e8b7766554433221100ffeeddccbb".to_owned(),
            time: 1_764_590_400,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::source;

    #[test]
    fn the_short_commit_says_if_files_differ_from_it() {
        let mut source = source();
        assert_eq!(source.short_commit(), "3f2a91c04d5e");
        source.require_clean().unwrap();
        source.commit += "-dirty";
        assert_eq!(source.short_commit(), "3f2a91c04d5e-dirty");
        assert!(source.require_clean().is_err());
    }
}
