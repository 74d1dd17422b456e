//! Reads the configuration: the file, then the environment, then the checks.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Config,
    known::{self, Kind},
    problem::{ConfigError, Problem},
    secret_file, standard_variables,
    toml_file::{self, TomlFile},
    validate,
};

/// The environment variable that names the file.
const CONFIG_VARIABLE: &str = "GATEWRIGHT_CONFIG";
/// What the environment variables of keys begin with.
const PREFIX: &str = "GATEWRIGHT__";
/// What the name of a variable ends with whose value is in a file.
const FILE_SUFFIX: &str = "_file";
/// The file that is read when none is named and it is there.
const DEFAULT_FILE: &str = "gatewright.toml";

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct ConfigSource {
    /// The file named on the command line or by `GATEWRIGHT_CONFIG`.
    pub file: Option<PathBuf>,
    /// Variables that begin with `GATEWRIGHT__`, and those of [`standard_variables`].
    pub variables: BTreeMap<String, String>,
    /// Keys set on the command line. They take precedence over everything else.
    pub arguments: Vec<Argument>,
}

/// A key that is set on the command line.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its name there, as in `--listen`.
    pub name: &'static str,
    /// The section of the key.
    pub section: &'static str,
    /// The key, one of those in [`Config`].
    pub key: &'static str,
    /// The value, as it would be in an environment variable.
    pub value: String,
}

impl ConfigSource {
    /// The file asked for, else the one `GATEWRIGHT_CONFIG` names, else `./gatewright.toml` when it is there; and
    /// the environment of this process.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let named = file.or_else(|| {
            std::env::var_os(CONFIG_VARIABLE)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        });
        let present = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.is_file());
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self {
            file: named.or_else(present),
            variables: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .filter(|(name, _)| is_variable(name) || standard_variables::key(name).is_some())
                .collect(),
            arguments: Vec::new(),
        }
    }
}

/// Reads and checks a configuration; the error lists everything that is wrong.
pub fn load(source: &ConfigSource) -> Result<Config, ConfigError> {
    let mut problems = Vec::new();
    let mut file = TomlFile::default();
    if let Some(path) = &source.file {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => file = toml_file::parse(&name, &text, &mut problems),
            Err(error) => problems.push(Problem::new(
                name,
                format!(
                    "the file cannot be read ({}). Name another with --config",
                    error.kind()
                ),
            )),
        }
    }
    for (name, value) in &source.variables {
        if let Some(key) = standard_variables::key(name)
            && let Some(value) = standard_variables::value(key, value)
        {
            set(standard_variables::SECTION, key, value, name, &mut file);
        }
    }
    for (name, value) in source.variables.iter().filter(|(name, _)| is_variable(name)) {
        overlay(name, value, &mut file, &mut problems);
    }
    for argument in &source.arguments {
        if let Some(known) = known::key(argument.section, argument.key) {
            put(
                argument.name,
                &argument.value,
                argument.section,
                known,
                &mut file,
                &mut problems,
            );
        }
    }
    ConfigError::check(problems)?;
    let mut config = deserialize(&file)?;
    if !file.places.contains_key("server.public_url") {
        config.server.assume_public_url(config.server.listen);
    }
    let place = |path: &str| file.places.get(path).cloned().unwrap_or_else(|| path.to_owned());
    ConfigError::check(validate::check(&mut config, place))?;
    Ok(config)
}

/// Puts the value of one variable over what the file says.
fn overlay(name: &str, value: &str, file: &mut TomlFile, problems: &mut Vec<Problem>) {
    let rest = name[PREFIX.len()..].to_ascii_lowercase();
    let Some((section, key)) = rest.split_once("__") else {
        let form = format!("write it as {PREFIX}SECTION__KEY, with two underscores between section and key");
        problems.push(Problem::new(name, form));
        return;
    };
    let from_file = key
        .strip_suffix(FILE_SUFFIX)
        .and_then(|key| known::key(section, key));
    if let Some(known) = from_file.filter(|_| known::key(section, key).is_none()) {
        match secret_file::read(Path::new(value)) {
            Ok(text) => put(name, &text, section, known, file, problems),
            Err(reason) => problems.push(Problem::new(name, reason)),
        }
        return;
    }
    let Some(known) = known::key(section, key) else {
        let all: Vec<String> = known::sections()
            .iter()
            .flat_map(|section| {
                section
                    .keys
                    .iter()
                    .map(move |key| variable(&section.name, &key.name))
            })
            .collect();
        let remedy = known::suggest(&name.to_ascii_uppercase(), all.iter().map(String::as_str));
        problems.push(Problem::new(name, format!("there is no such setting; {remedy}")));
        return;
    };
    put(name, value, section, known, file, problems);
}

/// Puts the value of a key over what the file says.
fn put(
    name: &str,
    value: &str,
    section: &str,
    known: &known::Key,
    file: &mut TomlFile,
    problems: &mut Vec<Problem>,
) {
    let parsed = match known.kind {
        Kind::Text => Some(toml::Value::String(value.to_owned())),
        Kind::Integer => value.trim().parse().ok().map(toml::Value::Integer),
        Kind::Number => value.trim().parse().ok().map(toml::Value::Float),
        Kind::Boolean => value.trim().parse().ok().map(toml::Value::Boolean),
        Kind::List => list(value),
    };
    let Some(parsed) = parsed else {
        let expected = match known.kind {
            Kind::List => "strings separated by commas",
            kind => kind.expected(),
        };
        problems.push(Problem::new(name, format!("it must be {expected}")));
        return;
    };
    let earlier = file.places.get(&format!("{section}.{}", known.name));
    if let Some(earlier) = earlier.filter(|place| is_variable(place) && is_variable(name)) {
        problems.push(Problem::new(
            name,
            format!("{earlier} sets the same key; remove one of the two"),
        ));
    }
    set(section, &known.name, parsed, name, file);
}

/// Puts a value over what the file says.
fn set(section: &str, key: &str, value: toml::Value, name: &str, file: &mut TomlFile) {
    file.places.insert(format!("{section}.{key}"), name.to_owned());
    let section = file
        .values
        .entry(section)
        .or_insert_with(|| toml::Table::new().into());
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value);
    }
}

/// `one,two`, or a TOML list where an item holds a comma.
fn list(value: &str) -> Option<toml::Value> {
    let value = value.trim();
    if value.starts_with('[') {
        let table: toml::Table = toml::from_str(&format!("list = {value}")).ok()?;
        let items = table.get("list")?;
        let texts = items.as_array()?.iter().all(toml::Value::is_str);
        return texts.then(|| items.clone());
    }
    let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(toml::Value::Array(
        items.map(|item| toml::Value::String(item.to_owned())).collect(),
    ))
}

/// Whether this is the name of a variable of ours.
fn is_variable(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with(PREFIX)
}

/// The environment variable of a key.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!(
        "{PREFIX}{}__{}",
        section.to_ascii_uppercase(),
        key.to_ascii_uppercase()
    )
}

/// From checked kinds to the types. Each key is tried separately first, so that everything that is wrong is reported together.
fn deserialize(file: &TomlFile) -> Result<Config, ConfigError> {
    let mut problems = Vec::new();
    for (section, keys) in &file.values {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
            let whole = toml::Table::from_iter([(section.clone(), alone.into())]);
            if let Err(error) = whole.try_into::<Config>() {
                let path = format!("{section}.{key}");
                let place = file.places.get(&path).cloned().unwrap_or_default();
                let known = known::key(section, key);
                let wanted = known.map(|known| known.example.as_ref().unwrap_or(&known.default).to_string());
                let like = wanted
                    .map(|wanted| format!(". Write it like {wanted}"))
                    .unwrap_or_default();
                let reason = error.message().lines().next().unwrap_or_default();
                problems.push(Problem::new(
                    place,
                    format!("{path} cannot be used: {reason}{like}"),
                ));
            }
        }
    }
    ConfigError::check(problems)?;
    file.values.clone().try_into().map_err(|error| ConfigError {
        problems: vec![Problem::new("configuration", error.message())],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let source = ConfigSource {
            file: file.map(|_| path),
            arguments: Vec::new(),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let prefix = folder.path().display().to_string() + "/";
        load(&source).map_err(|error| {
            error
                .problems
                .iter()
                .map(|problem| problem.to_string().replace(&prefix, ""))
                .collect()
        })
    }

    #[test]
    fn the_environment_overrides_the_file_and_the_file_the_defaults() {
        let file = "[server]\nlisten = \"0.0.0.0:9000\"\npublic_url = \"https://a.example/\"\n";
        let config = read(
            Some(file),
            &[("GATEWRIGHT__SERVER__PUBLIC_URL", "https://b.example")],
        )
        .unwrap();
        assert_eq!(config.server.listen.to_string(), "0.0.0.0:9000");
        assert_eq!(config.public_url(), "https://b.example");
        assert_eq!(config.database.max_connections, 10);
        assert!(!config.is_loopback());
    }

    #[test]
    fn lists_come_from_the_environment_with_commas_or_as_toml() {
        let commas = read(None, &[("GATEWRIGHT__OUTBOUND__ALLOW", "10.0.0.0/8, fd00::/8")]).unwrap();
        assert_eq!(commas.outbound.allow.len(), 2);
        let toml = read(None, &[("GATEWRIGHT__OUTBOUND__ALLOW", "[\"10.0.0.0/8\"]")]).unwrap();
        assert_eq!(toml.outbound.allow.len(), 1);
    }

    #[test]
    fn the_variables_of_opentelemetry_go_over_the_file_and_ours_over_them() {
        let file = "[otlp]\nendpoint = \"http://file:4318\"\nsample_ratio = 1\n";
        let config = read(
            Some(file),
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://standard:4318"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x"),
                ("OTEL_SERVICE_NAME", "standard"),
                ("GATEWRIGHT__OTLP__SERVICE_NAME", "ours"),
                ("GATEWRIGHT__OTLP__SAMPLE_RATIO", "0.25"),
            ],
        )
        .unwrap();
        assert_eq!(config.otlp.endpoint.as_deref(), Some("http://standard:4318"));
        assert_eq!(config.otlp.header_map().unwrap()["authorization"], "Bearer x");
        assert_eq!(config.otlp.service_name, "ours");
        assert!((config.otlp.sample_ratio - 0.25).abs() < f64::EPSILON);
        let problems = read(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")]).unwrap_err();
        assert!(
            problems[0].starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint: it is not"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_variable_with_file_at_its_end_names_a_file_with_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("token");
        std::fs::write(&secret, "a long random text\n").unwrap();
        let name = secret.display().to_string();
        let bearer = |variables: &[(&str, &str)]| {
            read(Some("[metrics]\nbearer = \"another random text\"\n"), variables)
                .map(|config| config.metrics.bearer.unwrap().expose().to_owned())
        };
        let from_file = ("GATEWRIGHT__METRICS__BEARER_FILE", name.as_str());
        assert_eq!(bearer(&[from_file]).unwrap(), "a long random text");
        let both = [from_file, ("GATEWRIGHT__METRICS__BEARER", "a third random text")];
        assert_eq!(
            bearer(&both).unwrap_err(),
            [
                "GATEWRIGHT__METRICS__BEARER_FILE: GATEWRIGHT__METRICS__BEARER sets the same key; remove one of the two"
            ]
        );
        let port = read(None, &[("GATEWRIGHT__SMTP__PORT_FILE", name.as_str())]).unwrap_err();
        assert_eq!(port, ["GATEWRIGHT__SMTP__PORT_FILE: it must be a whole number"]);
        std::fs::remove_file(&secret).unwrap();
        let missing = bearer(&[from_file]).unwrap_err();
        assert!(
            missing[0].contains("cannot be read (entity not found)"),
            "{missing:?}"
        );
    }

    #[test]
    fn unknown_keys_name_the_place_and_the_nearest_known_one() {
        let file = "[server]\nlissten = \"0.0.0.0:9000\"\n\n[databse]\nurl = \"x\"\n";
        let problems = read(Some(file), &[("GATEWRIGHT__OUTBOUND__ALOW", "x")]).unwrap_err();
        assert_eq!(
            problems,
            [
                "g.toml:2: there is no key server.lissten; did you mean listen?",
                "g.toml:4: there is no section [databse]; did you mean database?",
                "GATEWRIGHT__OUTBOUND__ALOW: there is no such setting; did you mean GATEWRIGHT__OUTBOUND__ALLOW?",
            ]
        );
    }

    #[test]
    fn wrong_values_name_their_line_and_what_to_write() {
        let file = "[server]\nlisten = 8080\nmax_connections = \"many\"\n[log]\nformat = \"xml\"\n";
        let problems = read(Some(file), &[]).unwrap_err();
        assert_eq!(problems[0], "g.toml:2: server.listen must be a string in quotes");
        assert_eq!(
            problems[1],
            "g.toml:3: server.max_connections must be a whole number"
        );
        let problems = read(
            Some("[log]\nformat = \"xml\"\n[server]\nlisten = \"here\"\n"),
            &[],
        )
        .unwrap_err();
        assert!(
            problems[0].starts_with("g.toml:2: log.format cannot be used: unknown variant `xml`"),
            "{problems:?}"
        );
        assert!(problems[1].starts_with("g.toml:4: server.listen cannot be used: invalid socket address"));
        assert!(
            problems[1].ends_with("Write it like \"127.0.0.1:8080\""),
            "{problems:?}"
        );
    }

    #[test]
    fn broken_toml_and_a_missing_file_are_reported() {
        let problems = read(Some("[server]\nlisten = \n"), &[]).unwrap_err();
        assert!(
            problems[0].starts_with("g.toml:2: this is not TOML"),
            "{problems:?}"
        );
        let missing = ConfigSource {
            file: Some("/nowhere/g.toml".into()),
            ..ConfigSource::default()
        };
        assert!(load(&missing).unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn no_message_repeats_a_secret() {
        let canary = "hunter2-hunter2";
        let file = format!("[keys]\nmaster = [\"{canary}\"]\n[database]\nurl = \"{canary}\"\n");
        let problems = read(Some(&file), &[("GATEWRIGHT__METRICS__BEARER", "hunter2")]).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
}
