//! JSON as people read it: broken into lines and indented, every value as its writer wrote it.

/// Two spaces for each level.
const STEP: &str = "  ";
/// Characters that are shown.
const SHOWN_MAX: usize = 50_000;

/// The text of a JSON value, indented. What is not JSON stays more or less unchanged.
pub(super) fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut is_escaped = false;
    let mut in_string = false;
    let mut rest = text.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(STEP, depth));
    };
    while let Some(c) = rest.next() {
        if in_string {
            out.push(c);
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while rest.next_if(char::is_ascii_whitespace).is_some() {}
                let closes = if c == '{' { '}' } else { ']' };
                if let Some(close) = rest.next_if_eq(&closes) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// The same, cut to a readable length.
pub(super) fn shown(text: &str) -> String {
    let indented = indented(text);
    match indented.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…\n(cut here)", &indented[..at]),
        None => indented,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn lines_are_broken_and_values_are_kept() {
        let text = r#"{"b":[1.50e+3,{"x":"a, \"b\": {"}],"a":{ },"c":[]}"#;
        let expected = "{\n  \"b\": [\n    1.50e+3,\n    {\n      \"x\": \"a, \\\"b\\\": {\"\n    }\n  ],\n  \"a\": {},\n  \"c\": []\n}";
        assert_eq!(indented(text), expected);
    }

    proptest! {
        #[test]
        fn whatever_is_indented_is_read_back_as_the_same(text in r#"[\[\]{}":,a\\ 0-9]{0,40}"#) {
            let again = indented(&text);
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), value);
            }
        }
    }
}
