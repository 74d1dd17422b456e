//! What the schema of a question asks of an answer (2026-07-28 client/elicitation, "Requested Schema"), beyond its types.

use std::fmt::Display;

use serde_json::{Map, Value};
use url::Url;

/// The `type` of the input for a text.
pub(super) fn input_type(property: &Value) -> &'static str {
    match property["format"].as_str() {
        Some("email") => "email",
        Some("uri") => "url",
        Some("date") => "date",
        _ => "text",
    }
}

/// What people cannot guess.
pub(super) fn hint(property: &Value) -> Option<&'static str> {
    let is_time = property["format"] == "date-time";
    is_time.then_some("A date and a time with its zone, like 2026-07-28T09:30:00Z.")
}

/// What is wrong with an answer: the member, and why.
pub(super) fn wrong(schema: &Value, content: &Map<String, Value>) -> Vec<(String, String)> {
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required
        .filter_map(Value::as_str)
        .filter(|name| !content.contains_key(*name))
        .map(|name| (name.to_owned(), "This is required.".to_owned()));
    let broken = content.iter().filter_map(|(name, value)| {
        let why = broken(&schema["properties"][name], value)?;
        Some((name.clone(), why))
    });
    missing.chain(broken).collect()
}

/// Why a value is not what a property asks for. What is not in the restricted schemas of questions is the server's to judge.
fn broken(property: &Value, value: &Value) -> Option<String> {
    match (property["type"].as_str()?, value) {
        ("string", Value::String(text)) => {
            let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            outside(property, ("minLength", "maxLength"), length, "character")
                .or_else(|| of_format(property["format"].as_str()?, text))
                .or_else(|| not_offered(property, value))
        }
        ("string", _) => Some("This must be a text.".to_owned()),
        ("integer", Value::Number(number)) if number.as_f64().is_none_or(|number| number.fract() != 0.0) => {
            Some("This must be a whole number.".to_owned())
        }
        ("number" | "integer", Value::Number(number)) => {
            let number = number.as_f64()?;
            let bound = |name: &str| property[name].as_f64().map(|bound| (bound, &property[name]));
            match (bound("minimum"), bound("maximum")) {
                (Some((least, shown)), _) if number < least => {
                    Some(format!("This must be at least {shown}."))
                }
                (_, Some((most, shown))) if number > most => Some(format!("This must be at most {shown}.")),
                _ => None,
            }
        }
        ("number" | "integer", _) => Some("This must be a number.".to_owned()),
        ("boolean", Value::Bool(_)) => None,
        ("boolean", _) => Some("This must be true or false.".to_owned()),
        ("array", Value::Array(chosen)) => {
            let count = u64::try_from(chosen.len()).unwrap_or(u64::MAX);
            outside(property, ("minItems", "maxItems"), count, "choice").or_else(|| {
                chosen
                    .iter()
                    .find_map(|value| not_offered(&property["items"], value))
            })
        }
        ("array", _) => Some("This must be a list.".to_owned()),
        _ => None,
    }
}

/// Says by how much a count is too small or too large.
fn outside(property: &Value, (least, most): (&str, &str), count: u64, what: &str) -> Option<String> {
    let needed = |limit: u64, word: &dyn Display| {
        let plural = if limit == 1 { "" } else { "s" };
        Some(format!("This needs {word} {limit} {what}{plural}."))
    };
    match (property[least].as_u64(), property[most].as_u64()) {
        (Some(least), _) if count < least => needed(least, &"at least"),
        (_, Some(most)) if count > most => needed(most, &"at most"),
        _ => None,
    }
}

/// Says that a value is none of those that are offered.
fn not_offered(property: &Value, value: &Value) -> Option<String> {
    let listed = property["enum"].as_array().map(|values| values.contains(value));
    let titled = || {
        let alternatives = property["oneOf"]
            .as_array()
            .or_else(|| property["anyOf"].as_array())?;
        Some(
            alternatives
                .iter()
                .any(|alternative| alternative["const"] == *value),
        )
    };
    let is_offered = listed.or_else(titled).unwrap_or(true);
    (!is_offered).then(|| "Choose what is offered.".to_owned())
}

fn of_format(format: &str, text: &str) -> Option<String> {
    let (is_valid, like) = match format {
        "email" => (is_email(text), "an e-mail address, like ada@example.com"),
        "uri" => (Url::parse(text).is_ok(), "a URI, like https://example.com/"),
        "date" => (is_date(text), "a date, like 2026-07-28"),
        "date-time" => (
            is_date_time(text),
            "a date and a time with its zone, like 2026-07-28T09:30:00Z",
        ),
        _ => return None,
    };
    (!is_valid).then(|| format!("This must be {like}."))
}

/// As far as that can be checked without sending a message there.
fn is_email(text: &str) -> bool {
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@');
    is_plain
        && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.starts_with('.'))
}

/// A number of this many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// `full-date` (RFC 3339 section 5.6).
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut part = |count| parts.next().and_then(|part| digits(part, count));
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// `date-time` (RFC 3339 section 5.6).
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else {
        return false;
    };
    let Some(at) = time.find(['Z', 'z', '+', '-']) else {
        return false;
    };
    let (clock, zone) = time.split_at(at);
    let is_zone = matches!(zone, "Z" | "z")
        || (zone.get(1..).and_then(|zone| zone.split_once(':'))).is_some_and(|(hours, minutes)| {
            digits(hours, 2).is_some_and(|hours| hours < 24)
                && digits(minutes, 2).is_some_and(|minutes| minutes < 60)
        });
    is_date(date) && is_zone && is_clock(clock)
}

fn is_clock(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.splitn(3, ':');
    let mut below = |limit| {
        let part = parts.next().and_then(|part| digits(part, 2));
        part.is_some_and(|part| part < limit)
    };
    // A leap second is the 61st of its minute.
    below(24)
        && below(60)
        && below(61)
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why(property: &Value, value: &Value) -> Option<String> {
        broken(property, value)
    }

    #[test]
    fn each_constraint_is_checked_and_the_remedy_named() {
        for (property, bad, says, good) in [
            (
                json!({"type": "string", "minLength": 2}),
                json!("é"),
                "at least 2 characters",
                json!("éa"),
            ),
            (
                json!({"type": "string", "maxLength": 1}),
                json!("ab"),
                "at most 1 character.",
                json!("é"),
            ),
            (
                json!({"type": "string", "enum": ["a"]}),
                json!("b"),
                "Choose what is offered",
                json!("a"),
            ),
            (
                json!({"type": "string", "oneOf": [{"const": "a", "title": "A"}]}),
                json!("A"),
                "Choose what is offered",
                json!("a"),
            ),
            (json!({"type": "string"}), json!(1), "a text", json!("1")),
            (
                json!({"type": "integer"}),
                json!(1.5),
                "a whole number",
                json!(2.0),
            ),
            (
                json!({"type": "number", "minimum": 18}),
                json!(17.9),
                "at least 18",
                json!(18),
            ),
            (
                json!({"type": "number", "maximum": 1.5}),
                json!(2),
                "at most 1.5",
                json!(1.5),
            ),
            (json!({"type": "number"}), json!("1"), "a number", json!(1)),
            (
                json!({"type": "boolean"}),
                json!("true"),
                "true or false",
                json!(true),
            ),
            (
                json!({"type": "array", "minItems": 1}),
                json!([]),
                "at least 1 choice.",
                json!(["a"]),
            ),
            (
                json!({"type": "array", "maxItems": 1}),
                json!(["a", "b"]),
                "at most 1 choice.",
                json!(["a"]),
            ),
            (
                json!({"type": "array", "items": {"anyOf": [{"const": "a"}]}}),
                json!(["b"]),
                "Choose what is offered",
                json!(["a"]),
            ),
            (json!({"type": "array"}), json!("a"), "a list", json!([])),
        ] {
            let said = why(&property, &bad).unwrap_or_default();
            assert!(said.contains(says), "{property} {bad}: {said}");
            assert_eq!(why(&property, &good), None, "{property}");
        }
        assert_eq!(
            why(&json!({"type": "object"}), &json!(1)),
            None,
            "the server's to judge"
        );
    }

    #[test]
    fn texts_of_a_format_are_what_it_says() {
        for (format, good, bad) in [
            (
                "email",
                &["ada@example.com", "a+b@host"][..],
                &["ada", "@x", "a@", "a b@c", "a@.c"][..],
            ),
            ("uri", &["https://example.com/", "urn:a:b"], &["example", "//x"]),
            (
                "date",
                &["2024-02-29", "2026-12-31"],
                &["2026-02-29", "2026-13-01", "26-01-01", "2026-1-1", "2026-01-00"],
            ),
            (
                "date-time",
                &["2026-07-28T09:30:00Z", "2026-07-28t09:30:60.5+02:00"],
                &[
                    "2026-07-28",
                    "2026-07-28T09:30:00",
                    "2026-07-28T24:00:00Z",
                    "2026-07-28T09:30Z",
                    "2026-07-28T09:30:00+2",
                ],
            ),
            ("other", &["anything"], &[]),
        ] {
            let property = json!({"type": "string", "format": format});
            for text in good {
                assert_eq!(why(&property, &json!(text)), None, "{format} {text}");
            }
            for text in bad {
                assert!(why(&property, &json!(text)).is_some(), "{format} {text}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let schema = json!({"properties": {"a": {"type": "string"}}, "required": ["a", "b"]});
        let content = json!({"a": 1, "c": 2});
        let wrong = wrong(&schema, content.as_object().unwrap());
        let names: Vec<_> = wrong.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
