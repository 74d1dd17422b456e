//! `cargo xtask conformance`: the official conformance suite for servers, directly and through gateways.

use crate::{
    install,
    shell::{self, cargo, command, root, target},
};

/// Builds the programs, runs the suite and writes `docs/conformance.md`; fails if a check that is not in the list of known differences
/// passes directly and not through a gateway.
pub(crate) fn run() -> anyhow::Result<()> {
    install::node_packages()?;
    shell::run(&mut cargo(&["build", "--package", "gatewright", "--bins"]))?;
    let mut node = command(install::node(), &[]);
    node.arg(root().join("e2e/conformance/run.mjs"))
        .env("GATEWRIGHT_BINARIES", target().join("debug"));
    shell::run(&mut node)
}
