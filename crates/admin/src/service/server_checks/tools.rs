//! The tools of a server as people read them. Names and texts are the server's own: they are cut and made plain here, and
//! nothing in them is believed.

use std::borrow::Cow;

use gatewright_mcp::listing::{Entry, InvalidEntry};
use serde::Deserialize;

use super::shown_as::ShownAs;

/// A longer name or title says no more on a page.
pub(super) const MAX_NAME: usize = 200;
/// A longer description is cut; the server's own is sent to clients whole.
pub(super) const MAX_DESCRIPTION: usize = 2_000;

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tool {
    /// Its name at the server, exactly.
    pub name: String,
    /// How gateways show that name.
    pub shown_as: ShownAs,
    /// What the server has people call it.
    pub title: Option<String>,
    /// What the server says it does.
    pub description: String,
    /// Whether the server says that it changes nothing.
    pub is_read_only: bool,
    /// Whether the server says that it may destroy something. Not said is not no.
    pub is_destructive: Option<bool>,
    /// Whether the server says that repeating it has no further effect.
    pub is_idempotent: bool,
    /// Whether the server says that it reaches beyond itself.
    pub is_open_world: Option<bool>,
}

/// An entry of a list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Why.
    pub reason: String,
}

#[derive(Deserialize, Default)]
struct Raw<'a> {
    #[serde(borrow, default)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    annotations: Option<Annotations<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Annotations<'a> {
    #[serde(borrow, default)]
    title: Option<Cow<'a, str>>,
    #[serde(default)]
    read_only_hint: Option<bool>,
    #[serde(default)]
    destructive_hint: Option<bool>,
    #[serde(default)]
    idempotent_hint: Option<bool>,
    #[serde(default)]
    open_world_hint: Option<bool>,
}

impl Tool {
    /// Bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let title = self.title.as_ref().map_or(0, String::len);
        128 + self.name.len() + title + self.description.len() + self.shown_as.weight()
    }

    pub(super) fn read(entry: &Entry, prefix: &str) -> Self {
        // What is not as it should be is left out of what is shown; clients get the entry as it is.
        let raw: Raw<'_> = serde_json::from_slice(&entry.raw).unwrap_or_default();
        let annotations = raw.annotations.unwrap_or_default();
        let title = raw.title.or(annotations.title);
        Self {
            name: plain(&entry.key, MAX_NAME),
            shown_as: ShownAs::of(prefix, &entry.key),
            title: title
                .map(|title| plain(&title, MAX_NAME))
                .filter(|title| !title.is_empty()),
            description: plain(&raw.description.unwrap_or_default(), MAX_DESCRIPTION),
            is_read_only: annotations.read_only_hint == Some(true),
            is_destructive: annotations.destructive_hint,
            is_idempotent: annotations.idempotent_hint == Some(true),
            is_open_world: annotations.open_world_hint,
        }
    }
}

pub(super) fn left_out(entry: &InvalidEntry) -> LeftOut {
    LeftOut {
        name: entry.key.as_deref().map(|key| plain(key, MAX_NAME)),
        reason: entry.reason.to_string(),
    }
}

/// At most `max` characters of a text of the server: line breaks stay, whatever else is invisible or turns the direction of
/// writing becomes `?`, because it could make a reader see another text than clients get.
pub(super) fn plain(text: &str, max: usize) -> String {
    let shown = |character: char| {
        let hides = matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        if (character.is_control() && character != '\n' && character != '\t') || hides {
            '?'
        } else {
            character
        }
    };
    let mut plain: String = text.trim().chars().take(max).map(shown).collect();
    if text.trim().chars().nth(max).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gatewright_mcp::listing::{ListKind, parse_page};
    use serde_json::json;

    use super::*;

    fn read(tool: &serde_json::Value) -> Tool {
        let result = Bytes::from(json!({"tools": [tool]}).to_string());
        Tool::read(&parse_page(ListKind::Tools, &result).unwrap().entries[0], "s")
    }

    #[test]
    fn what_a_server_says_of_a_tool_is_read() {
        let tool = read(&json!({
            "name": "drop_table", "title": "Drop a table", "description": "Drops it.\nFor good.",
            "inputSchema": {"type": "object"},
            "annotations": {"destructiveHint": true, "idempotentHint": true, "openWorldHint": false},
        }));
        assert_eq!(
            (tool.name.as_str(), tool.title.as_deref()),
            ("drop_table", Some("Drop a table"))
        );
        assert_eq!(tool.description, "Drops it.\nFor good.");
        assert!(!tool.is_read_only && tool.is_idempotent);
        assert_eq!(
            (tool.is_destructive, tool.is_open_world),
            (Some(true), Some(false))
        );
        let bare = read(
            &json!({"name": "a", "inputSchema": {}, "annotations": {"title": "Look", "readOnlyHint": true}}),
        );
        assert_eq!(
            (bare.title.as_deref(), bare.is_read_only, bare.is_destructive),
            (Some("Look"), true, None)
        );
    }

    #[test]
    fn what_could_deceive_a_reader_is_made_plain() {
        let tool = read(&json!({
            "name": "a", "description": format!("safe\u{202e}live\u{e0041}\u{0}{}", "x".repeat(3_000)), "inputSchema": {},
        }));
        assert!(
            tool.description.starts_with("safe?live??xxx"),
            "{}",
            tool.description
        );
        assert_eq!(tool.description.chars().count(), MAX_DESCRIPTION + 1);
        // Of another type than it should be: the tool is shown without.
        let odd = read(&json!({"name": "b", "description": 5, "annotations": [], "inputSchema": {}}));
        assert_eq!((odd.name.as_str(), odd.description.as_str()), ("b", ""));
    }
}
