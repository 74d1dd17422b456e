//! A dedicated PostgreSQL for the tests: a new cluster in a temporary folder, on loopback, deleted afterwards.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    install,
    shell::{is_root, run},
};

/// A running cluster; dropping it stops it and removes its folder.
pub(crate) struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Installs PostgreSQL if it is missing and starts a cluster on a free loopback port.
    pub(crate) fn start() -> anyhow::Result<Self> {
        if programs().is_none() {
            install::debian(&[("postgresql", &["/nonexistent"])])?;
        }
        let programs = programs().context("PostgreSQL was installed, but its `initdb` was not found")?;
        let folder = std::env::temp_dir().join(format!("gatewright-postgres-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Self {
            folder,
            programs,
            port,
        };
        if is_root() {
            run(Command::new("chown")
                .arg("postgres")
                .arg(&cluster.folder)
                .current_dir("/"))?;
        }
        let data = cluster.folder.join("data");
        run(cluster
            .program("initdb")
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"])
            .arg(&data))?;
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=200"
        );
        let log = cluster.folder.join("log");
        run(cluster
            .program("pg_ctl")
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(&log)
            .args(["-w", "-o", &options, "start"]))?;
        Ok(cluster)
    }

    /// The URL of its maintenance database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// PostgreSQL refuses to run as root, so root runs it as the user that the package created.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        if let Err(error) = run(self
            .program("pg_ctl")
            .arg("-D")
            .arg(data)
            .args(["-m", "immediate", "stop"]))
        {
            eprintln!("the test database may still be running: {error:#}");
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("could not remove {}: {error}", self.folder.display());
        }
    }
}

/// The folder of the newest PostgreSQL that Debian installed.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir(Path::new("/usr/lib/postgresql"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    versions.sort_by_key(|folder| {
        let version = folder
            .parent()
            .and_then(|parent| parent.file_name()?.to_str()?.parse::<u32>().ok());
        version.unwrap_or(0)
    });
    versions.pop()
}
