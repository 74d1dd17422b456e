//! Reading a backup.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Seek as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use flate2::bufread::GzDecoder;
use gatewright_domain::{
    sealed::{Keyring, MasterKey},
    secret::Secret,
    stored_secret::SealedText,
};
use gatewright_store::copy::{Cell, Cells, Summing, is_proof_of, unknown_migration};
use tar::EntryType;

use super::{CONTENTS, Contents, FORMAT, MANIFEST, MASTER_KEY, Manifest, seal, writing::name_of};

/// Rows that are handed on together.
const PAGE: usize = 500;
/// The longest line and the largest of the other entries. No row comes near it; it bounds memory.
const LONGEST: u64 = 64 << 20;

/// A backup that was read to its end and is complete and unchanged.
#[derive(Debug)]
pub(crate) struct Backup {
    path: PathBuf,
    /// What it is of.
    pub(crate) manifest: Manifest,
    /// What it contains.
    pub(crate) contents: Contents,
    /// The master keys in it.
    pub(crate) keys: Vec<MasterKey>,
    /// The proof of the master key.
    proof: Option<SealedText>,
}

/// A part of a backup, in the order of the file.
#[derive(Debug)]
pub(crate) enum Part {
    /// The first part.
    Manifest(Manifest),
    /// The master keys.
    Keys(Vec<MasterKey>),
    /// Rows of a table, by its place in the manifest.
    Rows(usize, Vec<Cells>),
    /// The last part.
    Contents(Contents),
}

impl Backup {
    /// Reads a file whole, and checks it.
    pub(crate) fn examine(path: &Path) -> anyhow::Result<Self> {
        let length = intact(path)?;
        let mut found = Found::default();
        parts(path, length, &mut |part| {
            found.add(part);
            Ok(())
        })?;
        let (Some(manifest), Some(contents)) = (found.manifest, found.contents) else {
            bail!("{} has no manifest, so it is not a backup", path.display());
        };
        let counted: Vec<_> = found.sums.into_iter().map(Summing::finish).collect();
        ensure!(
            counted == contents.tables && found.keys.is_empty() != manifest.has_master_key,
            "{} was changed: its tables are not what its contents.json says",
            path.display()
        );
        Ok(Self {
            path: path.to_owned(),
            manifest,
            contents,
            keys: found.keys,
            proof: found.proof,
        })
    }

    /// Reads it again, for its rows.
    pub(crate) fn rows(
        &self,
        take: &mut dyn FnMut(usize, Vec<Cells>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let length = intact(&self.path)?;
        parts(&self.path, length, &mut |part| match part {
            Part::Rows(place, rows) => take(place, rows),
            Part::Manifest(_) | Part::Keys(_) | Part::Contents(_) => Ok(()),
        })
    }

    /// Whether a keyring opens what the backup contains sealed. Any does if nothing was ever sealed.
    pub(crate) fn opens_with(&self, keyring: &Keyring) -> bool {
        self.proof
            .as_ref()
            .is_none_or(|proof| is_proof_of(proof, keyring))
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    manifest: Option<Manifest>,
    keys: Vec<MasterKey>,
    contents: Option<Contents>,
    sums: Vec<Summing>,
    proof: Option<SealedText>,
}

impl Found {
    fn add(&mut self, part: Part) {
        match part {
            Part::Manifest(manifest) => {
                let sums = manifest
                    .tables
                    .iter()
                    .map(|heading| Summing::new(&heading.table, &heading.columns));
                self.sums = sums.collect();
                self.manifest = Some(manifest);
            }
            Part::Keys(keys) => self.keys = keys,
            Part::Rows(place, rows) => {
                for row in &rows {
                    self.sums[place].add(row);
                    if let [Cell::Text(name), Cell::Text(value)] = &row[..]
                        && name == "key_check"
                        && self
                            .manifest
                            .as_ref()
                            .is_some_and(|manifest| manifest.tables[place].table == "meta")
                    {
                        self.proof = Some(SealedText(value.clone()));
                    }
                }
            }
            Part::Contents(contents) => self.contents = Some(contents),
        }
    }
}

/// Checks the seal; returns the length of what it is of.
fn intact(path: &Path) -> anyhow::Result<u64> {
    let named = || format!("the backup {} cannot be read", path.display());
    let mut file = File::open(path).with_context(named)?;
    let about = file.metadata().with_context(named)?;
    ensure!(
        about.is_file(),
        "{} is not a file. Name a file that `gatewright backup` wrote",
        path.display()
    );
    let Some(length) = about.len().checked_sub(seal::length()) else {
        bail!(
            "{} is not a backup: it is too short. Use another copy of it",
            path.display()
        );
    };
    ensure!(
        seal::is_intact(&mut file, length).with_context(named)?,
        "{} is not a complete backup, or it was changed after it was written: its checksum at the end does not match. Use \
         another copy of it",
        path.display()
    );
    Ok(length)
}

/// Calls `take` with each part of the first `length` bytes of a file.
fn parts(path: &Path, length: u64, take: &mut dyn FnMut(Part) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut file = File::open(path)?;
    file.rewind()?;
    let compressed = GzDecoder::new(BufReader::with_capacity(1 << 16, file.take(length)));
    let mut archive = tar::Archive::new(compressed);
    let read = read_entries(&mut archive, take)
        .with_context(|| format!("{} is not a backup that this program can read", path.display()));
    read?;
    // What follows the archive is nothing, or the archive was put together by something else.
    let mut rest = archive.into_inner();
    let mut zeros = Vec::new();
    (&mut rest).take(1 << 16).read_to_end(&mut zeros)?;
    let mut compressed = rest.into_inner();
    ensure!(
        zeros.iter().all(|byte| *byte == 0) && compressed.fill_buf()?.is_empty(),
        "{} was changed: there is something behind its last entry",
        path.display()
    );
    Ok(())
}

fn read_entries<R: Read>(
    archive: &mut tar::Archive<R>,
    take: &mut dyn FnMut(Part) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut entries = archive.entries()?;
    let mut next = || -> anyhow::Result<(String, tar::Entry<'_, R>)> {
        let entry = entries.next().context("its last entries are missing")??;
        ensure!(
            entry.header().entry_type() == EntryType::Regular,
            "it contains something else than files"
        );
        let name = String::from_utf8(entry.path_bytes().into_owned())?;
        Ok((name, entry))
    };
    let (name, mut entry) = next()?;
    ensure!(name == MANIFEST, "it does not begin with {MANIFEST}");
    let manifest = manifest(&whole(&mut entry)?)?;
    drop(entry);
    take(Part::Manifest(manifest.clone()))?;
    // The table and the number of the latest entry with rows.
    let mut last = (0, 0);
    loop {
        let (name, mut entry) = next()?;
        if name == CONTENTS {
            let contents = serde_json::from_slice(&whole(&mut entry)?)?;
            take(Part::Contents(contents))?;
            break;
        }
        if name == MASTER_KEY {
            ensure!(last == (0, 0), "{MASTER_KEY} is not its second entry");
            take(Part::Keys(keys(&whole(&mut entry)?)?))?;
            continue;
        }
        let next_of_table = (last.0, last.1 + 1);
        let mut begins = (last.0..manifest.tables.len()).map(|place| (place, 1));
        let place = Some(next_of_table)
            .into_iter()
            .chain(&mut begins)
            .find(|(place, number)| name_of(&manifest.tables[*place].table, *number) == name)
            .filter(|place| *place > last);
        last = place.with_context(|| format!("the entry {name} is not where it belongs"))?;
        let heading = &manifest.tables[last.0];
        rows(entry, heading.columns.len(), &mut |rows| {
            take(Part::Rows(last.0, rows))
        })
        .with_context(|| format!("the entry {name} cannot be read"))?;
    }
    ensure!(entries.next().is_none(), "there is an entry behind {CONTENTS}");
    Ok(())
}

fn manifest(bytes: &[u8]) -> anyhow::Result<Manifest> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
        program: String,
    }
    let Format { format, program } = serde_json::from_slice(bytes).context("its manifest cannot be read")?;
    ensure!(
        format <= FORMAT,
        "it was written by a newer version of Gatewright ({program}). Restore it with that version"
    );
    let manifest: Manifest = serde_json::from_slice(bytes).context("its manifest cannot be read")?;
    ensure!(!manifest.tables.is_empty(), "its manifest names no tables");
    if let Some(unknown) = unknown_migration(&manifest.migrations) {
        bail!(
            "it is of a database of a newer version of Gatewright ({program}; migration {unknown} is unknown here). Restore it \
             with that version"
        );
    }
    Ok(manifest)
}

fn keys(bytes: &[u8]) -> anyhow::Result<Vec<MasterKey>> {
    let text = Secret::new(String::from_utf8(bytes.to_vec())?);
    let lines = text
        .expose()
        .lines()
        .map(|line| MasterKey::parse(&Secret::new(line.to_owned())));
    let keys: Vec<MasterKey> = lines.collect::<Result<_, _>>()?;
    ensure!(!keys.is_empty(), "{MASTER_KEY} is empty");
    Ok(keys)
}

fn whole(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the rows of an entry.
fn rows(
    entry: impl Read,
    columns: usize,
    take: &mut dyn FnMut(Vec<Cells>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut lines = BufReader::with_capacity(1 << 16, entry);
    let mut line = Vec::new();
    let mut page = Vec::new();
    loop {
        line.clear();
        (&mut lines).take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        ensure!(line.last() == Some(&b'\n'), "its last line is incomplete");
        page.push(Cell::read_line(&line, columns)?);
        if page.len() == PAGE {
            take(std::mem::take(&mut page))?;
        }
    }
    if page.is_empty() { Ok(()) } else { take(page) }
}
