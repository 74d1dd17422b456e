//! JSON in ASCII: what is not is escaped (RFC 8259 section 7). So a record is the same in a file, in a request and in a syslog message,
//! where text outside of ASCII would need a mark in front of it (RFC 5424 section 6.4).

use std::io;

use serde::Serialize;
use serde_json::{Serializer, Value, ser::Formatter};

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|letter: char| !letter.is_ascii() || letter == '\u{7f}') {
            writer.write_all(&rest.as_bytes()[..at])?;
            let letter = rest[at..].chars().next().unwrap_or_default();
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + letter.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// The JSON of a value, in one line of ASCII.
pub(super) fn line(value: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    value
        .serialize(&mut Serializer::with_formatter(&mut text, Ascii))
        .expect("a value is plain data, and memory takes it");
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn letters_outside_of_ascii_are_escaped() {
        let text = String::from_utf8(line(&json!({"a": "é\u{1f600}\n\u{7f}\"z"}))).unwrap();
        assert_eq!(text, r#"{"a":"\u00e9\ud83d\ude00\n\u007f\"z"}"#);
    }

    proptest! {
        #[test]
        fn every_text_reads_back_from_one_line_of_ascii(key in any::<String>(), text in any::<String>()) {
            let value = json!({key: text});
            let line = line(&value);
            prop_assert!(line.iter().all(|byte| (0x20..0x7f).contains(byte)));
            prop_assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), value);
        }
    }
}
