//! Reads the file with the place of every key, so that a message can name the line.

use std::{collections::HashMap, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{
    known::{self, Kind, Section},
    problem::Problem,
};

/// A parsed file.
#[derive(Debug, Default)]
pub(super) struct TomlFile {
    /// The values, known keys only.
    pub(super) values: toml::Table,
    /// The place of each `section.key`.
    pub(super) places: HashMap<String, String>,
}

/// Parses a file and adds what is wrong with its form to `problems`.
pub(super) fn parse(name: &str, text: &str, problems: &mut Vec<Problem>) -> TomlFile {
    let mut reader = Reader {
        name,
        text,
        file: TomlFile::default(),
        problems: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => reader.sections(table.get_ref()),
        Err(error) => {
            let message = format!("this is not TOML: {}", error.message().trim());
            reader.refuse(&error.span().unwrap_or(0..0), message);
        }
    }
    // The parser returns keys in the order of the alphabet; a person reads the file from its top.
    reader.problems.sort_by_key(|(offset, _)| *offset);
    problems.extend(reader.problems.into_iter().map(|(_, problem)| problem));
    reader.file
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    file: TomlFile,
    problems: Vec<(usize, Problem)>,
}

impl Reader<'_> {
    fn sections(&mut self, table: &DeTable<'_>) {
        for (name, section) in table {
            let found = name.get_ref().as_ref();
            let Some(known) = known::sections().iter().find(|known| known.name == found) else {
                let names = known::sections().iter().map(|known| known.name.as_str());
                let remedy = known::suggest(found, names);
                self.refuse(&name.span(), format!("there is no section [{found}]; {remedy}"));
                continue;
            };
            match section.get_ref().as_table() {
                Some(keys) => self.keys(known, keys),
                None => self.refuse(
                    &name.span(),
                    format!("{found} is a section. Write [{found}] on a separate line and its keys below it"),
                ),
            }
        }
    }

    fn keys(&mut self, section: &Section, keys: &DeTable<'_>) {
        let mut kept = toml::Table::new();
        for (name, value) in keys {
            let path = format!("{}.{}", section.name, name.get_ref());
            let Some(key) = section.keys.iter().find(|known| known.name == *name.get_ref()) else {
                let remedy = known::suggest(
                    name.get_ref(),
                    section.keys.iter().map(|known| known.name.as_str()),
                );
                self.refuse(&name.span(), format!("there is no key {path}; {remedy}"));
                continue;
            };
            match convert(key.kind, value.get_ref()) {
                Some(value) => drop(kept.insert(key.name.clone(), value)),
                None => self.refuse(&value.span(), format!("{path} must be {}", key.kind.expected())),
            }
            let place = self.place(&value.span());
            self.file.places.insert(path, place);
        }
        self.file.values.insert(section.name.clone(), kept.into());
    }

    fn refuse(&mut self, span: &Range<usize>, message: String) {
        self.problems
            .push((span.start, Problem::new(self.place(span), message)));
    }

    fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        format!("{}:{}", self.name, before.matches('\n').count() + 1)
    }
}

/// The value when it is of the kind asked for.
fn convert(kind: Kind, value: &DeValue<'_>) -> Option<toml::Value> {
    match kind {
        Kind::Text => value.as_str().map(|text| toml::Value::String(text.to_owned())),
        Kind::Integer => {
            let integer = value.as_integer()?;
            i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .map(toml::Value::Integer)
        }
        Kind::Number => {
            let float = value.as_float().and_then(|float| float.as_str().parse().ok());
            let integer = || {
                convert(Kind::Integer, value)?
                    .as_integer()?
                    .to_string()
                    .parse()
                    .ok()
            };
            float.or_else(integer).map(toml::Value::Float)
        }
        Kind::Boolean => value.as_bool().map(toml::Value::Boolean),
        Kind::List => {
            let items = value.as_array()?.iter();
            items
                .map(|item| convert(Kind::Text, item.get_ref()))
                .collect::<Option<Vec<_>>>()
                .map(toml::Value::Array)
        }
    }
}
