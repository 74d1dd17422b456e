//! A file with declarations: one document for each project. Everything that is wrong is reported together, each with its line and
//! the fields that exist.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::{
    mistakes::{escaped, explained, unknown_field},
    model::{Client, Gateway, Key, Member, Project, Server, StoredSecret, UserSource, VERSION},
    yaml::{self, Node, YamlError},
};

/// More mistakes than this in one file are not useful.
const MAX_FAULTS: usize = 50;
/// The fields of a document.
const FIELDS: [&str; 8] = [
    "version",
    "project",
    "secrets",
    "user_sources",
    "servers",
    "gateways",
    "members",
    "keys",
];

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The field, like `gateways[2].user_source`; empty for the whole document.
    pub path: String,
    /// What is wrong and what to do.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (visible(&self.file), self.line);
        write!(f, "{file}:{line}: ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", visible(&self.path))?;
        }
        f.write_str(&visible(&self.detail))
    }
}

/// A text on one line, without what could move the cursor of a terminal: a file that anyone proposed must not write other lines
/// into the log of a pipeline.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// A project that a file declares.
#[derive(Debug, Clone)]
pub struct Declaration {
    pub(crate) project: Project,
    pub(crate) place: Place,
}

impl Declaration {
    /// The name of the project.
    pub fn project_name(&self) -> &str {
        &self.project.project
    }

    /// The file that declares it.
    pub fn file(&self) -> &str {
        &self.place.file
    }
}

/// Where a document is, and its lines.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The file, as people know it.
    pub(crate) file: String,
    /// The folder where paths in it begin.
    pub(crate) folder: PathBuf,
    node: Node,
}

impl Place {
    /// A mistake at what a JSON pointer names.
    pub(crate) fn fault(&self, pointer: &str, detail: impl Into<String>) -> Fault {
        Fault {
            file: self.file.clone(),
            line: self.node.line_of(pointer),
            path: shown_path(pointer),
            detail: detail.into(),
        }
    }
}

/// A JSON pointer as people write it: `gateways[2].servers[0]`.
pub(crate) fn shown_path(pointer: &str) -> String {
    let mut path = String::new();
    for token in pointer.split('/').skip(1) {
        let is_index = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        if is_index {
            let _ = write!(path, "[{token}]");
            continue;
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&token.replace("~1", "/").replace("~0", "~"));
    }
    path
}

/// Reads the declarations of a file. `folder` is where paths in it begin.
pub fn read(file: &str, folder: &Path, text: &str) -> Result<Vec<Declaration>, Vec<Fault>> {
    let nodes = yaml::read(text).map_err(|YamlError { line, detail }| {
        vec![Fault {
            file: file.to_owned(),
            line,
            path: String::new(),
            detail,
        }]
    })?;
    let mut faults = Vec::new();
    let mut declarations = Vec::new();
    for node in nodes {
        let value = node.value();
        let place = Place {
            file: file.to_owned(),
            folder: folder.to_owned(),
            node,
        };
        let mut reading = Reading {
            place: &place,
            faults: &mut faults,
        };
        let project = reading.project(value);
        if let Some(project) = project {
            declarations.push(Declaration { project, place });
        }
    }
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() {
        Ok(declarations)
    } else {
        Err(faults)
    }
}

/// Writes the declaration of a project.
pub(crate) fn write(project: &Project) -> String {
    let mut value = serde_json::to_value(project).expect("a declaration is plain data");
    without_defaults(&mut value);
    yaml::write(&value)
}

/// Leaves out what a setting has without it.
fn without_defaults(value: &mut Value) {
    use gatewright_domain::gateway::{GatewaySettings, OfferedKinds};
    fn differing(given: &mut Value, default: &impl Serialize) {
        let default = serde_json::to_value(default).unwrap_or_default();
        if let Value::Object(fields) = given {
            fields.retain(|name, value| default.get(name) != Some(value));
        }
    }
    let gateways = value.get_mut("gateways").and_then(Value::as_array_mut);
    for gateway in gateways.into_iter().flatten() {
        if let Some(settings) = gateway.get_mut("settings") {
            differing(settings, &GatewaySettings::default());
        }
        if let Some(offers) = gateway.get_mut("offers") {
            differing(offers, &OfferedKinds::default());
        }
    }
}

struct Reading<'a> {
    place: &'a Place,
    faults: &'a mut Vec<Fault>,
}

impl Reading<'_> {
    fn add(&mut self, pointer: &str, detail: impl Into<String>) {
        let fault = self.place.fault(pointer, detail);
        self.faults.push(fault);
    }

    fn project(&mut self, value: Value) -> Option<Project> {
        let before = self.faults.len();
        let Value::Object(mut fields) = value else {
            self.add(
                "",
                "A document declares a project: begin with `version: 1` and `project: NAME`.",
            );
            return None;
        };
        self.check_version(fields.remove("version"));
        let name = match fields.remove("project") {
            Some(Value::String(name)) => name,
            None => {
                self.add(
                    "",
                    "The field `project` is missing: enter the name of the project.",
                );
                String::new()
            }
            Some(_) => {
                self.add(
                    "/project",
                    "Enter the name of the project as a text, in quotes if it is a number.",
                );
                String::new()
            }
        };
        let project = Project {
            version: VERSION,
            project: name,
            secrets: self.section(&mut fields, "secrets", |it: &StoredSecret| it.name.clone()),
            user_sources: self.section(&mut fields, "user_sources", |it: &UserSource| {
                it.name.trim().to_lowercase()
            }),
            servers: self.section(&mut fields, "servers", |it: &Server| it.slug.clone()),
            gateways: self.section(&mut fields, "gateways", |it: &Gateway| {
                it.slug.trim().to_lowercase()
            }),
            members: self.section(&mut fields, "members", |it: &Member| {
                it.email.trim().to_lowercase()
            }),
            keys: self.section(&mut fields, "keys", |it: &Key| {
                let gateway = it.gateway.as_ref().map(|slug| slug.trim().to_lowercase());
                format!("{}\n{}\n{gateway:?}", it.name.trim(), it.role.as_str())
            }),
        };
        for name in fields.keys() {
            self.add(
                &format!("/{}", escaped(name)),
                unknown_field(name, FIELDS.into_iter()),
            );
        }
        for (index, gateway) in project.gateways.iter().flatten().enumerate() {
            let clients = gateway.clients.iter().flatten();
            let pointer = format!("/gateways/{index}/clients");
            self.check_unique(&pointer, clients.map(|it: &Client| it.name.trim().to_lowercase()));
        }
        (self.faults.len() == before).then_some(project)
    }

    fn check_version(&mut self, version: Option<Value>) {
        match version {
            Some(Value::Number(number)) if number.as_u64() == Some(VERSION.into()) => {}
            Some(_) => self.add(
                "/version",
                format!("This version of Gatewright reads version {VERSION} of the format: enter `version: {VERSION}`."),
            ),
            None => self.add("", format!("The field `version` is missing: enter `version: {VERSION}`.")),
        }
    }

    /// The items of a list, each of which is known by another text.
    fn section<T: DeserializeOwned>(
        &mut self,
        fields: &mut Map<String, Value>,
        name: &str,
        known_by: impl Fn(&T) -> String,
    ) -> Option<Vec<T>> {
        let items = match fields.remove(name)? {
            Value::Null => return None,
            Value::Array(items) => items,
            _ => {
                self.add(&format!("/{name}"), "Enter a list: begin each item with `- `.");
                return None;
            }
        };
        let mut read: Vec<T> = Vec::with_capacity(items.len());
        let mut is_whole = true;
        for (index, item) in items.into_iter().enumerate() {
            match serde_path_to_error::deserialize::<_, T>(&item) {
                Ok(item) => read.push(item),
                Err(error) => {
                    is_whole = false;
                    let inner = pointer_of(error.path());
                    let found = item.pointer(&inner);
                    let (at, detail) = explained(&error.inner().to_string(), &inner, found);
                    self.add(&format!("/{name}/{index}{at}"), detail);
                }
            }
            if self.faults.len() >= MAX_FAULTS {
                return None;
            }
        }
        if is_whole {
            self.check_unique(&format!("/{name}"), read.iter().map(known_by));
        }
        Some(read)
    }

    fn check_unique(&mut self, pointer: &str, known_by: impl Iterator<Item = String>) {
        let mut seen = std::collections::HashSet::new();
        for (index, known) in known_by.enumerate() {
            if !seen.insert(known) {
                self.add(
                    &format!("{pointer}/{index}"),
                    "An item before this one has the same name: keep one of them, or give this one another name.",
                );
            }
        }
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } => {
                let _ = write!(pointer, "/{}", escaped(key));
            }
            Segment::Seq { index } => {
                let _ = write!(pointer, "/{index}");
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let faults = read("a.yaml", Path::new(""), text).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_line_its_field_and_the_remedy() {
        let text = "version: 1\nproject: Acme\nservrs: []\nservers:\n  - slug: a\n    url: https://a.example\n    retris: 2\n  - \
                    slug: 5\n    url: https://b.example\n  - url: https://c.example\n  - slug: d\n    url: https://d.example\n    \
                    identity: all\ngateways: {}\n";
        assert_eq!(
            told(text),
            [
                "a.yaml:7: servers[0].retris: There is no field `retris`. Did you mean `retries`? The fields are `slug`, `name`, \
                 `prefix`, `url`, `timeout_ms`, `retries`, `headers`, `identity`, `protocol`.",
                "a.yaml:8: servers[1].slug: Enter a text: put the value in quotes.",
                "a.yaml:10: servers[2]: The field `slug` is missing: add it.",
                "a.yaml:13: servers[3].identity: Enter one of these words: `none`, `assertion`.",
                "a.yaml:14: gateways: Enter a list: begin each item with `- `.",
                "a.yaml:3: servrs: There is no field `servrs`. Did you mean `servers`? The fields are `version`, `project`, \
                 `secrets`, `user_sources`, `servers`, `gateways`, `members`, `keys`.",
            ]
        );
    }

    #[test]
    fn a_document_names_its_version_and_project() {
        assert_eq!(
            told("servers: []"),
            [
                "a.yaml:1: The field `version` is missing: enter `version: 1`.",
                "a.yaml:1: The field `project` is missing: enter the name of the project.",
            ]
        );
        assert!(told("version: 2\nproject: A")[0].contains("reads version 1"));
        assert!(told("- a")[0].contains("begin with"));
    }

    #[test]
    fn two_of_the_same_name_are_refused() {
        let text = "version: 1\nproject: A\nuser_sources:\n  - &a {name: Okta, issuer: https://a, client_id: b, client_secret: \
                    {existing: true}}\n  - *a\n";
        assert_eq!(
            told(text),
            [
                "a.yaml:5: user_sources[1]: An item before this one has the same name: keep one of them, or give this one another name."
            ]
        );
    }

    #[test]
    fn what_is_in_a_wrong_place_is_not_repeated() {
        let text = "version: 1\nproject: A\nsecrets:\n  - {name: A, value: s3cr3t, origins: []}\n  - {name: B, value: {evn: s3cr3t}, \
                    origins: []}\n  - {name: C, value: {env: {s3cr3t: 1}}, origins: []}\n  - {name: D, value: [s3cr3t], origins: []}\n";
        let told = told(text);
        assert_eq!(told.len(), 4, "{told:?}");
        for line in told {
            assert!(!line.contains("s3cr3t") && line.contains(".value"), "{line}");
        }
    }
}
