//! The SQLite database file, as it was when it was opened. A file that is deleted or replaced under a running
//! process continues to exist only for that process: everything it saves would be lost when it exits.

use std::{os::unix::fs::MetadataExt as _, path::PathBuf, sync::Arc};

use crate::StoreError;

/// A file that must not be moved.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseFile(Arc<Identity>);

#[derive(Debug)]
struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    /// The file at a path now.
    pub(crate) fn at(path: PathBuf) -> std::io::Result<Self> {
        let found = std::fs::metadata(&path)?;
        Ok(Self(Arc::new(Identity {
            path,
            device: found.dev(),
            inode: found.ino(),
        })))
    }

    /// Whether it is still there: one system call, a few microseconds.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let Identity { path, device, inode } = &*self.0;
        let what = match std::fs::metadata(path) {
            Ok(found) if found.dev() == *device && found.ino() == *inode => return Ok(()),
            Ok(_) => "replaced",
            Err(_) => "deleted or moved",
        };
        Err(StoreError::FileGone {
            path: path.display().to_string(),
            what,
        })
    }
}
