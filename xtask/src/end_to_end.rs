//! The end-to-end suite: the real binary, real providers, real clients, real servers.

use std::env;

use crate::{
    install,
    postgres::Postgres,
    shell::{self, cargo, command, root, target},
};

/// Builds the programs and runs `e2e/*.test.mjs`, or only the tests that match `pattern`.
pub(crate) fn run(postgres: &Postgres, pattern: &str, keep_pictures: bool) -> anyhow::Result<()> {
    install::node_packages()?;
    install::debian(&[
        ("chromium", &["chromium"]),
        ("openssl", &["openssl"]),
        ("nginx-light", &["/usr/sbin/nginx"]),
        ("sqlite3", &["sqlite3"]),
        ("binutils", &["strip"]),
        ("iproute2", &["/usr/sbin/ip"]),
        ("systemd", &["systemd-analyze"]),
    ])?;
    install::glewlwyd()?;
    install::promtool()?;
    let python = install::python()?;
    let python_packages = install::python_for_packages()?;
    let python_sdk_1 = install::python_with_sdk_1()?;
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
    let mut suite = command(
        install::node(),
        &[
            "--test",
            "--test-force-exit",
            "--test-concurrency=1",
            "--test-timeout=180000",
        ],
    );
    if !pattern.is_empty() {
        suite.arg(format!("--test-name-pattern={pattern}"));
    }
    if keep_pictures {
        suite.env("GATEWRIGHT_KEEP_PICTURES", "yes");
    }
    suite
        .current_dir(root().join("e2e"))
        .env("GATEWRIGHT_BINARIES", target().join("debug"))
        .env("GATEWRIGHT_XTASK", env::current_exe()?)
        .env("GATEWRIGHT_TEST_PYTHON", python)
        .env("GATEWRIGHT_TEST_PYTHON_SDK_1", python_sdk_1)
        .env("GATEWRIGHT_TEST_PYTHON_PACKAGES", python_packages)
        .env("GATEWRIGHT_TEST_POSTGRES", postgres.url());
    shell::run(&mut suite)
}
