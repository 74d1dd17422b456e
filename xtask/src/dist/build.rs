//! Builds the program so that neither the folder nor the time of the build is in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::source::Source;
use crate::shell;

/// The target; naming it also keeps the flags below from programs that only run during the build.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds `gatewright` with the profile `dist` into a folder of its own; returns the program.
pub(crate) fn program(source: &Source, folder: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let folder = fs::canonicalize(folder)?;
    let replaced = replaced(source, &folder)?;
    // The unit separator divides flags: paths may contain spaces.
    let rust: Vec<String> = replaced
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
        .collect();
    let c: Vec<String> = replaced
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()))
        .collect();
    let mut cargo = shell::cargo(&[
        "build",
        "--locked",
        "--profile",
        "dist",
        "--package",
        "gatewright",
        "--bin",
        "gatewright",
        "--target",
        TARGET,
    ]);
    if let Some(jobs) = env::var_os("CARGO_BUILD_JOBS") {
        cargo.arg("--jobs").arg(jobs);
    }
    cargo
        .current_dir(&source.root)
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
        .env("CFLAGS", c.join(" "))
        .env("CARGO_INCREMENTAL", "0")
        .env("SOURCE_DATE_EPOCH", source.time.to_string())
        .env("GATEWRIGHT_COMMIT", source.short_commit())
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    shell::run(&mut cargo)?;
    Ok(folder.join(TARGET).join("dist/gatewright"))
}

/// Folders that differ between machines, and what stands for them in the program. The last match counts, so inner folders
/// come last.
fn replaced(source: &Source, target: &Path) -> anyhow::Result<Vec<(PathBuf, &'static str)>> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
        .context("set CARGO_HOME or HOME")?;
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let toolchain = shell::capture(
        Command::new(rustc)
            .args(["--print", "sysroot"])
            .current_dir(&source.root),
    )?;
    Ok(vec![
        (toolchain.into(), "/rust"),
        (home, "/cargo"),
        (fs::canonicalize(&source.root)?, "/gatewright"),
        (target.to_path_buf(), "/target"),
    ])
}
