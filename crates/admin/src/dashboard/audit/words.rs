//! How events are told to people.

use gatewright_domain::audit::{ActorKind, Origin};
use serde_json::Value;

/// Longer values are cut: a list of a thousand tools says no more for being whole. The export has all of it.
const MAX_VALUE: usize = 300;

/// `user_source.updated` as "User Source updated".
pub(super) fn in_words(action: &str) -> String {
    let words = action
        .replace(['_', '.'], " ")
        .replace("api key", "API key")
        .replace("user source", "User Source");
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A value as people read it: texts without quotation marks, everything else as JSON.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null => "(none)".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= MAX_VALUE {
        return text;
    }
    let cut: String = text.chars().take(MAX_VALUE).collect();
    format!("{cut}…")
}

/// The id of who acted, of those who have one.
pub(super) fn actor_id(kind: &ActorKind) -> Option<String> {
    match kind {
        ActorKind::ApiKey(id) => Some(id.to_string()),
        ActorKind::Account(id) => Some(id.to_string()),
        ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => None,
    }
}

/// What those are called who have no id.
pub(super) const fn actor(kind: &ActorKind) -> &'static str {
    match kind {
        ActorKind::ApiKey(_) => "A key",
        ActorKind::Account(_) => "An account",
        ActorKind::Anonymous => "Someone who has not signed in",
        ActorKind::Operator => "Someone with a shell on the machine",
        ActorKind::System => "Gatewright itself",
    }
}

/// The way in.
pub(super) const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Dashboard => "Dashboard",
        Origin::Api => "API",
        Origin::Cli => "Command line",
        Origin::System => "System",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_values_are_told_as_people_read_them() {
        assert_eq!(in_words("user_source.updated"), "User Source updated");
        assert_eq!(in_words("api_key.created"), "API key created");
        assert_eq!(in_words(""), "");
        assert_eq!(shown(&Value::from("")), "(empty)");
        assert_eq!(shown(&Value::from(vec!["a", "b"])), r#"["a","b"]"#);
        assert_eq!(
            shown(&Value::from("é".repeat(1_000))).chars().count(),
            MAX_VALUE + 1
        );
    }
}
