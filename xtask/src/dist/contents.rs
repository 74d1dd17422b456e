//! What every package contains: the program, what the program writes about itself, and files of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::{elf, source::Source};
use crate::shell::capture;

/// The newest C library that a published program may need: the one of Debian 12.
const NEWEST_GLIBC: (u32, u32) = (2, 36);

/// The shells with completions, and the name of the file in the archive.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "gatewright.bash"),
    ("zsh", "_gatewright"),
    ("fish", "gatewright.fish"),
];

/// What packages are made of.
pub(crate) struct Contents {
    /// Where the program lies.
    pub binary: PathBuf,
    /// Its bytes.
    pub program: Vec<u8>,
    /// The oldest C library that has everything the program uses, such as `2.34`.
    pub glibc: String,
    /// Manual pages, by file name.
    pub manual: Vec<(String, Vec<u8>)>,
    /// Completions by file name: bash, zsh, fish.
    pub completions: Vec<(&'static str, Vec<u8>)>,
    /// The example of a configuration, as the program writes it.
    pub example: Vec<u8>,
    pub license: Vec<u8>,
    pub readme: Vec<u8>,
    pub changelog: Vec<u8>,
    /// The configuration to begin with, for a service.
    pub service: Vec<u8>,
    /// The systemd unit, for `/usr/bin`.
    pub unit: String,
}

/// Runs the program, and reads the files.
pub(crate) fn gather(source: &Source, binary: &Path) -> anyhow::Result<Contents> {
    let printed = capture(Command::new(binary).arg("--version"))?;
    let expected = format!("gatewright {}", source.version);
    if printed.split(" (").next() != Some(expected.as_str()) {
        bail!(
            "{} is {printed:?}, not {expected}: build it again",
            binary.display()
        );
    }
    let program = fs::read(binary)?;
    let (major, minor) =
        elf::needed_glibc(&program).with_context(|| format!("{} does not use glibc", binary.display()))?;
    if (major, minor) > NEWEST_GLIBC {
        bail!("the program needs glibc {major}.{minor}; build it on Debian 12, so that it runs there too");
    }
    let read = |path: &str| fs::read(source.root.join(path)).with_context(|| path.to_owned());
    let completions = SHELLS.map(|(shell, file)| {
        let printed = capture(Command::new(binary).args(["completions", shell]))?;
        anyhow::Ok((file, format!("{printed}\n").into_bytes()))
    });
    let example = capture(Command::new(binary).args(["config", "example"]))?;
    Ok(Contents {
        manual: manual(binary)?,
        completions: completions.into_iter().collect::<anyhow::Result<_>>()?,
        example: format!("{example}\n").into_bytes(),
        license: read("LICENSE")?,
        readme: read("README.md")?,
        changelog: read("CHANGELOG.md")?,
        service: read("ops/systemd/gatewright.toml")?,
        unit: String::from_utf8(read("ops/systemd/gatewright.service")?)?,
        binary: binary.to_path_buf(),
        glibc: format!("{major}.{minor}"),
        program,
    })
}

fn manual(binary: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let folder = tempfile::tempdir()?;
    capture(Command::new(binary).arg("man").arg(folder.path()))?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        pages.push((name, fs::read(entry.path())?));
    }
    pages.sort();
    Ok(pages)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Contents;

    /// Contents without a real program.
    pub(crate) fn contents() -> Contents {
        Contents {
            binary: "/nonexistent/gatewright".into(),
            program: b"\x7fELF of a test".to_vec(),
            glibc: "2.34".to_owned(),
            manual: vec![("gatewright.1".to_owned(), b".TH gatewright 1".to_vec())],
            completions: vec![
                ("gatewright.bash", b"bash".to_vec()),
                ("_gatewright", b"zsh".to_vec()),
                ("gatewright.fish", b"fish".to_vec()),
            ],
            example: b"#[server]\n".to_vec(),
            license: b"license".to_vec(),
            readme: b"readme".to_vec(),
            changelog: b"changes".to_vec(),
            service: b"[server]\n".to_vec(),
            unit: "ExecStart=/usr/bin/gatewright serve\n".to_owned(),
        }
    }
}
