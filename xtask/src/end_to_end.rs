//! The end-to-end suite: the real binary, real providers, real clients, real servers.

use std::{env, fs, path::PathBuf};

use crate::{
    install,
    postgres::Postgres,
    previous,
    shell::{self, cargo, command, root, target},
};

/// Files that run alone, because what they measure or provoke depends on everything else that runs on the machine: memory, times,
/// limits of the machine. So do those with a browser, which needs the processors for itself. The others mostly wait, and two of
/// them run at the same time.
const ALONE: [&str; 14] = [
    "asking-memory",
    "descriptors",
    "faults",
    "leftovers",
    "measures",
    "operations",
    "overload",
    "packages",
    "rolling",
    "rolling-nginx",
    "streams",
    "streams-memory",
    "tls",
    "upgrade",
];

/// Builds the programs and runs `e2e/*.test.mjs`, or only the tests that match `pattern`.
pub(crate) fn run(postgres: &Postgres, pattern: &str, keep_pictures: bool) -> anyhow::Result<()> {
    install::node_packages()?;
    install::debian(&[
        ("chromium", &["chromium"]),
        ("openssl", &["openssl"]),
        ("nginx-light", &["/usr/sbin/nginx"]),
        ("sqlite3", &["sqlite3"]),
        ("pebble", &["pebble", "pebble-challtestsrv"]),
        ("binutils", &["strip"]),
        ("iproute2", &["/usr/sbin/ip"]),
        ("systemd", &["systemd-analyze"]),
    ])?;
    install::glewlwyd()?;
    install::promtool()?;
    let python = install::python()?;
    let python_packages = install::python_for_packages()?;
    let python_sdk_1 = install::python_with_sdk_1()?;
    // Before this version, whose program takes the same place.
    let previous = previous::program()?;
    shell::run(&mut cargo(&[
        "build",
        "--package",
        "gatewright",
        "--package",
        "gatewright-demo",
        "--package",
        "gatewright-e2e-rmcp",
        "--bins",
    ]))?;
    let (alone, together) = files()?;
    let environment = Environment {
        pattern,
        keep_pictures,
        postgres,
        python,
        python_packages,
        python_sdk_1,
        previous,
    };
    environment.run(&together, 2)?;
    environment.run(&alone, 1)
}

/// What a file imports that drives a browser.
const BROWSERS: [&str; 3] = ["./lib/browser.mjs", "./lib/chromium.mjs", "./lib/dashboard.mjs"];

/// The files of the suite, by their names: those that run alone, and the others.
fn files() -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(root().join("e2e"))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(stem) = name.strip_suffix(".test.mjs") else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        if ALONE.contains(&stem) || BROWSERS.iter().any(|browser| text.contains(browser)) {
            alone.push(name);
        } else {
            together.push(name);
        }
    }
    alone.sort();
    together.sort();
    Ok((alone, together))
}

/// What the tests are given.
struct Environment<'a> {
    pattern: &'a str,
    keep_pictures: bool,
    postgres: &'a Postgres,
    python: PathBuf,
    python_packages: PathBuf,
    python_sdk_1: PathBuf,
    previous: Option<PathBuf>,
}

impl Environment<'_> {
    /// Runs these files, so many at the same time.
    fn run(&self, files: &[String], at_once: usize) -> anyhow::Result<()> {
        let concurrency = format!("--test-concurrency={at_once}");
        let arguments = [
            "--test",
            "--test-force-exit",
            &concurrency,
            "--test-timeout=180000",
        ];
        let mut suite = command(install::node(), &arguments);
        if !self.pattern.is_empty() {
            suite.arg(format!("--test-name-pattern={}", self.pattern));
        }
        if let Some(previous) = &self.previous {
            suite.env("GATEWRIGHT_TEST_PREVIOUS", previous);
        }
        if self.keep_pictures {
            suite.env("GATEWRIGHT_KEEP_PICTURES", "yes");
        }
        suite
            .args(files)
            .current_dir(root().join("e2e"))
            .env("GATEWRIGHT_BINARIES", target().join("debug"))
            .env("GATEWRIGHT_XTASK", env::current_exe()?)
            .env("GATEWRIGHT_TEST_PYTHON", &self.python)
            .env("GATEWRIGHT_TEST_PYTHON_SDK_1", &self.python_sdk_1)
            .env("GATEWRIGHT_TEST_PYTHON_PACKAGES", &self.python_packages)
            .env("GATEWRIGHT_TEST_POSTGRES", self.postgres.url());
        shell::run(&mut suite)
    }
}
