//! A file that was cut or changed is refused, also by someone who computes the checksum at its end again.

use std::{fs, io::Write as _, path::Path};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use gatewright_domain::{
    entropy::SeededEntropy,
    sealed::{Keyring, MasterKey},
};
use gatewright_store::{Store, StoreConfig, copy::Snapshot};

use super::{seal::Hashing, *};

/// A backup of a new instance with its key, and the key.
async fn written(folder: &Path) -> (Vec<u8>, MasterKey) {
    let config = StoreConfig::Sqlite {
        path: folder.join("gatewright.db"),
    };
    let store = Store::connect(&config).await.unwrap();
    store.migrate().await.unwrap();
    let entropy = SeededEntropy::new(1);
    let key = MasterKey::generate(&entropy);
    store
        .check_keyring(&Keyring::new(vec![key.clone()]).unwrap(), &entropy)
        .await
        .unwrap();
    let mut snapshot = Snapshot::take(&store).await.unwrap();
    let manifest = Manifest {
        format: FORMAT,
        program: "0.1.0".to_owned(),
        store: "SQLite".to_owned(),
        at: "2026-12-01T00:00:00Z".to_owned(),
        public_url: "https://mcp.example.com".to_owned(),
        master_key_id: Some(key.id().to_owned()),
        has_master_key: true,
        migrations: snapshot.migrations().to_vec(),
        tables: snapshot
            .headings()
            .into_iter()
            .map(|(table, columns)| Heading {
                table: table.to_owned(),
                columns,
            })
            .collect(),
    };
    let writer = Writer::new(Vec::new(), &manifest, std::slice::from_ref(&key), 1).unwrap();
    let (_, _, bytes) = writer.write_all(&mut snapshot).await.unwrap();
    drop(snapshot);
    store.close().await;
    (bytes, key)
}

fn examined(folder: &Path, bytes: &[u8]) -> anyhow::Result<Backup> {
    let file = folder.join("backup");
    fs::write(&file, bytes).unwrap();
    Backup::examine(&file)
}

fn refusal(folder: &Path, bytes: &[u8]) -> String {
    format!("{:#}", examined(folder, bytes).unwrap_err())
}

/// The entries of a backup.
fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut contents = Vec::new();
        std::io::copy(&mut entry, &mut contents).unwrap();
        found.push((name, contents));
    }
    found
}

/// What someone does to the entries.
type Change = fn(&mut Vec<(String, Vec<u8>)>);

/// A file with these entries and a valid checksum.
fn sealed(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let compressed = GzEncoder::new(Hashing::new(Vec::new()), Compression::fast());
    let mut archive = tar::Builder::new(compressed);
    for (name, contents) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        archive.append_data(&mut header, name, &contents[..]).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap().seal().unwrap().1
}

fn replaced(text: &mut Vec<u8>, from: &str, to: &str) {
    let changed = String::from_utf8(text.clone()).unwrap().replacen(from, to, 1);
    assert_ne!(changed.as_bytes(), &text[..], "{from}");
    *text = changed.into_bytes();
}

#[tokio::test]
async fn a_backup_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, key) = written(folder.path()).await;
    let backup = examined(folder.path(), &bytes).unwrap();
    assert_eq!(backup.manifest.public_url, "https://mcp.example.com");
    assert_eq!(backup.contents.rows_of("meta"), 1);
    assert_eq!(backup.contents.tables.len(), backup.manifest.tables.len());
    assert!(backup.opens_with(&Keyring::new(backup.keys.clone()).unwrap()));
    assert_eq!(backup.keys[0].id(), key.id());
    let other = MasterKey::generate(&SeededEntropy::new(2));
    assert!(!backup.opens_with(&Keyring::new(vec![other]).unwrap()));
    let mut rows = 0;
    backup
        .rows(&mut |_, page| {
            rows += page.len() as u64;
            Ok(())
        })
        .unwrap();
    assert_eq!(rows, backup.contents.rows());
    // The same entries, put together again.
    examined(folder.path(), &sealed(&entries(&bytes))).unwrap();
}

#[tokio::test]
async fn a_file_that_was_cut_or_changed_at_any_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = written(folder.path()).await;
    for place in (0..bytes.len()).step_by(7).chain(bytes.len() - 120..bytes.len()) {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let refused = refusal(folder.path(), &changed);
        assert!(refused.contains("is not a complete backup"), "{place}: {refused}");
        let refused = refusal(folder.path(), &bytes[..place]);
        assert!(refused.contains("backup"), "{place}: {refused}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(refusal(folder.path(), &longer).contains("is not a complete backup"));
    assert!(refusal(folder.path(), &[]).contains("too short"));
}

#[tokio::test]
async fn a_file_that_was_put_together_by_something_else_is_refused_although_its_checksum_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = written(folder.path()).await;
    let original = entries(&bytes);
    let place = |name: &str| original.iter().position(|(entry, _)| entry == name).unwrap();
    assert_eq!(
        (
            place(MANIFEST),
            place(MASTER_KEY),
            place("tables/meta/000001.jsonl")
        ),
        (0, 1, 2)
    );
    let changes: [(&str, Change); 12] = [
        ("its tables are not", |all| replaced(&mut all[2].1, "v1.", "v2.")),
        ("its tables are not", |all| drop(all.remove(2))),
        ("its tables are not", |all| drop(all.remove(1))),
        ("not a row with 2 values", |all| {
            replaced(&mut all[2].1, ",", ",1,");
        }),
        ("last line is incomplete", |all| all[2].1.truncate(20)),
        ("not where it belongs", |all| {
            all[2].0 = "tables/meta/000002.jsonl".to_owned();
        }),
        ("not where it belongs", |all| {
            all[2].0 = "tables/leases/000001.jsonl".to_owned();
        }),
        ("not where it belongs", |all| all.swap(2, 3)),
        ("does not begin with", |all| all.swap(0, 1)),
        ("its last entries are missing", |all| drop(all.pop())),
        ("there is an entry behind", |all| {
            let again = all[2].clone();
            all.push(again);
        }),
        ("written by a newer version", |all| {
            replaced(&mut all[0].1, "\"format\": 1", "\"format\": 2");
        }),
    ];
    for (number, (why, change)) in changes.into_iter().enumerate() {
        let mut entries = original.clone();
        change(&mut entries);
        let refused = refusal(folder.path(), &sealed(&entries));
        assert!(refused.contains(why), "{number}: {refused}");
    }
    let mut newer = original.clone();
    replaced(&mut newer[0].1, "20261101000000", "30261101000000");
    let refused = refusal(folder.path(), &sealed(&newer));
    assert!(
        refused.contains("30261101000000") && refused.contains("newer version"),
        "{refused}"
    );

    // Not an archive, with a valid checksum.
    let mut plain = Hashing::new(Vec::new());
    plain.write_all(b"something else").unwrap();
    refusal(folder.path(), &plain.seal().unwrap().1);
}

#[tokio::test]
async fn a_file_appears_complete_or_not_at_all_and_replaces_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    let entropy = SeededEntropy::new(1);
    let names = || fs::read_dir(folder.path()).unwrap().count();

    let (new, mut out) = NewFile::begin(&path, false, &entropy).unwrap();
    out.write_all(b"half").unwrap();
    assert!(!path.exists());
    drop((new, out));
    assert_eq!(names(), 0);

    let (new, mut out) = NewFile::begin(&path, false, &entropy).unwrap();
    out.write_all(b"one").unwrap();
    new.keep(out).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let refused = NewFile::begin(&path, false, &entropy).unwrap_err().to_string();
    assert!(refused.contains("--force"), "{refused}");

    // One that appears in the meantime stays.
    let elsewhere = folder.path().join("other");
    let (new, out) = NewFile::begin(&elsewhere, false, &entropy).unwrap();
    fs::write(&elsewhere, "mine").unwrap();
    new.keep(out).unwrap_err();
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");

    let (new, mut out) = NewFile::begin(&path, true, &entropy).unwrap();
    out.write_all(b"two").unwrap();
    new.keep(out).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names(), 2);
    assert!(NewFile::begin(folder.path(), true, &entropy).is_err());
}
