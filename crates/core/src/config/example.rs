//! The documented example, generated from the types, and the effective values for `config check`.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Config, known, load};

/// Text width of comments.
const WIDTH: usize = 110;

/// A file with every key, its documentation and its default, all commented out.
pub fn example() -> String {
    let mut text = String::from(
        "# Gatewright configuration. Every key with its default; keys without one show an example.\n\
         # Written by `gatewright config example`; `gatewright config check` reports what is wrong with yours.\n\
         # You can also set each key with an environment variable, which takes precedence over this file. If the name\n\
         # of a variable ends with _FILE, as in GATEWRIGHT__DATABASE__URL_FILE, the value is read from the file that it\n\
         # names.\n",
    );
    for section in known::sections() {
        text.push('\n');
        comment(&mut text, &section.description);
        let _ = writeln!(text, "[{}]", section.name);
        for key in &section.keys {
            text.push('\n');
            comment(&mut text, &key.description);
            let shown = match (&key.default, &key.example) {
                (Value::Null, Some(example)) => example,
                (Value::Array(items), Some(example)) if items.is_empty() => example,
                (default, _) => default,
            };
            let _ = writeln!(
                text,
                "# Environment: {}",
                load::variable(&section.name, &key.name)
            );
            let _ = writeln!(text, "#{} = {}", key.name, toml_value(shown));
        }
    }
    text
}

/// A key that [`starter`] sets.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its section.
    pub section: &'static str,
    /// Its name, one of those in [`Config`].
    pub key: &'static str,
    /// What it is set to.
    pub value: Value,
}

/// A file to begin with: the settings, each with its documentation. `about` is what the file begins with, one line each.
pub fn starter(about: &[String], settings: &[Setting]) -> String {
    let mut text = String::new();
    for line in about {
        comment(&mut text, line);
    }
    for section in known::sections() {
        let mut set = settings
            .iter()
            .filter(|setting| setting.section == section.name)
            .peekable();
        if set.peek().is_none() {
            continue;
        }
        text.push('\n');
        comment(&mut text, &section.description);
        let _ = writeln!(text, "[{}]", section.name);
        for Setting { key, value, .. } in set {
            text.push('\n');
            if let Some(known) = section.keys.iter().find(|known| known.name == *key) {
                comment(&mut text, &known.description);
            }
            let _ = writeln!(text, "{key} = {}", toml_value(value));
        }
    }
    text
}

/// The effective values, without secrets, as TOML.
pub fn effective(config: &Config) -> String {
    let values = serde_json::to_value(config).expect("a configuration is plain data");
    let mut text = String::new();
    for section in known::sections() {
        let separator = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{separator}[{}]", section.name);
        for key in &section.keys {
            match &values[&section.name][&key.name] {
                Value::Null => {
                    let _ = writeln!(text, "# {} is not set", key.name);
                }
                value => {
                    let _ = writeln!(text, "{} = {}", key.name, toml_value(value));
                }
            }
        }
    }
    text
}

fn comment(text: &mut String, description: &str) {
    let mut line = String::from("#");
    for word in description.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(toml_value).collect::<Vec<_>>().join(", ")
        ),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use gatewright_domain::secret::Secret;

    use super::*;
    use crate::config::ConfigSource;

    #[test]
    fn the_committed_example_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gatewright.example.toml");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == example(),
            "run: cargo run -p gatewright -- config example > docs/gatewright.example.toml"
        );
    }

    #[test]
    fn the_example_loads_as_it_is_and_with_every_key_uncommented() {
        let folder = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            let file: PathBuf = folder.path().join("g.toml");
            std::fs::write(&file, text).unwrap();
            let source = ConfigSource {
                file: Some(file),
                ..ConfigSource::default()
            };
            crate::config::load(&source).unwrap()
        };
        assert_eq!(effective(&load(&example())), effective(&Config::default()));
        let uncommented: String = example()
            .lines()
            .map(|line| {
                line.strip_prefix('#')
                    .filter(|rest| rest.starts_with(char::is_alphabetic))
                    .unwrap_or(line)
            })
            .fold(String::new(), |text, line| text + line + "\n");
        // A certificate makes the public URL https, and is either in files or ordered.
        let https = uncommented.replace("http://127.0.0.1:8080", "https://gateway.example.com");
        let (before, acme) = https.split_once("[acme]").unwrap();
        let (acme, after) = acme.split_once("\n[").unwrap();
        let all = load(&format!("{before}\n[{after}"));
        assert!(all.is_postgres());
        assert!(all.is_tls());
        assert_eq!(all.keys.master.len(), 1);
        let ordered = acme.replace("accept_terms = false", "accept_terms = true");
        assert_eq!(
            load(&format!(
                "[server]\npublic_url = \"https://a.example\"\n[acme]{ordered}"
            ))
            .acme
            .domains
            .len(),
            1
        );
    }

    #[test]
    fn effective_values_hide_secrets() {
        let mut config = Config::default();
        config.database.url = Some(Secret::new("postgres://u:canary@h/d"));
        config.keys.master = vec![Secret::new("canary"), Secret::new("file:/etc/key")];
        config.metrics.bearer = Some(Secret::new("canary"));
        let text = effective(&config);
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("file:/etc/key"));
        assert!(text.contains("url = \"[set, not shown]\""));
    }
}
