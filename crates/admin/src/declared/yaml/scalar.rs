//! What a scalar without quotes means (YAML 1.2.2 section 10.3.2, the core schema).

use serde_json::{Number, Value};

/// The value of a plain scalar. A number that JSON cannot express stays a text.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits_of = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix)?;
        let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        is_number
            .then(|| u64::from_str_radix(digits, radix).ok())
            .flatten()
    };
    if let Some(whole) = digits_of("0o", 8).or_else(|| digits_of("0x", 16)) {
        return Some(whole.into());
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        return text
            .parse::<u64>()
            .map(Number::from)
            .or_else(|_| text.parse::<i64>().map(Number::from))
            .ok();
    }
    let is_float = unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    is_float
        .then(|| text.parse::<f64>().ok().and_then(Number::from_f64))
        .flatten()
}

/// Whether a text can be written without quotes in every place, and is a text to all readers: also to those of YAML 1.1, to which
/// `no` is false and `1:30` a number.
pub(super) fn can_be_plain(text: &str) -> bool {
    const OTHER_WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let is_allowed =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '+' | ' ' | '(' | ')');
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_allowed)
        && !text.ends_with(' ')
        && text.len() <= 80
        && plain(text).is_string()
        && !OTHER_WORDS.contains(&text.to_ascii_lowercase().as_str())
}
