//! The program of the previous release, for the test of an upgrade.

use std::{fs, path::PathBuf};

use crate::shell::{self, capture, cargo, command, target};

/// The commit of the previous release. It changes whenever a version is published.
const COMMIT: &str = "4b4af757";

/// Builds it once, with the dependencies that were built already, and returns it; `None` if this clone does not have its commit.
/// Takes the place of this version's program in the target folder.
pub(crate) fn program() -> anyhow::Result<Option<PathBuf>> {
    let folder = target().join("previous").join(COMMIT);
    let program = folder.join("gatewright");
    if program.is_file() {
        return Ok(Some(program));
    }
    if capture(&mut command(
        "git",
        &["cat-file", "-e", &format!("{COMMIT}^{{commit}}")],
    ))
    .is_err()
    {
        eprintln!(
            "The commit {COMMIT} of the previous release is not in this clone: the upgrade is not tested."
        );
        return Ok(None);
    }
    let source = folder.join("source");
    fs::create_dir_all(&source)?;
    let (archive, place) = (folder.join("source.tar"), source.display().to_string());
    let packed = archive.display().to_string();
    shell::run(&mut command("git", &["archive", "--output", &packed, COMMIT]))?;
    shell::run(&mut command(
        "tar",
        &["--extract", "--file", &packed, "--directory", &place],
    ))?;
    let build = ["build", "--package", "gatewright", "--bin", "gatewright"];
    shell::run(
        cargo(&build)
            .current_dir(&source)
            .env("CARGO_TARGET_DIR", target())
            // Crates of both versions have the same names and numbers; with another profile, neither is taken for the other.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0"),
    )?;
    fs::copy(target().join("debug/gatewright"), &program)?;
    fs::remove_file(&archive)?;
    fs::remove_dir_all(&source)?;
    Ok(Some(program))
}
