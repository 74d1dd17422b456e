//! CSV (RFC 4180): a row for each object, with the same columns in every row.

use serde_json::Value;

/// Characters at the beginning of a text that make a spreadsheet compute it.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A schema behind its reference.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'));
    pointer
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(schema)
}

/// The columns of a list: the members of its objects, and those of objects in them. A column is a path of one or two names.
#[derive(Debug, Clone)]
pub(super) struct Columns(Vec<(String, Option<String>)>);

impl Columns {
    /// Those of a schema, `id` first, then in the order of the alphabet.
    pub(super) fn of(document: &Value, schema: &Value) -> Self {
        let mut columns = Vec::new();
        for (name, member) in members(document, schema) {
            let inner = members(document, resolved(document, member));
            if inner.is_empty() {
                columns.push((name.to_owned(), None));
            }
            columns.extend(
                inner
                    .into_iter()
                    .map(|(inner, _)| (name.to_owned(), Some(inner.to_owned()))),
            );
        }
        columns.sort_by_key(|(name, inner)| (name != "id", name.clone(), inner.clone()));
        Self(columns)
    }

    /// The row of their names.
    pub(super) fn head(&self) -> Vec<u8> {
        let names = self.0.iter().map(|(name, inner)| match inner {
            Some(inner) => format!("{name}.{inner}"),
            None => name.clone(),
        });
        let mut row = names.map(|name| quoted(&name)).collect::<Vec<_>>().join(",");
        row.push_str("\r\n");
        row.into_bytes()
    }

    /// Adds the row of an object.
    pub(super) fn write(&self, item: &Value, to: &mut Vec<u8>) {
        for (index, (name, inner)) in self.0.iter().enumerate() {
            if index > 0 {
                to.push(b',');
            }
            let value = match inner {
                Some(inner) => &item[name][inner],
                None => &item[name],
            };
            to.extend_from_slice(cell(value).as_bytes());
        }
        to.extend_from_slice(b"\r\n");
    }
}

/// The members of an object, also of one that is put together from several schemas.
fn members<'a>(document: &'a Value, schema: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let own = schema["properties"].as_object().into_iter().flatten();
    let mut members: Vec<_> = own.map(|(name, member)| (name.as_str(), member)).collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        members.extend(self::members(document, resolved(document, part)));
    }
    members
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => harmless(text),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
    }
}

/// A text that no spreadsheet takes for a formula.
fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA) {
        quoted(&format!("'{text}"))
    } else {
        quoted(text)
    }
}

/// A field, in quotes where it needs them (RFC 4180 section 2).
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Reads CSV as RFC 4180 has it.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut field, mut inside) = (Vec::new(), Vec::new(), String::new(), false);
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '"' if inside && letters.peek() == Some(&'"') => {
                    letters.next();
                    field.push('"');
                }
                '"' => inside = !inside,
                ',' if !inside => row.push(std::mem::take(&mut field)),
                '\r' if !inside => {
                    assert_eq!(letters.next(), Some('\n'));
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                other => field.push(other),
            }
        }
        assert!(!inside && field.is_empty() && row.is_empty());
        rows
    }

    fn columns() -> Columns {
        let document = json!({"components": {"schemas": {
            "Item": {"properties": {"name": {"type": "string"}, "id": {}, "list": {}, "actor": {"$ref": "#/components/schemas/Actor"}}},
            "Actor": {"properties": {"kind": {}, "address": {}}},
        }}});
        let item = json!({"$ref": "#/components/schemas/Item"});
        Columns::of(&document, resolved(&document, &item))
    }

    #[test]
    fn a_row_has_every_column_and_objects_are_spread() {
        let columns = columns();
        assert_eq!(columns.head(), b"id,actor.address,actor.kind,list,name\r\n");
        let mut row = Vec::new();
        let item = json!({"id": "a_1", "name": "a, \"b\"", "list": [1, "x"], "actor": {"kind": null, "address": true}, "more": 1});
        columns.write(&item, &mut row);
        assert_eq!(
            String::from_utf8(row).unwrap(),
            "a_1,true,,\"[1,\"\"x\"\"]\",\"a, \"\"b\"\"\"\r\n"
        );
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            "=cmd|' /C calc'!A0",
        ] {
            let mut row = Vec::new();
            columns().write(&json!({"id": text}), &mut row);
            let rows = read(&String::from_utf8(row).unwrap());
            assert_eq!(rows[0][0], format!("'{text}"));
        }
        assert_eq!(cell(&json!(-1)), "-1", "a number is a number");
        assert_eq!(cell(&json!("a=1")), "a=1");
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in any::<String>(), name in any::<String>()) {
            let mut row = Vec::new();
            columns().write(&json!({"id": text, "name": name}), &mut row);
            let rows = read(&String::from_utf8(row).unwrap());
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(rows[0][0].strip_prefix('\'').unwrap_or(&rows[0][0]), text.strip_prefix('\'').unwrap_or(&text));
            prop_assert!(!rows[0][4].starts_with(FORMULA));
        }
    }
}
