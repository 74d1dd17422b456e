//! CSV (RFC 4180): a row for each object, with the same columns in every row.

use serde_json::Value;

/// Characters at the beginning of a cell that make a spreadsheet compute it (OWASP, *CSV Injection*): also in full width, as East Asian
/// spreadsheets take them.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
/// Characters at the beginning of a cell that spreadsheets pass over.
const BLANK: [char; 4] = ['\t', '\r', '\n', '\0'];
/// Characters after which a cell begins for a spreadsheet that does not separate cells by commas, as in countries with decimal commas. It
/// then takes quotes inside a line as they are.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

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
        Value::Array(_) | Value::Object(_) => harmless(&value.to_string()),
    }
}

/// A text of which no spreadsheet takes any part for a formula, whatever separates its cells: wherever a formula could begin, it has an
/// apostrophe in front. Removing one apostrophe from each such place restores the text.
fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    let mut before = None;
    for (index, letter) in text.char_indices() {
        let begins = before.is_none_or(|before| SEPARATORS.contains(&before));
        let rest = text[index..].trim_start_matches(['\'', '"']);
        if begins && (rest.starts_with(FORMULA) || before.is_none() && rest.starts_with(BLANK)) {
            safe.push('\'');
        }
        safe.push(letter);
        before = Some(letter);
    }
    quoted(&safe)
}

/// A field, in quotes where it needs them (RFC 4180 section 2), also for readers that take a semicolon or a tab for a separator.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n', ';', '\t']) {
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

    /// The first cell of the row of an object with this ID.
    fn written(text: &str) -> String {
        let mut row = Vec::new();
        columns().write(&json!({"id": text}), &mut row);
        read(&String::from_utf8(row).unwrap()).remove(0).remove(0)
    }

    /// The text of a cell, as the guide says.
    fn restored(cell: &str) -> String {
        let (mut text, mut before) = (String::new(), None);
        for (index, letter) in cell.char_indices() {
            let begins = before.is_none_or(|before| SEPARATORS.contains(&before));
            before = Some(letter);
            if let Some(rest) = cell[index..].strip_prefix('\'').filter(|_| begins) {
                let rest = rest.trim_start_matches(['\'', '"']);
                if rest.starts_with(FORMULA) || index == 0 && rest.starts_with(BLANK) {
                    continue;
                }
            }
            text.push(letter);
        }
        text
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\u{ff1d}1+1",
            "\tx",
            "\rx",
            "\nx",
            "\0=1",
            "\"=1",
            "'=1",
            "=cmd|' /C calc'!A0",
        ] {
            assert_eq!(written(text), format!("'{text}"));
        }
        assert_eq!(cell(&json!(-1)), "-1", "a number is a number");
        for text in ["a=1", "a; b=1", "; x", "it's", "'", "a,=1", ""] {
            assert_eq!(written(text), text, "it is not a formula");
        }
    }

    #[test]
    fn no_part_of_a_text_is_a_formula_in_a_spreadsheet_with_other_separators() {
        for (text, safe) in [
            ("a;=1+1;b", "a;'=1+1;b"),
            ("a;\"=1+1;b", "a;'\"=1+1;b"),
            ("a\t@SUM(A1)", "a\t'@SUM(A1)"),
            ("a\r\n-1", "a\r\n'-1"),
            ("=a;+b", "'=a;'+b"),
        ] {
            assert_eq!(written(text), safe);
            assert_eq!(restored(safe), text);
        }
        let list = json!(["x;=1+1", "\";=1"]);
        let cell = read(&format!("{}\r\n", cell(&list))).remove(0).remove(0);
        assert_eq!(cell, r#"["x;'=1+1","\";'=1"]"#);
        assert_eq!(serde_json::from_str::<Value>(&restored(&cell)).unwrap(), list);
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "([;\t\r\n'\"=+@\0\u{ff1d}-]|.){0,12}", name in any::<String>()) {
            let mut row = Vec::new();
            columns().write(&json!({"id": text, "name": name}), &mut row);
            let rows = read(&String::from_utf8(row).unwrap());
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(restored(&rows[0][0]), text);
            prop_assert_eq!(restored(&rows[0][4]), name);
            for cell in rows[0].iter().flat_map(|cell| cell.split(SEPARATORS)) {
                prop_assert!(!cell.trim_start_matches('"').starts_with(FORMULA), "{}", cell);
            }
        }
    }
}
