//! The answers, and the settings that follow from them.

use std::{
    io::{BufRead, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use gatewright_domain::secret::Secret;
use serde_json::json;
use url::{Host, Url};

use super::questions::Questions;
use crate::config::{self, Argument, Config, ConfigSource, example::Setting, master_key::FILE_PREFIX};

/// Where the instance listens behind a proxy.
const BEHIND_A_PROXY: &str = "127.0.0.1:8080";

/// What was answered.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) public_url: String,
    pub(super) database: Database,
    pub(super) issuer: Option<String>,
}

/// Where the data will be.
#[derive(Debug)]
pub(super) enum Database {
    /// In SQLite, in this folder.
    Folder(PathBuf),
    /// In PostgreSQL. The URL can contain a password.
    Postgres(Secret),
}

/// The public URL: from the flag, or from the person, or the default.
pub(super) fn public_url(
    given: Option<String>,
    questions: Option<&mut Questions<impl BufRead, impl Write>>,
) -> anyhow::Result<String> {
    let question = "Which URL will clients and browsers use?";
    let default = Config::default().server.public_url;
    settle(given, questions, question, &default, |answer| {
        let config = load("server", "public_url", answer)?;
        Ok(config.server.public_url)
    })
}

/// Where the data will be: from the flag, or from the person, or the default.
pub(super) fn database(
    given: Option<String>,
    questions: Option<&mut Questions<impl BufRead, impl Write>>,
) -> anyhow::Result<Database> {
    let question = "Where will the data be? A folder, or a postgres:// URL for several replicas";
    let default = Config::default().database.data_dir;
    settle(given, questions, question, &default.to_string_lossy(), |answer| {
        if answer.contains("://") {
            // The key is asked for by every check of a PostgreSQL database; it is created later.
            let key = Argument {
                name: "key",
                section: "keys",
                key: "master",
                value: "file:master.key".into(),
            };
            let url = Argument {
                name: "database",
                section: "database",
                key: "url",
                value: answer.to_owned(),
            };
            config::load(&ConfigSource {
                arguments: vec![key, url],
                ..ConfigSource::default()
            })
            .map_err(reason)?;
            return Ok(Database::Postgres(Secret::new(answer)));
        }
        // Absolute, so that it is the same folder wherever the program is started.
        let folder = std::path::absolute(answer).map_err(|error| error.to_string())?;
        if folder.exists() && !folder.is_dir() {
            return Err(format!("{} is not a folder. Name another", folder.display()));
        }
        Ok(Database::Folder(folder))
    })
}

/// The answer that can be used. A flag that cannot be used is an error; a person is asked again.
fn settle<T>(
    given: Option<String>,
    questions: Option<&mut Questions<impl BufRead, impl Write>>,
    question: &str,
    default: &str,
    check: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<T> {
    if let Some(given) = given {
        return check(given.trim()).map_err(anyhow::Error::msg);
    }
    let Some(questions) = questions else {
        return check(default).map_err(anyhow::Error::msg);
    };
    loop {
        match check(&questions.ask(question, default)?) {
            Ok(answer) => return Ok(answer),
            Err(reason) => questions.say(format_args!("  {reason}"))?,
        }
    }
}

/// The configuration with one key set.
fn load(section: &'static str, key: &'static str, value: &str) -> Result<Config, String> {
    let argument = Argument {
        name: "answer",
        section,
        key,
        value: value.to_owned(),
    };
    config::load(&ConfigSource {
        arguments: vec![argument],
        ..ConfigSource::default()
    })
    .map_err(reason)
}

fn reason(error: config::ConfigError) -> String {
    let reasons: Vec<String> = error
        .problems
        .into_iter()
        .map(|problem| problem.message)
        .collect();
    reasons.join("; ")
}

/// The setting that names the file of the master key.
pub(super) fn key_setting(file: &Path) -> Setting {
    Setting {
        section: "keys",
        key: "master",
        value: json!([format!("{FILE_PREFIX}{}", file.display())]),
    }
}

impl Answers {
    /// What the file sets.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = |section, key, value| Setting { section, key, value };
        let mut settings = vec![
            setting("server", "listen", json!(self.listen())),
            setting("server", "public_url", json!(self.public_url)),
        ];
        if self.proxy().is_some() {
            settings.push(setting(
                "server",
                "trusted_proxies",
                json!(["127.0.0.1/32", "::1/128"]),
            ));
        }
        settings.push(match &self.database {
            Database::Folder(folder) => setting("database", "data_dir", json!(folder.to_string_lossy())),
            Database::Postgres(url) => setting("database", "url", json!(url.expose())),
        });
        settings
    }

    /// Where the instance listens: where a loopback URL leads, or else behind a proxy on the same machine.
    fn listen(&self) -> String {
        let Some(url) = self.direct() else {
            return BEHIND_A_PROXY.to_owned();
        };
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => ip.into(),
            Some(Host::Ipv6(ip)) => ip.into(),
            _ => IpAddr::from(Ipv4Addr::LOCALHOST),
        };
        SocketAddr::new(ip, url.port_or_known_default().unwrap_or_default()).to_string()
    }

    /// The public URL, if the instance itself answers there.
    fn direct(&self) -> Option<Url> {
        Url::parse(&self.public_url)
            .ok()
            .filter(|url| url.scheme() == "http")
    }

    /// What has to be in front of the instance.
    pub(super) fn proxy(&self) -> Option<String> {
        self.direct().is_none().then(|| {
            format!(
                "{} is https: a reverse proxy with TLS has to forward every path to {}.",
                self.public_url,
                self.listen()
            )
        })
    }

    /// What the file begins with.
    pub(super) fn about(&self) -> Vec<String> {
        let mut about = vec![
            "Configuration of Gatewright, written by `gatewright init`. `gatewright config check` reports what is wrong with \
             it, and `gatewright config example` prints every key there is with its default."
                .to_owned(),
        ];
        about.extend(self.proxy());
        if let Some(issuer) = &self.issuer {
            about.push(format!(
                "Users sign in at {issuer}: create a User Source with this issuer in the dashboard."
            ));
        }
        about
    }
}
