//! Whether another process serves from the same data folder. Two may, as in a restart that overlaps; for longer, each
//! waits for the other's writes and counts its own limits, and replicas need PostgreSQL.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// The file that serving processes hold. Not the database itself: SQLite keeps its own locks there.
const LOCK_FILE: &str = "gatewright.lock";

/// Held for as long as a process serves; the system releases it however the process ends.
#[derive(Debug)]
pub(crate) struct Presence {
    _held: File,
    /// Whether another process already served from the folder.
    pub has_company: bool,
}

/// Says in a data folder that this process serves from it.
pub(crate) fn announce(data_dir: &Path) -> io::Result<Presence> {
    let file = open(data_dir)?;
    // Exclusive for a moment, then shared: so each process sees whether another one is there, whichever came first.
    let has_company = match file.try_lock() {
        Ok(()) => {
            file.unlock()?;
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    match file.try_lock_shared() {
        // Another process is checking at this very moment, and will find out itself.
        Ok(()) | Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(Presence {
        _held: file,
        has_company,
    })
}

/// Held by a process that needs a data folder from which no other process serves.
#[derive(Debug)]
pub(crate) struct Alone {
    _held: File,
}

/// Makes sure that no process serves from a data folder; `None` if one does.
pub(crate) fn alone(data_dir: &Path) -> io::Result<Option<Alone>> {
    let file = open(data_dir)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Alone { _held: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open(data_dir: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(data_dir.join(LOCK_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_come_sees_company_also_when_the_first_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let first = announce(folder.path()).unwrap();
        assert!(!first.has_company);
        let second = announce(folder.path()).unwrap();
        assert!(second.has_company);
        drop(first);
        let third = announce(folder.path()).unwrap();
        assert!(third.has_company, "the second is there");
        drop((second, third));
        assert!(!announce(folder.path()).unwrap().has_company);
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(!announce(elsewhere.path()).unwrap().has_company);
    }

    #[test]
    fn a_process_is_alone_only_while_no_other_serves() {
        let folder = tempfile::tempdir().unwrap();
        let serving = announce(folder.path()).unwrap();
        assert!(alone(folder.path()).unwrap().is_none());
        drop(serving);
        let alone_here = alone(folder.path()).unwrap().unwrap();
        assert!(alone(folder.path()).unwrap().is_none());
        assert!(announce(folder.path()).unwrap().has_company);
        drop(alone_here);
        assert!(!announce(folder.path()).unwrap().has_company);
    }
}
