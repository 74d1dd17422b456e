//! Where the master keys come from: the configuration, or on SQLite a file that is created next to the database at first
//! start.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use gatewright_domain::{
    Entropy, entropy,
    sealed::{Keyring, MasterKey},
    secret::Secret,
};

use super::{Config, SQLITE_FILE};

/// What an entry of `keys.master` begins with when it names a file.
pub const FILE_PREFIX: &str = "file:";

/// The name of the generated key in the data folder.
pub const GENERATED_FILE: &str = "master.key";

/// The keyring of an instance. Makes data folder and master key at first start on SQLite.
pub fn keyring(config: &Config, entropy: &dyn Entropy) -> anyhow::Result<Keyring> {
    if !config.is_postgres() {
        create_data_dir(&config.database.data_dir)?;
    }
    let mut keys = configured(config)?;
    if keys.is_empty() {
        if config.is_postgres() {
            bail!(
                "keys.master is required with PostgreSQL, because all replicas need the same key. Create one with: \
                 openssl rand -base64 32"
            );
        }
        keys.push(generated(&config.database.data_dir, entropy)?);
    }
    Ok(Keyring::new(keys)?)
}

/// The keys the configuration names, without making any.
pub fn configured(config: &Config) -> anyhow::Result<Vec<MasterKey>> {
    let read_entry = |(index, entry): (usize, &Secret)| match entry.expose().strip_prefix(FILE_PREFIX) {
        Some(path) => read(Path::new(path)),
        None => MasterKey::parse(entry).with_context(|| format!("keys.master, entry {}", index + 1)),
    };
    config.keys.master.iter().enumerate().map(read_entry).collect()
}

/// The keys that the configuration names, or else the generated one on SQLite; none if there is none yet. Creates nothing.
pub fn existing(config: &Config) -> anyhow::Result<Vec<MasterKey>> {
    let mut keys = configured(config)?;
    let generated = config.database.data_dir.join(GENERATED_FILE);
    if keys.is_empty() && !config.is_postgres() && generated.exists() {
        keys.push(read(&generated)?);
    }
    Ok(keys)
}

/// Writes a key to where a first start on SQLite would generate one, for a database that comes from elsewhere. An existing file
/// stays, and its key is what is returned.
pub fn install(data_dir: &Path, key: &MasterKey, entropy: &dyn Entropy) -> anyhow::Result<MasterKey> {
    let path = data_dir.join(GENERATED_FILE);
    write_new(&path, key, entropy)
        .with_context(|| format!("the master key {} cannot be written", path.display()))?;
    read(&path)
}

/// Reads a key from a file.
pub fn from_file(path: &Path) -> anyhow::Result<MasterKey> {
    read(path)
}

/// Creates the data folder, readable only by its owner, if it is missing.
pub fn create_data_dir(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| {
            format!(
                "the data folder {} cannot be created. Create it yourself, or set database.data_dir to a folder this user \
                 may write to",
                path.display()
            )
        })
}

fn generated(data_dir: &Path, entropy: &dyn Entropy) -> anyhow::Result<MasterKey> {
    let path = data_dir.join(GENERATED_FILE);
    if path.exists() {
        return read(&path);
    }
    if data_dir.join(SQLITE_FILE).exists() {
        bail!(
            "{} exists, but its master key {} is missing, and without it no stored secret can be read. Restore the file \
             from your backup, or set keys.master. To start from scratch, move the database away",
            data_dir.join(SQLITE_FILE).display(),
            path.display()
        );
    }
    write_new(&path, &MasterKey::generate(entropy), entropy)
        .with_context(|| format!("the master key {} cannot be written", path.display()))?;
    tracing::info!(path = %path.display(), "created a master key; back it up, because no stored secret can be read without it");
    // Read back: when two processes start at the same time, the first one decides.
    read(&path)
}

/// Written aside and linked into place: the key is there as a whole or not at all, and an existing one stays.
fn write_new(path: &Path, key: &MasterKey, entropy: &dyn Entropy) -> io::Result<()> {
    let aside = path.with_extension(format!("new-{}", entropy::token(entropy)));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    let written = writeln!(file, "{}", key.to_text().expose()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&aside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    // Also if there is no space for it: each start would leave another one.
    fs::remove_file(&aside)?;
    linked?;
    path.parent()
        .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

fn read(path: &Path) -> anyhow::Result<MasterKey> {
    let text = fs::read_to_string(path)
        .map(Secret::new)
        .with_context(|| format!("the master key {} cannot be read", path.display()))?;
    if is_open_to_others(path) {
        tracing::warn!(path = %path.display(), "other users of this machine can read the master key; run: chmod 600");
    }
    MasterKey::parse(&text).with_context(|| format!("the master key {} cannot be used", path.display()))
}

/// Whether group or others may read a file.
pub fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// The files that hold the master keys, for `doctor`.
pub fn files(config: &Config) -> Vec<PathBuf> {
    let named = config
        .keys
        .master
        .iter()
        .filter_map(|entry| entry.expose().strip_prefix(FILE_PREFIX));
    let mut files: Vec<PathBuf> = named.map(PathBuf::from).collect();
    if config.keys.master.is_empty() {
        files.push(config.database.data_dir.join(GENERATED_FILE));
    }
    files
}

#[cfg(test)]
mod tests {
    use gatewright_domain::entropy::SeededEntropy;

    use super::*;

    fn config(folder: &Path) -> Config {
        let mut config = Config::default();
        config.database.data_dir = folder.join("data");
        config
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let entropy = SeededEntropy::new(1);
        let first = keyring(&config, &entropy).unwrap();
        let again = keyring(&config, &entropy).unwrap();
        assert_eq!(first.sealing_key_id(), again.sealing_key_id());
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(config.database.data_dir.join(GENERATED_FILE)), 0o600);
        assert_eq!(mode(config.database.data_dir.clone()), 0o700);
        assert_eq!(fs::read_dir(&config.database.data_dir).unwrap().count(), 1);
    }

    #[test]
    fn a_database_without_its_key_gets_no_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        fs::create_dir(&config.database.data_dir).unwrap();
        fs::write(config.database.data_dir.join(SQLITE_FILE), "x").unwrap();
        let error = keyring(&config, &SeededEntropy::new(1)).unwrap_err().to_string();
        assert!(error.contains("Restore the file"), "{error}");
        assert!(!config.database.data_dir.join(GENERATED_FILE).exists());
    }

    #[test]
    fn configured_keys_are_used_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        let (one, two) = (
            MasterKey::generate(&SeededEntropy::new(1)),
            MasterKey::generate(&SeededEntropy::new(2)),
        );
        let path = folder.path().join("one.key");
        fs::write(&path, format!("{}\n", one.to_text().expose())).unwrap();
        config.keys.master = vec![Secret::new(format!("file:{}", path.display())), two.to_text()];
        let ring = keyring(&config, &SeededEntropy::new(3)).unwrap();
        assert_eq!(ring.sealing_key_id(), one.id());
        fs::write(&path, "changeme").unwrap();
        let error = format!("{:#}", keyring(&config, &SeededEntropy::new(3)).unwrap_err());
        assert!(
            error.contains("one.key cannot be used") && error.contains("openssl rand"),
            "{error}"
        );
        assert!(!error.contains("changeme"));
    }

    #[test]
    fn postgres_needs_a_configured_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.database.url = Some(Secret::new("postgres://localhost/x"));
        assert!(keyring(&config, &SeededEntropy::new(1)).is_err());
        config.keys.master = vec![MasterKey::generate(&SeededEntropy::new(2)).to_text()];
        assert!(keyring(&config, &SeededEntropy::new(1)).is_ok());
        assert!(!config.database.data_dir.exists());
    }
}
