//! Archives that depend only on their contents: sorted, without the time, owner and name of anything on this machine.

use std::{collections::BTreeMap, io::Write as _};

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};

/// Files and folders of an archive, by path without a slash in front or behind.
#[derive(Default, Clone)]
pub(crate) struct Tree {
    entries: BTreeMap<String, Entry>,
}

/// A file, folder or link.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Permissions, such as `0o755`.
    pub mode: u32,
    /// The number of owner and group.
    pub owner: u64,
    pub content: Content,
}

/// What an entry is.
#[derive(Clone)]
pub(crate) enum Content {
    Folder,
    File(Vec<u8>),
}

impl Tree {
    /// Adds a file of root, and the folders above it.
    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
        self.parents(path);
        let content = Content::File(bytes.into());
        self.entries.insert(
            path.to_owned(),
            Entry {
                mode,
                owner: 0,
                content,
            },
        );
    }

    /// Adds a folder, and those above it.
    pub(crate) fn folder(&mut self, path: &str, mode: u32, owner: u64) {
        self.parents(path);
        let content = Content::Folder;
        self.entries
            .insert(path.to_owned(), Entry { mode, owner, content });
    }

    fn parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.entries
                .entry(path[..end].to_owned())
                .or_insert_with(|| Entry {
                    mode: 0o755,
                    owner: 0,
                    content: Content::Folder,
                });
        }
    }

    /// The files, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries
            .iter()
            .filter_map(|(path, entry)| match &entry.content {
                Content::File(bytes) => Some((path.as_str(), bytes.as_slice())),
                Content::Folder => None,
            })
    }

    /// As tar. `prefix` is put in front of each path: `./` in packages, where an entry for it comes first.
    pub(crate) fn tar(&self, prefix: &str, time: u64) -> anyhow::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        if !prefix.is_empty() {
            let top = Entry {
                mode: 0o755,
                owner: 0,
                content: Content::Folder,
            };
            append(&mut tar, prefix, &top, time)?;
        }
        for (path, entry) in &self.entries {
            append(&mut tar, &format!("{prefix}{path}"), entry, time)?;
        }
        Ok(tar.into_inner()?)
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, entry: &Entry, time: u64) -> anyhow::Result<()> {
    let mut header = Header::new_gnu();
    let (kind, bytes): (_, &[u8]) = match &entry.content {
        Content::Folder => (EntryType::Directory, &[]),
        Content::File(bytes) => (EntryType::Regular, bytes),
    };
    header.set_entry_type(kind);
    header.set_mode(entry.mode);
    header.set_uid(entry.owner);
    header.set_gid(entry.owner);
    header.set_mtime(time);
    header.set_size(bytes.len() as u64);
    // Written by hand: the library drops `./` from paths, and packages have it by custom.
    let slash = if kind == EntryType::Directory && !path.ends_with('/') {
        "/"
    } else {
        ""
    };
    let name = format!("{path}{slash}");
    let field = &mut header.as_old_mut().name;
    field
        .get_mut(..name.len())
        .with_context(|| format!("{name}: longer than the 100 letters of a name in an archive"))?
        .copy_from_slice(name.as_bytes());
    header.set_cksum();
    tar.append(&header, bytes)?;
    Ok(())
}

/// Compresses with gzip, whose header has neither name nor time.
pub(crate) fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    compressed(bytes, Compression::default())
}

/// The same as small as gzip can, for documents.
pub(crate) fn gzip_best(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    compressed(bytes, Compression::best())
}

fn compressed(bytes: &[u8], level: Compression) -> anyhow::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().write(Vec::new(), level);
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_depends_only_on_its_contents() {
        let mut one = Tree::default();
        one.file("usr/bin/b", 0o755, "program");
        one.file("etc/a", 0o644, "");
        one.folder("data", 0o700, 65532);
        let mut other = Tree::default();
        other.folder("data", 0o700, 65532);
        other.file("etc/a", 0o644, "");
        other.file("usr/bin/b", 0o755, "program");
        let bytes = one.tar("./", 1_764_590_400).unwrap();
        assert_eq!(bytes, other.tar("./", 1_764_590_400).unwrap());
        assert_eq!(gzip(&bytes).unwrap(), gzip(&bytes).unwrap());
        assert_ne!(bytes, other.tar("./", 1_764_590_401).unwrap());
        let mut read = tar::Archive::new(bytes.as_slice());
        let seen: Vec<String> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                let (mode, owner) = (header.mode().unwrap(), header.uid().unwrap());
                format!("{path} {mode:o} {owner} {}", header.size().unwrap())
            })
            .collect();
        assert_eq!(
            seen,
            [
                "./ 755 0 0",
                "./data/ 700 65532 0",
                "./etc/ 755 0 0",
                "./etc/a 644 0 0",
                "./usr/ 755 0 0",
                "./usr/bin/ 755 0 0",
                "./usr/bin/b 755 0 7",
            ]
        );
    }

    #[test]
    fn a_path_that_does_not_fit_is_an_error() {
        let mut tree = Tree::default();
        tree.file(&"x".repeat(101), 0o644, "");
        assert!(tree.tar("", 0).unwrap_err().to_string().contains("longer than"));
    }
}
