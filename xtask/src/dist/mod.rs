//! `cargo xtask dist`: everything that is published for a version, equal to the bit for equal commits.

mod archive;
mod build;
mod contents;
mod date;
mod deb;
mod digest;
mod elf;
mod image;
mod sbom;
mod source;
mod tarball;
mod verify;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use clap::Args;

use crate::shell::target;
use source::Source;

/// The names of files of ours; the version is between the parts.
const PREFIX: &str = "gatewright";

/// Where the program comes from, and where the artefacts go.
#[derive(Args)]
pub(crate) struct Options {
    /// Package this program instead of building one: to try the packaging out in seconds.
    #[arg(long, value_name = "PATH", conflicts_with = "verify")]
    binary: Option<PathBuf>,
    /// The folder of the artefacts. The default is target/dist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build the commit again in another folder, and compare every artefact bit by bit.
    #[arg(long)]
    verify: bool,
}

/// Makes the artefacts, and with `--verify` makes them again elsewhere and compares.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let out = options.out.clone().unwrap_or_else(|| target().join("dist"));
    let source = Source::here()?;
    let binary = match &options.binary {
        Some(binary) => fs::canonicalize(binary)
            .with_context(|| format!("--binary: {} cannot be read", binary.display()))?,
        None => build::program(&source, &target().join("dist-build"))?,
    };
    let made = package(&source, &binary, &out)?;
    // A program that was not built here can be one for tests, with everything that helps to find a fault.
    if options.binary.is_none() {
        image::check_size(&out.join(image::name(&source)))?;
    }
    println!("{} artefacts in {}:", made.len(), out.display());
    for file in &made {
        let size = fs::metadata(out.join(file))?.len();
        println!("{:>7} kB  {file}", size.div_ceil(1000));
    }
    if options.verify {
        verify::again(&source, &out, &made)?;
    }
    Ok(())
}

/// Packages a program; returns the names of the artefacts, the checksums last.
fn package(source: &Source, binary: &Path, out: &Path) -> anyhow::Result<Vec<String>> {
    fs::create_dir_all(out).with_context(|| format!("--out: {} cannot be created", out.display()))?;
    let contents = contents::gather(source, binary)?;
    let materials = sbom::Materials::gather(source)?;
    // Compression takes nearly all of the time.
    let (image, archive) = std::thread::scope(|scope| {
        let archive = scope.spawn(|| tarball::make(source, &contents));
        (
            image::make(source, &contents, &materials.libraries),
            archive.join(),
        )
    });
    let mut artefacts = vec![
        archive.map_err(|_| anyhow!("the archive was not made"))??,
        deb::make(source, &contents)?,
        image?,
        sbom::make(source, &contents, &materials)?,
    ];
    artefacts.push(digest::sums(&artefacts));
    for artefact in &artefacts {
        fs::write(out.join(&artefact.name), &artefact.bytes)
            .with_context(|| format!("{} cannot be written", out.join(&artefact.name).display()))?;
    }
    Ok(artefacts.into_iter().map(|artefact| artefact.name).collect())
}

/// A file that is published.
struct Artefact {
    /// Its name, such as `gatewright_0.1.0_amd64.deb`.
    name: String,
    /// What it holds.
    bytes: Vec<u8>,
}
