//! The modules of a crate, and the arrows between its folders: which top-level module names which other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{anyhow, bail};

use super::{
    source::{self, Mention, Source, Template},
    workspace::{self, Files},
};

/// The file at the root of a crate represents what is defined in it.
const ROOT: &str = "lib.rs";

/// Which folder of a crate names which other one, with files and lines.
pub(crate) type Arrows = BTreeMap<(String, String), BTreeSet<(String, usize)>>;

/// The files of a package, each as the rules see it.
pub(crate) struct Sources {
    /// The files of its library (or program), reached from the root by `mod`; by path.
    pub reached: BTreeMap<String, Source>,
    /// All others: further programs, integration tests, `build.rs`.
    pub others: BTreeMap<String, Source>,
}

impl Sources {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Source> {
        self.reached.values().chain(self.others.values())
    }
}

/// Reads the package in a folder.
pub(crate) fn read(files: &Files, folder: &str) -> anyhow::Result<Sources> {
    let source = format!("{folder}/src");
    let mut reached = BTreeMap::new();
    let root = ["lib.rs", "main.rs"]
        .map(|name| format!("{source}/{name}"))
        .into_iter()
        .find(|path| files.contains_key(path));
    let mut waiting: Vec<_> = root.map(|path| (path, Vec::new(), false)).into_iter().collect();
    while let Some((path, module, is_test)) = waiting.pop() {
        let read =
            source::read(&files[&path], &module, is_test).map_err(|fault| unreadable(&path, &fault))?;
        for child in &read.children {
            let stem = format!("{source}/{}", child.module.join("/"));
            let at = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
            let Some(path) = at.iter().find(|path| files.contains_key(*path)) else {
                bail!("{path}: there is no {} or {}", at[0], at[1]);
            };
            waiting.push((path.clone(), child.module.clone(), child.is_test));
        }
        reached.insert(path, read);
    }
    let mut others = BTreeMap::new();
    let inside = format!("{folder}/");
    for (path, text) in files.range(inside.clone()..) {
        let Some(name) = path.strip_prefix(&inside) else {
            break;
        };
        if workspace::is_of_kind(path, &["rs"]) && !reached.contains_key(path) {
            let is_test = ["tests/", "benches/", "examples/"]
                .iter()
                .any(|folder| name.starts_with(folder));
            let read = source::read(text, &[], is_test).map_err(|fault| unreadable(path, &fault))?;
            others.insert(path.clone(), read);
        }
    }
    Ok(Sources { reached, others })
}

fn unreadable(path: &str, fault: &syn::Error) -> anyhow::Error {
    anyhow!("{path}:{}: {fault}", fault.span().start().line)
}

/// The arrows between the folders of a library. Tests may name what they like.
pub(crate) fn arrows(files: &Files, folder: &str, sources: &Sources) -> Arrows {
    let names = Names::of(&sources.reached);
    let mut arrows = Arrows::new();
    let mut add = |from: &str, to: Option<&str>, file: &str, line: usize| {
        if let Some(to) = to.filter(|to| *to != from) {
            let places = arrows.entry((from.to_owned(), to.to_owned())).or_default();
            places.insert((file.to_owned(), line));
        }
    };
    for (file, source) in &sources.reached {
        for mention in source.mentions.iter().filter(|mention| !mention.is_test) {
            // What the root re-exports under a shorter name is not its own need.
            let is_facade =
                mention.module.is_empty() && mention.import.as_ref().is_some_and(|import| import.is_public);
            if !is_facade {
                add(
                    folder_of(&mention.module),
                    names.target(mention),
                    file,
                    mention.line,
                );
            }
        }
        for template in source.templates.iter().filter(|template| !template.is_test) {
            for (file, line, path) in named_in_template(files, folder, template) {
                add(folder_of(&template.module), names.named(&path), &file, line);
            }
        }
    }
    arrows
}

fn folder_of(module: &[String]) -> &str {
    module.first().map_or(ROOT, String::as_str)
}

/// What the root of a crate has names for.
struct Names {
    /// Its modules.
    folders: BTreeSet<String>,
    /// What it re-exports: the name here, and the folder it comes from, if that is not another crate.
    aliases: HashMap<String, Option<String>>,
}

impl Names {
    fn of(reached: &BTreeMap<String, Source>) -> Self {
        let mut names = Self {
            folders: BTreeSet::new(),
            aliases: HashMap::new(),
        };
        let modules = reached.values().flat_map(|source| &source.children);
        names
            .folders
            .extend(modules.filter_map(|child| child.module.first().cloned()));
        let mentions = reached.values().flat_map(|source| &source.mentions);
        // A module in the root's own file has only its text, and no file.
        names.folders.extend(
            mentions
                .clone()
                .filter_map(|mention| mention.module.first().cloned()),
        );
        let aliases: Vec<_> = mentions
            .filter(|mention| mention.module.is_empty())
            .filter_map(|mention| Some((mention.import.as_ref()?.name.clone(), mention)))
            .map(|(name, mention)| (name, names.target(mention).map(ToOwned::to_owned)))
            .collect();
        names.aliases.extend(aliases);
        names
    }

    /// The folder that a mention points into; `None` if it is another crate.
    fn target<'a>(&'a self, mention: &'a Mention) -> Option<&'a str> {
        let first = mention.path.first()?;
        let mut module = mention.module.as_slice();
        let mut rest = mention.path.as_slice();
        match first.as_str() {
            "crate" => return self.named(&rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    module = &module[..module.len().saturating_sub(1)];
                    rest = &rest[1..];
                }
            }
            // The root names its modules as they are; elsewhere such a path is a module's own, or a crate.
            name if module.is_empty() && self.folders.contains(name) => {}
            _ => return None,
        }
        if module.is_empty() {
            self.named(rest)
        } else {
            module.first().map(String::as_str)
        }
    }

    /// The folder that a path from the root points into.
    fn named<'a>(&'a self, path: &'a [String]) -> Option<&'a str> {
        let Some(first) = path.first() else {
            return Some(ROOT);
        };
        if self.folders.contains(first) {
            return Some(first);
        }
        self.aliases
            .get(first)
            .map_or(Some(ROOT), |folder| folder.as_deref())
    }
}

/// The paths from the root that a template names, and the templates it includes or builds on, with file and line.
fn named_in_template(files: &Files, folder: &str, template: &Template) -> Vec<(String, usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![template.path.clone()];
    while let Some(name) = waiting.pop() {
        let path = format!("{folder}/templates/{name}");
        let Some(text) = files.get(&path).filter(|_| seen.insert(name.clone())) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for rest in line.split("crate::").skip(1) {
                let is_in_name = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
                let end = rest.find(|letter| !is_in_name(letter)).unwrap_or(rest.len());
                let names = rest[..end].split("::").map(ToOwned::to_owned).collect();
                found.push((path.clone(), number + 1, names));
            }
            // `{% extends "base.html" %}`, `{% include "part.html" %}`, `{% import "macros.html" as ui %}`
            for tag in line.split("{%").skip(1) {
                let tag = tag
                    .split("%}")
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches('-')
                    .trim();
                let is_other = ["extends ", "include ", "import "]
                    .iter()
                    .any(|word| tag.starts_with(word));
                waiting.extend(tag.split('"').nth(1).filter(|_| is_other).map(ToOwned::to_owned));
            }
        }
    }
    found
}
