//! `--verify`: the commit is exported to another folder and built there from scratch; every artefact must be equal to the bit.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail};

use super::{build, package, source::Source};
use crate::shell::{self, target};

/// Builds again, and compares.
pub(crate) fn again(source: &Source, first: &Path, names: &[String]) -> anyhow::Result<()> {
    source.require_clean()?;
    let folder = target().join("dist-verify");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    // The names of the folders have other lengths than those of the first build.
    let root = folder.join("sources-at-another-place");
    fs::create_dir_all(&root)?;
    export(source, &folder, &root)?;
    let other = Source {
        root,
        version: source.version.clone(),
        commit: source.commit.clone(),
        time: source.time,
    };
    let binary = build::program(&other, &folder.join("built"))?;
    let second = folder.join("artefacts");
    package(&other, &binary, &second)?;
    let different = different(first, &second, names)?;
    if !different.is_empty() {
        bail!(
            "two builds of {} differ in {}. Compare {} with {}",
            source.short_commit(),
            different.join(", "),
            first.display(),
            second.display()
        );
    }
    println!("Both builds of {} are equal to the bit.", source.short_commit());
    Ok(())
}

/// Writes the files of the commit into a folder that git does not know.
fn export(source: &Source, folder: &Path, root: &Path) -> anyhow::Result<()> {
    let archive = folder.join("sources.tar");
    shell::run(
        Command::new("git")
            .args(["archive", "--format=tar", "--output"])
            .arg(&archive)
            .arg(&source.commit)
            .current_dir(&source.root),
    )?;
    tar::Archive::new(fs::File::open(&archive)?).unpack(root)?;
    Ok(())
}

/// The names of the artefacts that are not equal.
fn different(first: &Path, second: &Path, names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut different = Vec::new();
    for name in names {
        let read = |folder: &Path| fs::read(folder.join(name)).with_context(|| name.clone());
        if read(first)? != read(second)? {
            different.push(name.clone());
        }
    }
    Ok(different)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artefacts_that_differ_in_one_bit_are_named() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = ["same".to_owned(), "changed".to_owned()];
        for folder in [&one, &other] {
            fs::write(folder.path().join("same"), "a").unwrap();
            fs::write(folder.path().join("changed"), "a").unwrap();
        }
        let compare = || different(one.path(), other.path(), &names);
        assert!(compare().unwrap().is_empty());
        fs::write(other.path().join("changed"), "c").unwrap();
        assert_eq!(compare().unwrap(), ["changed"]);
        fs::remove_file(other.path().join("same")).unwrap();
        assert!(compare().is_err());
    }
}
