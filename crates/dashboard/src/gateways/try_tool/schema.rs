//! The input schema of a tool, as far as a form can be made of it: what a server writes there is a stranger's text, so what
//! is deep, large, recursive or beyond us becomes a field for JSON, and nothing is followed for ever.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::fields::{Choice, Field, Kind, Row, Scalar};

/// A larger schema is not useful as a form.
const BYTES_MAX: usize = 256 * 1024;
/// Nor is one of more fields.
const FIELDS_MAX: usize = 80;
/// Objects within objects; what is deeper is entered as JSON.
const DEPTH_MAX: usize = 2;
/// The number of options to choose from; beyond that, the value is entered.
const OPTIONS_MAX: usize = 200;
/// References and alternatives that are followed to find out what a field is: a reference may lead to itself.
const HOPS_MAX: usize = 8;
/// Characters of a name or description that are shown.
const TEXT_MAX: usize = 600;

/// The members of an object in their order.
#[derive(Clone)]
struct Node<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Node)
    }
}

impl<'a> Node<'a> {
    fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, raw)| *raw)
    }

    /// A member read as a type; one that is something else counts as missing.
    fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        let text: String = self.read(name)?;
        Some(if text.chars().count() > TEXT_MAX {
            text.chars().take(TEXT_MAX).chain(['…']).collect()
        } else {
            text
        })
    }

    fn number(&self, name: &str) -> Option<String> {
        self.read::<serde_json::Number>(name)
            .map(|number| number.to_string())
    }

    /// The one type it has besides null.
    fn kind(&self) -> Option<String> {
        if let Some(kind) = self.read::<String>("type") {
            return Some(kind);
        }
        let mut kinds = self.read::<Vec<String>>("type")?;
        kinds.retain(|kind| kind != "null");
        (kinds.len() == 1).then(|| kinds.remove(0))
    }

    fn alternatives(&self, name: &str) -> Option<Vec<Self>> {
        let raws: Vec<&'a RawValue> = self.read(name)?;
        raws.into_iter().map(Self::of).collect()
    }

    fn is_null(&self) -> bool {
        self.read::<String>("type").is_some_and(|kind| kind == "null")
    }
}

/// The members of an object in their order; `None` if it is not one.
pub(super) fn members(raw: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    Node::of(raw).map(|Node(members)| members)
}

/// The rows of the form for a schema; `None` if none can be made.
pub(super) fn rows(schema: &[u8]) -> Option<Vec<Row>> {
    if schema.len() > BYTES_MAX {
        return None;
    }
    let root: Node<'_> = serde_json::from_slice(schema).ok()?;
    let mut reader = Reader {
        root: &root,
        rows: Vec::new(),
        fields: 0,
    };
    let top = reader.resolve(root.clone());
    if top.raw("properties").is_none() {
        // It takes nothing, or it says what it takes in a way that makes no form.
        let is_empty = top.kind().is_none_or(|kind| kind == "object")
            && ["anyOf", "oneOf", "allOf", "$ref", "patternProperties", "if"]
                .iter()
                .all(|word| top.raw(word).is_none())
            && !top.read::<bool>("additionalProperties").unwrap_or(false)
            && top.read::<Node<'_>>("additionalProperties").is_none();
        return is_empty.then(Vec::new);
    }
    reader.properties(&top, "", 0)?;
    Some(reader.rows)
}

struct Reader<'r, 'a> {
    root: &'r Node<'a>,
    rows: Vec<Row>,
    fields: usize,
}

impl<'a> Reader<'_, 'a> {
    fn properties(&mut self, node: &Node<'a>, at: &str, depth: usize) -> Option<()> {
        let properties: Node<'a> = node.read("properties")?;
        let required: Vec<String> = node.read("required").unwrap_or_default();
        for (name, raw) in properties.0 {
            self.fields += 1;
            if self.fields > FIELDS_MAX {
                return None;
            }
            let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            let is_required = required.contains(&name);
            // `true` is a property that can be anything.
            let own = Node::of(raw).unwrap_or_else(|| Node(Vec::new()));
            self.property(name, &own, pointer, is_required, depth)?;
        }
        Some(())
    }

    fn property(
        &mut self,
        name: String,
        own: &Node<'a>,
        pointer: String,
        is_required: bool,
        depth: usize,
    ) -> Option<()> {
        let resolved = self.resolve(own.clone());
        // What is next to a reference applies to this property.
        let say = |word: &str| own.text(word).or_else(|| resolved.text(word));
        let description = say("description").unwrap_or_default();
        let title = say("title").filter(|title| *title != name);
        let is_group = resolved.kind().as_deref() == Some("object") && resolved.raw("properties").is_some();
        if is_group && depth < DEPTH_MAX {
            self.rows.push(Row::Open {
                label: name.clone(),
                title,
                name,
                description,
                is_required,
            });
            self.properties(&resolved, &pointer, depth + 1)?;
            self.rows.push(Row::Close);
            return Some(());
        }
        let kind = self.kind(&resolved);
        let default = own.raw("default").or_else(|| resolved.raw("default"));
        let mut field = Field {
            id: format!("argument-{}", self.fields),
            label: name.clone(),
            title,
            name,
            pointer,
            description,
            is_required,
            kind,
            values: Vec::new(),
            error: None,
            is_focused: false,
        };
        if let Some(default) = default.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()) {
            field.show(&default);
        }
        self.rows.push(Row::Field(Box::new(field)));
        Some(())
    }

    /// Follows references, and alternatives of which one is null.
    fn resolve(&self, node: Node<'a>) -> Node<'a> {
        let mut node = node;
        for _ in 0..HOPS_MAX {
            let next = if let Some(reference) = node.read::<String>("$ref") {
                self.find(&reference)
            } else {
                ["anyOf", "oneOf", "allOf"].into_iter().find_map(|word| {
                    let mut alternatives = node.alternatives(word)?;
                    alternatives.retain(|alternative| !alternative.is_null());
                    (alternatives.len() == 1).then(|| alternatives.remove(0))
                })
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// What a reference within the schema leads to.
    fn find(&self, reference: &str) -> Option<Node<'a>> {
        let mut node = self.root.clone();
        if reference == "#" {
            return Some(node);
        }
        for token in reference.strip_prefix("#/")?.split('/').take(HOPS_MAX) {
            let name = token.replace("~1", "/").replace("~0", "~");
            node = Node::of(node.raw(&name)?)?;
        }
        Some(node)
    }

    fn kind(&self, node: &Node<'a>) -> Kind {
        if let Some(options) = options(node) {
            return Kind::Choice(options);
        }
        match node.kind().as_deref() {
            Some("boolean") => Kind::YesNo,
            Some("array") => {
                let items = node.read::<Node<'a>>("items").map(|items| self.resolve(items));
                let Some(items) = items else {
                    return Kind::Json;
                };
                match (options(&items), scalar(&items)) {
                    (Some(options), _) => Kind::Choices(options),
                    (None, Some(scalar)) => Kind::Lines(scalar),
                    (None, None) => Kind::Json,
                }
            }
            _ => scalar(node).map_or(Kind::Json, Kind::One),
        }
    }
}

/// A single value that is entered.
fn scalar(node: &Node<'_>) -> Option<Scalar> {
    let number = |is_integer| Scalar::Number {
        is_integer,
        least: node.number("minimum"),
        most: node.number("maximum"),
    };
    Some(match node.kind()?.as_str() {
        "string" => Scalar::Text {
            is_short: node.text("format").is_some(),
            input: "text",
            most: node
                .number("maxLength")
                .filter(|most| most.parse::<u32>().is_ok()),
        },
        "integer" => number(true),
        "number" => number(false),
        _ => return None,
    })
}

/// The values to choose from, if they are few and single.
fn options(node: &Node<'_>) -> Option<Vec<Choice>> {
    let is_single = |value: &Value| !value.is_object() && !value.is_array();
    let choice = |value: Value, label: Option<String>| Choice {
        label: label.unwrap_or_else(|| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        value: value.to_string(),
    };
    let found: Vec<Choice> = if let Some(values) = node.read::<Vec<Value>>("enum") {
        // What people read next to each value, as servers wrote it before titles were part of the schema (2025-06-18).
        let labels: Option<Vec<String>> = node.read("enumNames");
        let mut labels = labels
            .filter(|labels| labels.len() == values.len())
            .unwrap_or_default()
            .into_iter();
        let labelled = values.into_iter().map(|value| (value, labels.next()));
        let singles = labelled.filter(|(value, _)| is_single(value));
        singles.map(|(value, label)| choice(value, label)).collect()
    } else if let Some(value) = node.read::<Value>("const").filter(is_single) {
        vec![choice(value, None)]
    } else {
        let alternatives = node
            .alternatives("oneOf")
            .or_else(|| node.alternatives("anyOf"))?;
        let one = |each: &Node<'_>| {
            let value = each.read::<Value>("const").filter(is_single)?;
            Some(choice(value, each.text("title")))
        };
        alternatives.iter().map(one).collect::<Option<_>>()?
    };
    (1..=OPTIONS_MAX).contains(&found.len()).then_some(found)
}

#[cfg(test)]
mod tests;
