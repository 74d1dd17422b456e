//! Writing a backup.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use flate2::{Compression, write::GzEncoder};
use gatewright_domain::{Entropy, entropy, sealed::MasterKey};
use gatewright_store::copy::{Cells, Snapshot, Summing};
use tar::Header;

use super::{CONTENTS, Contents, MANIFEST, MASTER_KEY, Manifest, seal::Hashing};

/// Rows of about this many bytes are one entry, so memory is bounded.
const ENTRY_BYTES: usize = 1 << 19;

/// A backup that is being written.
pub(crate) struct Writer<W: Write> {
    tar: tar::Builder<GzEncoder<Hashing<W>>>,
    /// Seconds since the Unix epoch, for the entries.
    time: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with everything but the rows.
    pub(crate) fn new(out: W, manifest: &Manifest, keys: &[MasterKey], time: u64) -> anyhow::Result<Self> {
        let compressed = GzEncoder::new(Hashing::new(out), Compression::fast());
        let mut writer = Self {
            tar: tar::Builder::new(compressed),
            time,
        };
        writer.entry(MANIFEST, &serde_json::to_vec_pretty(manifest)?)?;
        if manifest.has_master_key {
            let mut lines = Vec::new();
            for key in keys {
                writeln!(lines, "{}", key.to_text().expose())?;
            }
            writer.entry(MASTER_KEY, &lines)?;
        }
        Ok(writer)
    }

    /// Writes every table of a snapshot, and the end; returns what it contains, the SHA-256 of all of it, and what was written to.
    pub(crate) async fn write_all(
        mut self,
        snapshot: &mut Snapshot,
    ) -> anyhow::Result<(Contents, String, W)> {
        let mut tables = Vec::new();
        for place in 0..snapshot.tables().len() {
            let mut pages = snapshot.pages(place).await?;
            let table = pages.table();
            let mut sum = Summing::new(table, pages.columns());
            let mut entry = Entry::default();
            loop {
                let rows = pages.next().await?;
                if rows.is_empty() {
                    break;
                }
                self.add(table, &mut entry, &mut sum, &rows)?;
            }
            self.end_entry(table, &mut entry)?;
            tables.push(sum.finish());
        }
        let contents = Contents { tables };
        self.entry(CONTENTS, &serde_json::to_vec_pretty(&contents)?)?;
        let (sha256, out) = self.tar.into_inner()?.finish()?.seal()?;
        Ok((contents, sha256, out))
    }

    fn add(&mut self, table: &str, entry: &mut Entry, sum: &mut Summing, rows: &[Cells]) -> io::Result<()> {
        for row in rows {
            entry.lines.extend_from_slice(sum.add(row));
            if entry.lines.len() >= ENTRY_BYTES {
                self.end_entry(table, entry)?;
            }
        }
        Ok(())
    }

    fn end_entry(&mut self, table: &str, entry: &mut Entry) -> io::Result<()> {
        if entry.lines.is_empty() {
            return Ok(());
        }
        entry.number += 1;
        self.entry(&name_of(table, entry.number), &entry.lines)?;
        entry.lines.clear();
        Ok(())
    }

    fn entry(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.time);
        header.set_cksum();
        self.tar.append(&header, bytes)
    }
}

/// The entry of a table that is being filled.
#[derive(Default)]
struct Entry {
    number: u32,
    lines: Vec<u8>,
}

/// The name of an entry with rows.
pub(super) fn name_of(table: &str, number: u32) -> String {
    format!("tables/{table}/{number:06}.jsonl")
}

/// A file that appears under its name only when it is complete. Only its owner can read it.
#[derive(Debug)]
pub(crate) struct NewFile {
    aside: PathBuf,
    path: PathBuf,
    replaces: bool,
}

impl NewFile {
    /// Begins a file, under another name in the same folder. Refuses to replace an existing one unless `replaces` is set.
    pub(crate) fn begin(
        path: &Path,
        replaces: bool,
        entropy: &dyn Entropy,
    ) -> anyhow::Result<(Self, BufWriter<File>)> {
        let exists = path.symlink_metadata().is_ok();
        if exists && !(replaces && path.is_file()) {
            bail!(
                "{} already exists. Name another file{}",
                path.display(),
                if path.is_file() {
                    ", or add --force to replace it"
                } else {
                    ""
                }
            );
        }
        let name = path
            .file_name()
            .with_context(|| format!("{} is not the name of a file", path.display()))?;
        let aside = path.with_file_name(format!(
            ".{}.incomplete-{}",
            name.to_string_lossy(),
            &entropy::token(entropy)[..8]
        ));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)
            .with_context(|| {
                format!(
                    "no file can be created beside {}. Name a folder that exists and that this user can write to",
                    path.display()
                )
            })?;
        let new = Self {
            aside,
            path: path.to_owned(),
            replaces,
        };
        Ok((new, BufWriter::with_capacity(1 << 16, file)))
    }

    /// Gives the complete file its name.
    pub(crate) fn keep(self, written: BufWriter<File>) -> anyhow::Result<()> {
        let kept = || -> io::Result<()> {
            written
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()?;
            if self.replaces {
                fs::rename(&self.aside, &self.path)?;
            } else {
                // Unlike a rename, it does not replace a file that appeared in the meantime.
                fs::hard_link(&self.aside, &self.path)?;
            }
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        kept().with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After a rename it is not there any more.
        let _ = fs::remove_file(&self.aside);
    }
}
