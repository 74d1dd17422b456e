//! Writes a document: fields in the order in which people read them, text as it can be read by every reader of YAML.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::scalar::can_be_plain;

/// Fields that come first, in this order. The others follow in alphabetical order.
const FIRST: [&str; 33] = [
    "version",
    "project",
    "slug",
    "name",
    "email",
    "role",
    "description",
    "issuer",
    "client_id",
    "client_secret",
    "url",
    "value",
    "origins",
    "instructions",
    "server_instructions",
    "authentication_mode",
    "user_source",
    "server",
    "tool",
    "prompt",
    "uri",
    "secrets",
    "user_sources",
    "prefix",
    "servers",
    "prefix_mode",
    "offers",
    "allowed_tools",
    "allowed_prompts",
    "allowed_resources",
    "trusted_clients",
    "gateways",
    "members",
];
/// Characters of a list or mapping on one line.
const SHORT: usize = 90;
/// The indentation of each level.
const STEP: usize = 2;

/// Writes a value as one document.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => map(&mut out, fields, 0, 0),
        Value::Array(items) if !items.is_empty() => list(&mut out, items, 0),
        _ => {
            out.push_str(&scalar(value));
            out.push('\n');
        }
    }
    out
}

/// The fields of a mapping, the first of which is already indented by `begun` columns.
fn map(out: &mut String, fields: &Map<String, Value>, indent: usize, begun: usize) {
    let mut margin = " ".repeat(indent - begun);
    for (name, value) in ordered(fields) {
        out.push_str(&margin);
        margin = " ".repeat(indent);
        out.push_str(&text(name));
        out.push(':');
        below(out, value, indent);
    }
}

fn list(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        let _ = write!(out, "{}- ", " ".repeat(indent));
        match item {
            Value::Object(fields) if !fields.is_empty() => match on_one_line(item) {
                Some(line) => {
                    let _ = writeln!(out, "{line}");
                }
                None => map(out, fields, indent + STEP, indent + STEP),
            },
            Value::Array(inner) if !inner.is_empty() => {
                if let Some(line) = on_one_line(item) {
                    let _ = writeln!(out, "{line}");
                } else {
                    out.push('\n');
                    list(out, inner, indent + STEP);
                }
            }
            Value::String(long) if is_block(long) => block(out, long, indent + STEP),
            _ => {
                let _ = writeln!(out, "{}", scalar(item));
            }
        }
    }
}

/// A value behind the name of its field.
fn below(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            if let Some(line) = on_one_line(value) {
                let _ = writeln!(out, " {line}");
            } else {
                out.push('\n');
                map(out, fields, indent + STEP, 0);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            if let Some(line) = on_one_line(value) {
                let _ = writeln!(out, " {line}");
            } else {
                out.push('\n');
                list(out, items, indent + STEP);
            }
        }
        Value::String(long) if is_block(long) => {
            out.push(' ');
            block(out, long, indent + STEP);
        }
        _ => {
            let _ = writeln!(out, " {}", scalar(value));
        }
    }
}

fn ordered(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let place = |name: &str| {
        FIRST
            .iter()
            .position(|first| *first == name)
            .unwrap_or(FIRST.len())
    };
    let mut ordered: Vec<_> = fields.iter().collect();
    ordered.sort_by(|(one, _), (other, _)| (place(one), one).cmp(&(place(other), other)));
    ordered
}

/// A small list or mapping of scalars, in flow style.
fn on_one_line(value: &Value) -> Option<String> {
    let is_scalar = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => !text.contains('\n') && text.len() <= SHORT,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    let line = match value {
        Value::Array(items) if items.len() <= SHORT && items.iter().all(is_scalar) => {
            let items: Vec<_> = items.iter().map(scalar).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) if fields.len() <= 3 && fields.values().all(is_scalar) => {
            let fields = ordered(fields);
            let fields = fields
                .into_iter()
                .map(|(name, value)| format!("{}: {}", text(name), scalar(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        _ => return None,
    };
    (line.chars().count() <= SHORT).then_some(line)
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(content) => text(content),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text, in quotes unless it needs none.
fn text(content: &str) -> String {
    if can_be_plain(content) {
        return content.to_owned();
    }
    let mut out = String::with_capacity(content.len() + 2);
    out.push('"');
    for character in content.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if is_shown(character) => out.push(character),
            _ => {
                let _ = write!(out, "\\U{:08X}", u32::from(character));
            }
        }
    }
    out.push('"');
    out
}

/// Whether a character can be written as it is: it is visible, and to no reader the end of a line or the beginning of a file.
fn is_shown(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Whether a text is written as a block of lines: it has several, and begins and ends in a way that every reader keeps.
fn is_block(content: &str) -> bool {
    content.contains('\n')
        && !content.starts_with([' ', '\t', '\n'])
        && !content.ends_with("\n\n")
        && content
            .chars()
            .all(|character| character == '\n' || is_shown(character))
        && content
            .lines()
            .all(|line| !line.ends_with(' ') && (!line.starts_with(' ') || !line.trim().is_empty()))
}

fn block(out: &mut String, content: &str, indent: usize) {
    out.push_str(if content.ends_with('\n') { "|\n" } else { "|-\n" });
    for line in content.lines() {
        if !line.is_empty() {
            let _ = write!(out, "{}{line}", " ".repeat(indent));
        }
        out.push('\n');
    }
}
