//! `gatewright-VERSION-x86_64-linux.tar.gz`, for any Linux with glibc.

use super::{
    Artefact, PREFIX,
    archive::{self, Tree},
    contents::Contents,
    source::Source,
};

/// Makes the archive. All of it is in one folder.
pub(crate) fn make(source: &Source, contents: &Contents) -> anyhow::Result<Artefact> {
    let name = format!("{PREFIX}-{}-x86_64-linux", source.version);
    let mut tree = Tree::default();
    let mut text = |path: &str, bytes: &[u8]| tree.file(&format!("{name}/{path}"), 0o644, bytes);
    text("LICENSE", &contents.license);
    text("README.md", &contents.readme);
    text("CHANGELOG.md", &contents.changelog);
    text("gatewright.example.toml", &contents.example);
    for (page, bytes) in &contents.manual {
        text(&format!("man/man1/{page}"), bytes);
    }
    for (file, bytes) in &contents.completions {
        text(&format!("completions/{file}"), bytes);
    }
    // What is installed without a package belongs to /usr/local.
    let unit = contents.unit.replace("/usr/bin/", "/usr/local/bin/");
    text("systemd/gatewright.service", unit.as_bytes());
    text("systemd/gatewright.toml", &contents.service);
    tree.file(&format!("{name}/gatewright"), 0o755, contents.program.as_slice());
    Ok(Artefact {
        bytes: archive::gzip(&tree.tar("", source.time)?)?,
        name: format!("{name}.tar.gz"),
    })
}
