//! What to say about mistakes in files, from what serde says about them.

use serde_json::Value;

/// How similar two names must be for one to be suggested for the other (Jaro-Winkler).
const ALIKE: f64 = 0.75;

/// A name as a token of a JSON pointer (RFC 6901 section 3).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Where a mistake is and what to say about it. What was found is not repeated: it may be a secret in the wrong place.
pub(super) fn explained(message: &str, pointer: &str, found: Option<&Value>) -> (String, String) {
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let name = quoted(rest);
        let known = rest.split('`').skip(3).step_by(2);
        let last = format!("/{}", escaped(&name));
        let at = if pointer.ends_with(&last) {
            pointer.to_owned()
        } else {
            format!("{pointer}{last}")
        };
        return (at, unknown_field(&name, known));
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        let name = quoted(rest);
        return (
            pointer.to_owned(),
            format!("The field `{name}` is missing: add it."),
        );
    }
    if message.starts_with("unknown variant ") {
        let words: Vec<_> = message.split('`').skip(3).step_by(2).collect();
        if words == ["env", "file", "existing"] {
            let detail = "Enter one of `env: NAME`, `file: PATH` and `existing: true`. A secret itself is never in the file.";
            return (pointer.to_owned(), detail.to_owned());
        }
        return (
            pointer.to_owned(),
            format!("Enter one of these words: `{}`.", words.join("`, `")),
        );
    }
    let Some((_, expected)) = message.rsplit_once("expected ") else {
        return (
            pointer.to_owned(),
            "The value does not have the form that the schema describes (`gatewright apply --schema`): correct it.".to_owned(),
        );
    };
    let is_bare = matches!(found, Some(Value::Number(_) | Value::Bool(_) | Value::Null));
    let detail = match expected {
        "a string" if is_bare => "Enter a text: put the value in quotes.".to_owned(),
        "a string" => "Enter a text.".to_owned(),
        "a sequence" => "Enter a list: begin each item with `- `.".to_owned(),
        "a boolean" => "Enter `true` or `false`.".to_owned(),
        "u8" => "Enter a whole number from 0 to 255.".to_owned(),
        "u32" => "Enter a whole number from 0 to 4294967295.".to_owned(),
        other => format!("Enter {other}."),
    };
    (pointer.to_owned(), detail)
}

/// What to say about a field that does not exist.
pub(super) fn unknown_field<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let meant = nearest.map_or_else(String::new, |(_, nearest)| format!(" Did you mean `{nearest}`?"));
    let shown: String = name.chars().take(80).collect();
    format!(
        "There is no field `{shown}`.{meant} The fields are `{}`.",
        known.join("`, `")
    )
}
