//! A value of a document, with the line on which it begins.

use serde_json::{Map, Value};

/// A value and its line.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
    pub(super) kind: Kind,
    /// The values in it, with itself.
    pub(super) size: usize,
    /// The levels in it, with itself.
    pub(super) depth: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Field>),
}

/// A field of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    /// The line of its name.
    pub(super) line: usize,
    pub(super) value: Node,
}

impl Node {
    /// The value as JSON has it.
    pub(crate) fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Kind::Map(fields) => {
                let fields = fields
                    .iter()
                    .map(|field| (field.name.clone(), field.value.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// The line of what a JSON pointer (RFC 6901) names, or of the nearest thing around it that exists.
    pub(crate) fn line_of(&self, pointer: &str) -> usize {
        let (mut node, mut line) = (self, self.line);
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let inner = match &node.kind {
                Kind::Scalar(_) => None,
                Kind::List(items) => {
                    let index = token.parse::<usize>().ok();
                    index
                        .and_then(|index| items.get(index))
                        .map(|item| (item, item.line))
                }
                Kind::Map(fields) => fields
                    .iter()
                    .find(|field| field.name == token)
                    .map(|field| (&field.value, field.line)),
            };
            let Some((next, at)) = inner else {
                break;
            };
            (node, line) = (next, at);
        }
        line
    }
}
