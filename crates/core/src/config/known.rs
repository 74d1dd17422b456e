//! The keys there are, read from the types: for refusing unknown ones, for the environment and for the example.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// A section of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in the file.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its keys, in the order of the alphabet.
    pub keys: Vec<Key>,
}

/// A key of a section.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name in the file.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What its value looks like.
    pub kind: Kind,
    /// Its default as JSON; null when there is none.
    pub default: Value,
    /// A value to learn from, for keys whose default says nothing.
    pub example: Option<Value>,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `"text"`.
    Text,
    /// `12`.
    Integer,
    /// `0.5`.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `["text", "text"]`.
    List,
}

impl Kind {
    /// What to write, for messages.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string in quotes",
            Self::Integer => "a whole number",
            Self::Number => "a number, like 0.5",
            Self::Boolean => "true or false",
            Self::List => "a list of strings, like [\"one\", \"two\"]",
        }
    }
}

/// All sections.
pub(super) fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(read);
    &SECTIONS
}

/// A key by section and name.
pub(super) fn key(section: &str, key: &str) -> Option<&'static Key> {
    let section = sections().iter().find(|known| known.name == section)?;
    section.keys.iter().find(|known| known.name == key)
}

/// The remedy for an unknown name: the nearest known one, or all of them.
pub(super) fn suggest<'a>(unknown: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let nearest = known
        .clone()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, name)) if distance <= name.len().div_ceil(2) => format!("did you mean {name}?"),
        _ => format!("known are: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn read() -> Vec<Section> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value();
    let defaults = serde_json::to_value(Config::default()).expect("the default configuration is plain data");
    let properties = |schema: &Value| schema["properties"].as_object().cloned().unwrap_or_default();
    let mut sections = Vec::new();
    for (name, section) in properties(&schema) {
        let keys = properties(&section)
            .into_iter()
            .map(|(key, schema)| Key {
                description: text(&schema["description"]),
                kind: kind(&schema["type"]),
                default: defaults[&name][&key].clone(),
                example: schema["examples"].get(0).cloned(),
                name: key,
            })
            .collect();
        sections.push(Section {
            description: text(&section["description"]),
            keys,
            name,
        });
    }
    sections
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn kind(declared: &Value) -> Kind {
    let is = |name: &str| {
        declared == name
            || declared
                .as_array()
                .is_some_and(|several| several.iter().any(|one| one == name))
    };
    match () {
        () if is("integer") => Kind::Integer,
        () if is("number") => Kind::Number,
        () if is("boolean") => Kind::Boolean,
        () if is("array") => Kind::List,
        () => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_and_key_is_documented() {
        assert!(sections().len() >= 6);
        for section in sections() {
            assert!(!section.description.is_empty(), "section {}", section.name);
            for key in &section.keys {
                assert!(!key.description.is_empty(), "key {}.{}", section.name, key.name);
            }
        }
    }

    #[test]
    fn kinds_are_those_of_the_types() {
        assert_eq!(key("server", "listen").unwrap().kind, Kind::Text);
        assert_eq!(key("server", "max_connections").unwrap().kind, Kind::Integer);
        assert_eq!(key("otlp", "sample_ratio").unwrap().kind, Kind::Number);
        assert_eq!(key("outbound", "allow_private").unwrap().kind, Kind::Boolean);
        assert_eq!(key("outbound", "allow").unwrap().kind, Kind::List);
        assert_eq!(key("database", "url").unwrap().kind, Kind::Text);
        assert!(key("server", "liste").is_none());
    }

    #[test]
    fn a_near_miss_names_the_key_and_a_far_one_names_them_all() {
        let known = ["listen", "public_url"];
        assert_eq!(suggest("lissten", known.into_iter()), "did you mean listen?");
        assert_eq!(suggest("zzz", known.into_iter()), "known are: listen, public_url");
    }
}
