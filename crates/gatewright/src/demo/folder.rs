//! The demo's data folder: the database, and what must be the same at the next start.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use gatewright_domain::entropy;
use serde::{Deserialize, Serialize};

/// The name of the folder among the system's temporary files.
const TEMPORARY: &str = "gatewright-demo";
/// What is stored next to the database.
const FILE: &str = "demo.json";
/// Held while a demo runs on the folder.
const LOCK: &str = "demo.lock";

/// Ports that are rarely taken and easy to remember.
pub(super) const PORTS: Ports = Ports {
    gateway: 8930,
    provider: 8931,
    server: 8932,
};

/// Where the three parts listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    /// The gateway.
    pub(super) gateway: u16,
    /// The identity provider.
    pub(super) provider: u16,
    /// The MCP server.
    pub(super) server: u16,
}

/// What must be the same at the next start, so that clients stay connected. It is next to the master key, readable only
/// by its owner.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The secret the gateway and the demo provider share.
    pub(super) client_secret: String,
    /// A key of the demo project, to show again.
    pub(super) api_key: Option<String>,
    /// Where the parts listened.
    pub(super) ports: Ports,
}

/// A folder that no other demo uses at the moment.
pub(super) struct Folder {
    path: PathBuf,
    // Unlocked when the process ends, however it ends.
    _lock: File,
    /// What is kept.
    pub(super) kept: Kept,
}

impl Folder {
    /// Opens the folder that the demo uses when none is named: among the system's temporary files, where others can write too.
    pub(super) fn open_temporary() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(TEMPORARY);
        claim(&path).with_context(|| unusable(&path))?;
        Self::open(&path)
    }

    /// Opens a folder, and makes it for its owner only when it is not there.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        private_folder().create(path).with_context(|| unusable(path))?;
        check_ours(path).with_context(|| unusable(path))?;
        let lock = private_file()
            .create(true)
            .truncate(true)
            .open(path.join(LOCK))
            .with_context(|| format!("The data folder {} cannot be written to.", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "Another demo runs on the data folder {}. Stop it, or choose another folder with --data-dir.",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error)
                    .with_context(|| format!("The data folder {} cannot be locked.", path.display()));
            }
        }
        let kept = match fs::read(path.join(FILE)) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                let file = path.join(FILE);
                format!("{} cannot be read. Delete it and start again.", file.display())
            })?,
            Err(_) => Kept {
                client_secret: entropy::token(&entropy::SystemEntropy),
                api_key: None,
                ports: PORTS,
            },
        };
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            kept,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is to be kept, as a whole or not at all.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let (file, new) = (self.path.join(FILE), self.path.join("demo.json.new"));
        let text = serde_json::to_vec_pretty(&self.kept)?;
        let write = || {
            // What an interrupted start left behind.
            match fs::remove_file(&new) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            private_file().create_new(true).open(&new)?.write_all(&text)?;
            fs::rename(&new, &file)
        };
        write().with_context(|| format!("{} cannot be written.", file.display()))
    }
}

fn unusable(path: &Path) -> String {
    let path = path.display();
    format!("The data folder {path} cannot be used. Choose another with --data-dir.")
}

/// Makes a folder ours alone. One that another user has prepared in a shared place is refused: its mode is not ours to change.
fn claim(path: &Path) -> io::Result<()> {
    private_folder().create(path)?;
    check_folder(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Fails unless the folder and all that is in it are ours alone: whatever else someone put there would be read, or
/// written where a link leads. This stays true, because only the owner can write to the folder.
fn check_ours(path: &Path) -> io::Result<()> {
    check_folder(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let folder = fs::symlink_metadata(path)?;
        if folder.mode() & 0o022 != 0 {
            return Err(io::Error::other(
                "others may write to it; take that away first (`chmod go-w`)",
            ));
        }
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let found = fs::symlink_metadata(entry.path())?;
            let name = entry.file_name();
            if found.is_symlink() {
                return Err(io::Error::other(format!("{} in it is a link", name.display())));
            }
            if found.uid() != folder.uid() {
                return Err(io::Error::other(format!(
                    "{} in it belongs to someone else",
                    name.display()
                )));
            }
        }
    }
    Ok(())
}

/// Fails unless it is a folder, not a link to one, and belongs to the user who runs this program.
fn check_folder(path: &Path) -> io::Result<()> {
    let folder = fs::symlink_metadata(path)?;
    if !folder.is_dir() {
        return Err(io::Error::other("it is not a folder but a link or a file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // A new file belongs to the user who runs this program. It is created only if nothing is there, so it does not
        // follow a link.
        let probe = path.join(format!("demo.{}", entropy::token(&entropy::SystemEntropy)));
        let made = private_file().create_new(true).open(&probe)?.metadata()?;
        fs::remove_file(&probe)?;
        if made.uid() != folder.uid() {
            return Err(io::Error::other("it belongs to someone else"));
        }
    }
    Ok(())
}

fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_at_the_next_start() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo");
        let mut first = Folder::open(&path).unwrap();
        first.kept.ports.gateway = 1234;
        first.save().unwrap();
        let secret = first.kept.client_secret.clone();
        drop(first);
        let second = Folder::open(&path).unwrap();
        assert_eq!(second.kept.client_secret, secret);
        assert_eq!(second.kept.ports.gateway, 1234);
    }

    #[test]
    fn two_demos_do_not_share_a_folder() {
        let parent = tempfile::tempdir().unwrap();
        let first = Folder::open(parent.path()).unwrap();
        let error = Folder::open(parent.path()).err().unwrap();
        assert!(error.to_string().contains("--data-dir"), "{error}");
        drop(first);
        assert!(Folder::open(parent.path()).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn what_it_makes_is_private_and_what_is_there_is_left_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo");
        Folder::open(&path).unwrap().save().unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(FILE)), 0o600);

        let own = parent.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
        Folder::open(&own).unwrap();
        assert_eq!(mode(&own), 0o755);
    }

    #[cfg(unix)]
    #[test]
    fn a_shared_place_is_claimed_and_a_link_in_it_refused() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        claim(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let link = parent.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(claim(&link).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_someone_prepared_are_not_followed() {
        use std::os::unix::fs::symlink;
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("of somebody");
        fs::write(&target, "precious").unwrap();
        for name in [LOCK, FILE, "demo.json.new", "gatewright.db", "master.key"] {
            let path = parent.path().join("demo");
            private_folder().create(&path).unwrap();
            symlink(&target, path.join(name)).unwrap();
            let error = Folder::open(&path).err().expect(name);
            assert!(format!("{error:#}").contains("is a link"), "{error:#}");
            assert_eq!(fs::read_to_string(&target).unwrap(), "precious", "{name}");
            fs::remove_dir_all(&path).unwrap();
        }
        let path = parent.path().join("demo");
        private_folder().create(&path).unwrap();
        let link = parent.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(Folder::open(&link).is_err());
        assert!(Folder::open(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo");
        private_folder().create(&path).unwrap();
        for (mode, fine) in [(0o777, false), (0o770, false), (0o755, true), (0o700, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Folder::open(&path).is_ok(), fine, "{mode:o}");
        }
        // Only what is kept stays.
        let names = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), [LOCK]);
    }
}
