//! Events in words.

use gatewright_domain::audit::{ActorKind, AuditEvent, chain::Personal};
use serde_json::Value;

/// `user_source.updated` as "User Source updated".
pub(crate) fn in_words(action: &str) -> String {
    let words = action
        .replace(['_', '.'], " ")
        .replace("api key", "API key")
        .replace("user source", "User Source");
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What pages show in the place of an erased value.
const ERASED: &str = "(erased)";

/// The name of an event's object.
pub(crate) fn object(event: &AuditEvent) -> String {
    if event.erased().contains(&Personal::ObjectName) {
        return ERASED.to_owned();
    }
    event.object_name.clone()
}

/// The network address of who acted.
pub(crate) fn address(event: &AuditEvent) -> Option<String> {
    if event.erased().contains(&Personal::Address) {
        return Some(ERASED.to_owned());
    }
    event.actor.address.clone()
}

/// A value as people read it: texts without quotation marks, everything else as JSON. What is longer than `max` characters is
/// cut: a whole list of a thousand tools is not useful.
pub(crate) fn shown(value: &Value, max: usize) -> String {
    let text = match value {
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null => "(none)".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= max {
        return text;
    }
    let cut: String = text.chars().take(max).collect();
    format!("{cut}…")
}

/// The id of who acted, of those who have one.
pub(crate) fn actor_id(kind: &ActorKind) -> Option<String> {
    match kind {
        ActorKind::ApiKey(id) => Some(id.to_string()),
        ActorKind::Account(id) => Some(id.to_string()),
        ActorKind::User(id) => Some(id.to_string()),
        ActorKind::Anonymous | ActorKind::Operator | ActorKind::System => None,
    }
}

/// Those who act and have no ID, with what they are called.
pub(super) const WITHOUT_ID: [(&str, &str); 3] = [
    ("system", actor(&ActorKind::System)),
    ("operator", actor(&ActorKind::Operator)),
    ("anonymous", actor(&ActorKind::Anonymous)),
];

/// What those are called who have no id.
pub(crate) const fn actor(kind: &ActorKind) -> &'static str {
    match kind {
        ActorKind::ApiKey(_) => "A key",
        ActorKind::Account(_) => "An account",
        ActorKind::User(_) => "A user",
        ActorKind::Anonymous => "Someone who has not signed in",
        ActorKind::Operator => "Someone with a shell on the machine",
        ActorKind::System => "Gatewright itself",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_values_are_shown_in_words() {
        assert_eq!(in_words("user_source.updated"), "User Source updated");
        assert_eq!(in_words("api_key.created"), "API key created");
        assert_eq!(in_words(""), "");
        assert_eq!(shown(&Value::from(""), 9), "(empty)");
        assert_eq!(shown(&Value::from(vec!["a", "b"]), 9), r#"["a","b"]"#);
        assert_eq!(
            shown(&Value::from("é".repeat(10)), 9),
            format!("{}…", "é".repeat(9))
        );
    }
}
