//! Recording of arguments: what a gateway keeps of them, and what it replaces before anything is kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Invalid;

/// Pointers of one gateway.
const MAX_POINTERS: usize = 64;
/// Bytes of one pointer.
const MAX_POINTER: usize = 256;
/// Days that recorded arguments are kept, if nothing else is said.
const RETENTION_DAYS: u32 = 7;
/// The longest that they can be kept.
const MAX_RETENTION_DAYS: u32 = 365;
/// What stands in the place of a value that is not kept.
pub const REDACTED: &str = "[redacted]";
/// The pointer token that stands for every member of an object and every element of an array.
const EVERY: &str = "*";

/// That a gateway records the arguments of requests, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "an object with `redact` and `retention_days`, or null"
)]
pub struct RecordArguments {
    /// JSON pointers (RFC 6901) into the arguments, whose values are replaced. A token `*` stands for every member or element.
    pub redact: Vec<String>,
    /// Days for which they are kept.
    pub retention_days: u32,
}

impl Default for RecordArguments {
    fn default() -> Self {
        Self {
            redact: Vec::new(),
            retention_days: RETENTION_DAYS,
        }
    }
}

impl RecordArguments {
    pub(super) fn check(&self, pointer: &str) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        if !(1..=MAX_RETENTION_DAYS).contains(&self.retention_days) {
            invalid.add(
                format!("{pointer}/retention_days"),
                format!("Enter 1 to {MAX_RETENTION_DAYS} days."),
            );
        }
        if self.redact.len() > MAX_POINTERS {
            invalid.add(
                format!("{pointer}/redact"),
                format!(
                    "Enter at most {MAX_POINTERS} JSON pointers. `*` stands for every member or element."
                ),
            );
        }
        for (index, text) in self.redact.iter().enumerate() {
            if let Err(reason) = tokens(text) {
                invalid.add(format!("{pointer}/redact/{index}"), reason);
            }
        }
        invalid.into_result()
    }
}

/// The tokens of a pointer (RFC 6901 section 3); the error says what to enter.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let shown: String = text.chars().take(80).collect();
    if text.len() > MAX_POINTER {
        return Err(format!("A JSON pointer can have at most {MAX_POINTER} bytes."));
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err(format!(
            "`{shown}` is not a JSON pointer (RFC 6901): begin it with `/`, as in `/password` or `/items/*/token`."
        ));
    };
    rest.split('/')
        .map(|token| {
            let mut escapes = token.split('~').skip(1);
            if escapes.all(|rest| rest.starts_with(['0', '1'])) {
                Ok(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Err(format!(
                    "`{shown}` is not a JSON pointer (RFC 6901): write `~0` for `~`, and `~1` for `/` within a name."
                ))
            }
        })
        .collect()
}

/// What is replaced in arguments before they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction(Vec<Vec<String>>);

impl Redaction {
    /// The redaction that a gateway asks for. A pointer that is not valid, which no gateway is saved with, replaces everything.
    pub fn of(settings: &RecordArguments) -> Self {
        let pointers = settings.redact.iter();
        Self(pointers.map(|text| tokens(text).unwrap_or_default()).collect())
    }

    /// Replaces what must not be kept.
    pub fn apply(&self, arguments: &mut Value) {
        for pointer in &self.0 {
            replace(arguments, pointer);
        }
    }
}

fn replace(value: &mut Value, pointer: &[String]) {
    let Some((token, rest)) = pointer.split_first() else {
        *value = Value::String(REDACTED.to_owned());
        return;
    };
    match value {
        Value::Object(members) if token == EVERY => {
            for member in members.values_mut() {
                replace(member, rest);
            }
        }
        Value::Array(elements) if token == EVERY => {
            for element in elements {
                replace(element, rest);
            }
        }
        Value::Object(members) => {
            if let Some(member) = members.get_mut(token) {
                replace(member, rest);
            }
        }
        Value::Array(elements) => {
            // No leading zeros (RFC 6901 section 4).
            let is_index = token == "0" || !token.starts_with(['0', '+']);
            let index = is_index.then(|| token.parse::<usize>().ok()).flatten();
            if let Some(element) = index.and_then(|index| elements.get_mut(index)) {
                replace(element, rest);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn redacted(pointers: &[&str], mut value: Value) -> Value {
        let settings = RecordArguments {
            redact: pointers.iter().map(|text| (*text).to_owned()).collect(),
            ..RecordArguments::default()
        };
        settings.check("/record_arguments").unwrap();
        Redaction::of(&settings).apply(&mut value);
        value
    }

    #[test]
    fn values_under_pointers_are_replaced_and_others_stay() {
        let value = json!({"user": "ada", "password": {"new": "x"}, "items": [{"token": 1, "n": 2}, {"token": 3}, 4]});
        assert_eq!(
            redacted(&["/password", "/items/*/token", "/missing/x", "/user/x"], value),
            json!({"user": "ada", "password": REDACTED,
                "items": [{"token": REDACTED, "n": 2}, {"token": REDACTED}, 4]})
        );
        assert_eq!(
            redacted(&["/1", "/01", "/+0", "/-"], json!([0, 1])),
            json!([0, REDACTED])
        );
        assert_eq!(
            redacted(&["/a~1b/c~0d", "/~01"], json!({"a/b": {"c~d": 1}, "~1": 2})),
            json!({"a/b": {"c~d": REDACTED}, "~1": REDACTED})
        );
        assert_eq!(
            redacted(&["/*/*"], json!({"a": {"b": 1}, "c": [2], "d": 3})),
            json!({
            "a": {"b": REDACTED}, "c": [REDACTED], "d": 3})
        );
        assert_eq!(redacted(&[""], json!({"a": 1})), json!(REDACTED));
        assert_eq!(
            redacted(&["/"], json!({"": 1, "a": 2})),
            json!({"": REDACTED, "a": 2})
        );
    }

    #[test]
    fn a_pointer_that_is_not_one_is_named_with_the_remedy() {
        let settings = RecordArguments {
            redact: ["/good", "password", "/a~", "/a~2b"].map(str::to_owned).to_vec(),
            retention_days: 0,
        };
        let invalid = settings.check("/record_arguments").unwrap_err();
        let pointers: Vec<_> = invalid
            .violations()
            .iter()
            .map(|one| one.pointer.as_str())
            .collect();
        assert_eq!(
            pointers,
            [
                "/record_arguments/retention_days",
                "/record_arguments/redact/1",
                "/record_arguments/redact/2",
                "/record_arguments/redact/3"
            ]
        );
        assert!(invalid.violations()[1].detail.contains("begin it with `/`"));
        assert!(invalid.violations()[2].detail.contains("`~0` for `~`"));
        let many = RecordArguments {
            redact: vec!["/a".to_owned(); MAX_POINTERS + 1],
            ..RecordArguments::default()
        };
        assert_eq!(many.check("").unwrap_err().violations()[0].pointer, "/redact");
        let long = RecordArguments {
            redact: vec![format!("/{}", "a".repeat(MAX_POINTER))],
            ..RecordArguments::default()
        };
        assert_eq!(long.check("").unwrap_err().violations()[0].pointer, "/redact/0");
    }

    /// Values in which the canary can stand anywhere.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<i32>().prop_map(Value::from),
            Just(json!("canary"))
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c~/*]{0,2}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    /// All pointers of a value under which the canary stands.
    fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(here.to_owned()),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    pointers(element, &format!("{here}/{index}"), found);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    pointers(member, &format!("{here}/{name}"), found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    proptest! {
        #[test]
        fn what_pointers_name_is_never_left(value in values()) {
            let mut found = Vec::new();
            pointers(&value, "", &mut found);
            let named: Vec<&str> = found.iter().map(String::as_str).collect();
            // One redaction each, so that the number of pointers of a gateway does not matter.
            let left = named.iter().fold(value, |value, pointer| redacted(&[pointer], value));
            prop_assert!(!left.to_string().contains("canary"), "{left}");
        }
    }
}
