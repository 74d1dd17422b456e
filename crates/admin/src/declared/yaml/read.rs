//! Reads YAML within bounds. Everything that can be read in two ways, or that declarations have no use for, is refused: names that
//! appear twice, tags, names that are not text. Aliases count as what they repeat, so that a small file cannot become a large
//! one.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use serde_json::Value;

use super::{
    node::{Field, Kind, Node},
    scalar,
};

/// Bytes of a file.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Values in a file, those that aliases repeat included.
const MAX_VALUES: usize = 200_000;
/// Levels of a document.
const MAX_DEPTH: usize = 32;

/// Why a text is not a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {detail}")]
pub(crate) struct YamlError {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// What is wrong, and what to do.
    pub(crate) detail: String,
}

fn wrong<T>(line: usize, detail: impl Into<String>) -> Result<T, YamlError> {
    let detail = detail.into();
    Err(YamlError { line, detail })
}

/// Reads all documents of a text. Empty ones are left out.
pub(crate) fn read(text: &str) -> Result<Vec<Node>, YamlError> {
    if text.len() > MAX_BYTES {
        return wrong(
            1,
            format!("The file is larger than {MAX_BYTES} bytes: divide it into several files in a folder."),
        );
    }
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
    };
    let mut documents = Vec::new();
    while let Some((event, _)) = reader.next()? {
        match event {
            Event::DocumentStart(_) => {
                reader.anchors.clear();
                let Some((event, line)) = reader.next()? else {
                    break;
                };
                let document = reader.node(event, line, 1)?;
                if !matches!(document.kind, Kind::Scalar(Value::Null)) {
                    documents.push(document);
                }
            }
            Event::StreamEnd => break,
            _ => {}
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, YamlError> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => wrong(
                error.marker().line(),
                format!(
                    "This is not YAML: {}. Check the indentation and quotes here and on the line before.",
                    error.info()
                ),
            ),
        }
    }

    fn count(&mut self, values: usize, line: usize) -> Result<(), YamlError> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            return wrong(
                line,
                format!(
                    "The file has more than {MAX_VALUES} values, counting those that aliases (`*name`) repeat: divide it into \
                     several files, or use fewer aliases."
                ),
            );
        }
        Ok(())
    }

    /// The value that begins with an event, at this level.
    fn node(&mut self, event: Event<'a>, line: usize, level: usize) -> Result<Node, YamlError> {
        check_level(level, line)?;
        self.count(1, line)?;
        let (kind, anchor) = match event {
            Event::Alias(id) => return self.alias(id, line, level),
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = is_text(tag.as_deref(), line)? || style != ScalarStyle::Plain;
                let value = if is_text {
                    Value::String(text.into_owned())
                } else {
                    scalar::plain(&text)
                };
                (Kind::Scalar(value), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                is_text(tag.as_deref(), line)?;
                (Kind::List(self.list(level)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                is_text(tag.as_deref(), line)?;
                (Kind::Map(self.map(level)?), anchor)
            }
            _ => {
                return wrong(
                    line,
                    "The document ends before it is complete: check the end of the file.",
                );
            }
        };
        let node = Node::new(kind, line);
        if anchor != 0 {
            // The copy that is kept takes as much memory.
            self.count(node.size, line)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, line: usize, level: usize) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.get(&id) else {
            return wrong(
                line,
                "This alias is inside what it repeats: write the value instead of the alias.",
            );
        };
        let (size, depth) = (node.size, node.depth);
        self.count(size, line)?;
        check_level(level + depth - 1, line)?;
        let node = self.anchors[&id].clone();
        Ok(Node { line, ..node })
    }

    fn list(&mut self, level: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        while let Some((event, line)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, line, level + 1)?);
        }
        Ok(items)
    }

    fn map(&mut self, level: usize) -> Result<Vec<Field>, YamlError> {
        let mut fields: Vec<Field> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((event, line)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Event::Scalar(name, ..) = event else {
                return wrong(
                    line,
                    "The name of a field must be a text: remove the list, mapping or alias.",
                );
            };
            let name = name.into_owned();
            if name == "<<" {
                return wrong(
                    line,
                    "Merge keys (`<<`) are not part of YAML 1.2: write the fields out, or repeat one value with an alias.",
                );
            }
            if !seen.insert(name.clone()) {
                let shown: String = name.chars().take(80).collect();
                return wrong(
                    line,
                    format!("The field `{shown}` appears more than once: keep one of them."),
                );
            }
            let Some((event, at)) = self.next()? else {
                break;
            };
            let value = self.node(event, at, level + 1)?;
            fields.push(Field { name, line, value });
        }
        Ok(fields)
    }
}

impl Node {
    fn new(kind: Kind, line: usize) -> Self {
        let (size, depth) = match &kind {
            Kind::Scalar(Value::String(text)) => (weight(text), 0),
            Kind::Scalar(_) => (0, 0),
            Kind::List(items) => measured(items.iter()),
            Kind::Map(fields) => {
                let (size, depth) = measured(fields.iter().map(|field| &field.value));
                let names: usize = fields.iter().map(|field| weight(&field.name)).sum();
                (size + names, depth)
            }
        };
        Self {
            line,
            kind,
            size: size + 1,
            depth: depth + 1,
        }
    }
}

/// How many values a text counts as: aliases repeat long texts as well as many short ones.
fn weight(text: &str) -> usize {
    text.len() / 64
}

fn measured<'n>(nodes: impl Iterator<Item = &'n Node>) -> (usize, usize) {
    nodes.fold((0, 0), |(size, depth), node| {
        (size + node.size, depth.max(node.depth))
    })
}

fn check_level(level: usize, line: usize) -> Result<(), YamlError> {
    if level > MAX_DEPTH {
        return wrong(
            line,
            format!("This is nested more than {MAX_DEPTH} levels deep, and no field is."),
        );
    }
    Ok(())
}

/// Whether a tag says that a value is a text. Other tags are refused.
fn is_text(tag: Option<&Tag>, line: usize) -> Result<bool, YamlError> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(true),
        Some(_) => wrong(
            line,
            "Tags, such as `!secret`, have no meaning here: remove the tag.",
        ),
    }
}
