//! Files: a record on each line. A file is opened for each batch, so that one which another program moved or deleted is created again,
//! and is on the disk before the batch counts as delivered.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::Record;

/// Bytes at the end of a file that are looked through for the end of its last line.
const TAIL: u64 = 256 * 1024;
/// How often a file is opened that is moved away between opening and locking.
const OPENED: u32 = 1_000;

/// Writes to a file of this name in the folder of the configuration.
#[derive(Debug, Clone)]
pub(super) struct FileSink {
    pub(super) folder: PathBuf,
    pub(super) name: String,
    /// Bytes.
    pub(super) max_size: u64,
    /// The present file included.
    pub(super) max_files: u32,
}

impl FileSink {
    /// Appends records, all of them or none.
    pub(super) async fn deliver(&self, records: &[Record]) -> io::Result<()> {
        let mut batch = Vec::with_capacity(records.iter().map(|record| record.json.len() + 1).sum());
        for record in records {
            batch.extend_from_slice(&record.json);
            batch.push(b'\n');
        }
        let sink = self.clone();
        tokio::task::spawn_blocking(move || sink.append(&batch))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn append(&self, batch: &[u8]) -> io::Result<()> {
        let path = self.folder.join(&self.name);
        let mut file = open_alone(&path)?;
        let mut size = repair(&mut file)?;
        if size > 0 && size.saturating_add(batch.len() as u64) > self.max_size {
            self.rotate(&path)?;
            file = open_alone(&path)?;
            size = repair(&mut file)?;
        }
        let written = file.write_all(batch).and_then(|()| file.sync_data());
        if written.is_err() {
            // A part of a batch, on a disk that is full, would be there twice.
            let _ = file.set_len(size);
        } else if size == 0 {
            // Its name must be on the disk as well.
            File::open(&self.folder).and_then(|folder| folder.sync_all())?;
        }
        written
    }

    /// `audit.jsonl` becomes `audit.jsonl.1`, that `audit.jsonl.2`, and so on; the oldest is deleted.
    fn rotate(&self, path: &Path) -> io::Result<()> {
        let older = |number: u32| self.folder.join(format!("{}.{number}", self.name));
        if self.max_files <= 1 {
            return fs::remove_file(path);
        }
        for number in (1..self.max_files - 1).rev() {
            match fs::rename(older(number), older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, older(1))
    }
}

/// Opens a file and locks it, until it is closed, against others who append to it: a test event and a batch, or another process. It waits
/// for them.
fn open_alone(path: &Path) -> io::Result<File> {
    for _ in 0..OPENED {
        let file = open(path)?;
        match file.lock() {
            Ok(()) => {}
            // A file system without locks.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
            Err(error) => return Err(error),
        }
        let locked = file.metadata()?;
        // The one that had the lock may have begun another file.
        let is_same = |found: &fs::Metadata| (found.dev(), found.ino()) == (locked.dev(), locked.ino());
        match fs::symlink_metadata(path) {
            Ok(found) if is_same(&found) => return Ok(file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Err(io::Error::other("it is moved away again and again"))
}

/// Opens a file to append to it; creates it for the owner only. A link is not followed.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Cuts off a line that a process which was killed did not finish; returns the size. Its record is sent again.
fn repair(file: &mut File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let size = metadata.len();
    let from = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&mut *file).take(TAIL).read_to_end(&mut tail)?;
    if tail.is_empty() || tail.ends_with(b"\n") {
        return Ok(size);
    }
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else {
        if from > 0 {
            // No line of ours is as long.
            return Err(io::Error::other("its end is not one of this stream"));
        }
        file.set_len(0)?;
        return Ok(0);
    };
    let whole = from + end as u64 + 1;
    file.set_len(whole)?;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use gatewright_domain::Timestamp;

    use super::*;

    fn sink(folder: &Path, max_size: u64, max_files: u32) -> FileSink {
        FileSink {
            folder: folder.to_owned(),
            name: "a.jsonl".to_owned(),
            max_size,
            max_files,
        }
    }

    fn records(from: u32, count: u32) -> Vec<Record> {
        let record = |number: u32| Record {
            kind: "audit",
            is_notable: false,
            at: Timestamp::default(),
            json: format!("{{\"n\":{number:04}}}").into_bytes(),
        };
        (from..from + count).map(record).collect()
    }

    fn lines(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn files_are_rotated_by_size_and_their_number_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(folder.path(), 100, 3);
        for batch in 0..12 {
            sink.deliver(&records(batch * 4, 4)).await.unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]);
        let mut all = Vec::new();
        for name in names.iter().rev() {
            let path = folder.path().join(name);
            assert!(fs::metadata(&path).unwrap().len() <= 100);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            all.extend(lines(&path));
        }
        let last: Vec<_> = (48 - all.len()..48)
            .map(|number| format!("{{\"n\":{number:04}}}"))
            .collect();
        assert_eq!(all, last, "the newest are there, in their order");
    }

    #[tokio::test]
    async fn an_unfinished_line_is_cut_off_and_a_moved_file_is_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let sink = sink(folder.path(), 1_000_000, 2);
        sink.deliver(&records(0, 2)).await.unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"n\":00").unwrap();
        sink.deliver(&records(2, 1)).await.unwrap();
        assert_eq!(lines(&path).len(), 3);
        fs::rename(&path, folder.path().join("moved")).unwrap();
        sink.deliver(&records(3, 1)).await.unwrap();
        assert_eq!(lines(&path), ["{\"n\":0003}"]);
        fs::write(&path, "{").unwrap();
        sink.deliver(&records(4, 1)).await.unwrap();
        assert_eq!(lines(&path), ["{\"n\":0004}"]);
    }

    #[test]
    fn who_appends_waits_for_others_and_writes_to_the_file_that_they_leave() {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(folder.path(), 1_000, 9);
        let path = folder.path().join("a.jsonl");
        sink.append(b"1\n").unwrap();
        let other = open_alone(&path).unwrap();
        let appending = std::thread::spawn({
            let sink = sink.clone();
            move || sink.append(b"2\n")
        });
        // It is not finished before the other one is, however long that takes.
        for _ in 0..1_000 {
            assert!(!appending.is_finished());
            std::thread::yield_now();
        }
        sink.rotate(&path).unwrap();
        drop(other);
        appending.join().unwrap().unwrap();
        assert_eq!(lines(&path), ["2"]);
        assert_eq!(lines(&folder.path().join("a.jsonl.1")), ["1"]);
    }

    #[tokio::test]
    async fn many_at_once_lose_nothing_while_files_rotate() {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(folder.path(), 60, 90);
        let deliveries = (0..50).map(|number| {
            let sink = sink.clone();
            tokio::spawn(async move { sink.deliver(&records(number * 2, 2)).await })
        });
        for delivery in deliveries.collect::<Vec<_>>() {
            delivery.await.unwrap().unwrap();
        }
        let mut all = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            all.extend(lines(&entry.unwrap().path()));
        }
        all.sort();
        let expected: Vec<_> = (0..100).map(|number| format!("{{\"n\":{number:04}}}")).collect();
        assert_eq!(all, expected);
    }

    #[tokio::test]
    async fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        symlink(&elsewhere, folder.path().join("a.jsonl")).unwrap();
        sink(folder.path(), 1_000, 2)
            .deliver(&records(0, 1))
            .await
            .unwrap_err();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "");
    }
}
