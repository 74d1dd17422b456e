//! A plan, or what was done, as text for a terminal or a comment on a change.

use std::fmt::Write as _;

use gatewright_domain::audit::FieldChange;
use serde_json::Value;

use super::{Outcome, Step};
use crate::service::effects::{Effects, SecretFate};

/// Characters of a value.
const SHOWN: usize = 100;
/// Entries of a list that are shown.
const LISTED: usize = 10;

impl Outcome {
    /// The steps, each with its fields and whom it touches, and the notes. Nothing if there are none.
    pub fn shown(&self) -> String {
        let mut out = String::new();
        if self.steps.is_empty() && self.notes.is_empty() {
            return out;
        }
        let _ = writeln!(
            out,
            "Project {} ({})",
            printable(&self.project),
            printable(&self.file)
        );
        for step in &self.steps {
            step.show(&mut out);
        }
        for note in &self.notes {
            let _ = writeln!(out, "  ! {}", printable(note));
        }
        out
    }

    /// How many steps create, change and delete something.
    pub fn counts(&self) -> (usize, usize, usize) {
        let created = self.steps.iter().filter(|step| step.creates()).count();
        let removed = self.steps.iter().filter(|step| step.removes()).count();
        (created, self.steps.len() - created - removed, removed)
    }
}

impl Step {
    fn show(&self, out: &mut String) {
        let sign = if self.creates() {
            '+'
        } else if self.removes() {
            '-'
        } else {
            '~'
        };
        let kind = match self.kind {
            "user_source" => "User Source",
            "api_key" => "API key",
            "preregistered_client" => "client",
            other => other,
        };
        let _ = writeln!(out, "  {sign} {kind} {}", printable(&self.name));
        for change in &self.fields {
            for line in lines(change) {
                let _ = writeln!(out, "      {line}");
            }
        }
        if let Some(effects) = &self.effects {
            for line in touched(effects) {
                let _ = writeln!(out, "      > {line}");
            }
        }
    }
}

/// A field before and after, as lines. Of lists, only the entries that differ.
fn lines(change: &FieldChange) -> Vec<String> {
    let field = printable(&change.field);
    match (&change.before, &change.after) {
        (None, None) => vec![format!("{field}: (another one, not shown)")],
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            let gone: Vec<_> = before.iter().filter(|item| !after.contains(item)).collect();
            let added: Vec<_> = after.iter().filter(|item| !before.contains(item)).collect();
            if gone.is_empty() && added.is_empty() {
                return vec![format!("{field}: the same in another order")];
            }
            let mut lines = vec![format!("{field}:")];
            lines.extend(entries('-', &gone));
            lines.extend(entries('+', &added));
            lines
        }
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
            let differing = names
                .into_iter()
                .filter(|name| before.get(*name) != after.get(*name));
            differing
                .flat_map(|name| {
                    lines(&FieldChange {
                        field: format!("{field}.{name}"),
                        before: before.get(name).cloned(),
                        after: after.get(name).cloned(),
                    })
                })
                .collect()
        }
        (None, Some(after)) => vec![format!("{field}: {}", shown(after))],
        (Some(before), None) => vec![format!("{field}: {} -> (none)", shown(before))],
        (Some(before), Some(after)) => vec![format!("{field}: {} -> {}", shown(before), shown(after))],
    }
}

fn entries(sign: char, items: &[&Value]) -> Vec<String> {
    let mut lines: Vec<_> = items
        .iter()
        .take(LISTED)
        .map(|item| format!("  {sign} {}", shown(item)))
        .collect();
    if items.len() > LISTED {
        lines.push(format!("  {sign} and {} more", items.len() - LISTED));
    }
    lines
}

/// A value on one line, cut if it is long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    printable(&text)
}

/// A text without what could move the cursor of a terminal or hide a part of the line.
fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == SHOWN {
            let _ = write!(out, "… ({} characters)", text.chars().count());
            break;
        }
        match character {
            '\n' => out.push_str("\\n"),
            _ if hidden(character) => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

/// Whom a step touches, in the numbers of the dashboard.
fn touched(effects: &Effects) -> Vec<String> {
    let mut lines = Vec::new();
    if effects.ends_sessions {
        let sessions = effects.sessions();
        let asleep = match effects.sleeping_grants {
            0 => String::new(),
            asleep => format!(" ({asleep} paused)"),
        };
        lines.push(format!(
            "ends {}{asleep} of {}",
            counted(sessions, "session"),
            counted(effects.users, "user")
        ));
        if effects.client_secret.is_some() && !effects.gateways.is_empty() {
            let names: Vec<_> = effects
                .gateways
                .iter()
                .take(LISTED)
                .map(|it| it.name.as_str())
                .collect();
            let gateways = i64::try_from(effects.gateways.len()).unwrap_or(i64::MAX);
            lines.push(printable(&format!(
                "at {}: {}",
                counted(gateways, "gateway"),
                names.join(", ")
            )));
        }
    }
    if effects.changes_url {
        lines.push("changes the URL: clients have to be set up again".to_owned());
    }
    if effects.client_secret == Some(SecretFate::Replaced) {
        lines.push("replaces the client secret immediately".to_owned());
    }
    lines
}

fn counted(number: i64, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(field: &str, before: Option<Value>, after: Option<Value>) -> FieldChange {
        FieldChange {
            field: field.to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn a_plan_shows_what_differs_and_whom_it_touches() {
        let outcome = Outcome {
            project: "Acme".to_owned(),
            file: "acme.yaml".to_owned(),
            steps: vec![
                Step {
                    verb: "updated".to_owned(),
                    kind: "user_source",
                    name: "Okta".to_owned(),
                    fields: vec![
                        change("issuer", Some(json!("https://a")), Some(json!("https://b"))),
                        change("client_secret", None, None),
                        change("scopes", Some(json!(["a", "b"])), Some(json!(["b", "c"]))),
                    ],
                    effects: Some(Effects {
                        ends_sessions: true,
                        users: 1,
                        live_grants: 3,
                        sleeping_grants: 2,
                        client_secret: Some(SecretFate::Replaced),
                        ..Effects::default()
                    }),
                },
                Step {
                    verb: "deleted".to_owned(),
                    kind: "gateway",
                    name: "old\u{1b}[2J".to_owned(),
                    fields: vec![change(
                        "settings",
                        Some(json!({"a": 1, "b": 2})),
                        Some(json!({"a": 1, "b": 3})),
                    )],
                    effects: None,
                },
            ],
            notes: vec!["Look.".to_owned()],
            credentials: Vec::new(),
            adopted: 0,
        };
        assert_eq!(
            outcome.shown(),
            "Project Acme (acme.yaml)\n  ~ User Source Okta\n      issuer: https://a -> https://b\n      client_secret: (another \
             one, not shown)\n      scopes:\n        - a\n        + c\n      > ends 5 sessions (2 paused) of 1 user\n      > \
             replaces the client secret immediately\n  - gateway old\u{fffd}[2J\n      settings.b: 2 -> 3\n  ! Look.\n"
        );
        assert_eq!(outcome.counts(), (0, 1, 1));
    }

    #[test]
    fn long_texts_and_lists_are_cut() {
        let long = shown(&json!("x".repeat(500)));
        assert!(long.ends_with("… (500 characters)"), "{long}");
        let many: Vec<u32> = (0..50).collect();
        let lines = lines(&change("a", Some(json!([])), Some(json!(many))));
        assert_eq!(lines.len(), 12);
        assert_eq!(lines[11], "  + and 40 more");
    }
}
