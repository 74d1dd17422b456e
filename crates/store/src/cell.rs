//! The values of a row of any table, and the line of text that stands for a row in a backup and in digests.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

/// A value of a row. Tables have no other kinds of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
}

/// The values of a row, in the order of the columns.
pub type Cells = Vec<Cell>;

/// The kind of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A line that is not a row of a table with this many columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line is not a row with {columns} values")]
pub struct NotARow {
    /// How many values it should have.
    pub columns: usize,
}

impl Cell {
    /// Appends a row as a line: a JSON array of texts, numbers and `null`, and a line break.
    pub fn write_line(row: &[Self], line: &mut Vec<u8>) {
        serde_json::to_writer(&mut *line, row).expect("texts and numbers are JSON, and a vector can grow");
        line.push(b'\n');
    }

    /// Reads what [`Cell::write_line`] wrote, with or without the line break.
    pub fn read_line(line: &[u8], columns: usize) -> Result<Cells, NotARow> {
        let row: Cells = serde_json::from_slice(line).map_err(|_| NotARow { columns })?;
        if row.len() == columns {
            Ok(row)
        } else {
            Err(NotARow { columns })
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfJson)
    }
}

struct OfJson;

impl Visitor<'_> for OfJson {
    type Value = Cell;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text, a whole number of 64 bits, or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cell, E> {
        Ok(Cell::Int(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cell, E> {
        i64::try_from(number).map(Cell::Int).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Cell, E> {
        Ok(Cell::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_survives_its_line_whatever_its_values() {
        let row = vec![
            Cell::Null,
            Cell::Int(i64::MIN),
            Cell::Int(i64::MAX),
            Cell::Int(0),
            Cell::Text(String::new()),
            Cell::Text("null".to_owned()),
            Cell::Text("line\nbreak \"quoted\" \\ \u{1} \u{2028} Zoë 李 🦀".to_owned()),
        ];
        let mut line = Vec::new();
        Cell::write_line(&row, &mut line);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(Cell::read_line(&line, row.len()).unwrap(), row);
    }

    #[test]
    fn what_is_not_a_row_of_the_table_is_refused() {
        for line in [
            "",
            "{}",
            "[1]",
            "[1,2,3]",
            "[1,2.5]",
            "[1,true]",
            "[1,[2]]",
            "[1,9223372036854775808]",
            "[1,2] [3,4]",
        ] {
            let refused = Cell::read_line(line.as_bytes(), 2);
            assert_eq!(refused, Err(NotARow { columns: 2 }), "{line}");
        }
        assert_eq!(Cell::read_line(b"[1,2]", 2).unwrap().len(), 2);
    }
}
