//! The prompts and resources of a server as people read them. Like its tools, they are the server's own words, made plain.

use std::borrow::Cow;

use gatewright_domain::gateway::MAX_RESOURCE_URI;
use gatewright_mcp::listing::{Entry, ServerList};
use serde::Deserialize;

use super::{
    shown_as::ShownAs,
    tools::{LeftOut, MAX_DESCRIPTION, MAX_NAME, left_out, plain},
};

/// For a prompt with more arguments, the rest are not shown.
const MAX_ARGUMENTS: usize = 50;

/// What a server lists of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What it lists, in its order.
    pub items: Vec<T>,
    /// Entries that cannot be used, at most the first hundred.
    pub left_out: Vec<LeftOut>,
    /// Whether it lists more than is taken from one server.
    pub is_cut: bool,
}

/// A prompt of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    /// Its name at the server.
    pub name: String,
    /// How gateways show that name.
    pub shown_as: ShownAs,
    /// What the server has people call it.
    pub title: Option<String>,
    /// What the server says it is for.
    pub description: String,
    /// What it can be filled in with.
    pub arguments: Vec<PromptArgument>,
}

/// An argument of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What the server says it means.
    pub description: String,
    /// Whether the server says that it is required.
    pub is_required: bool,
}

/// A resource or resource template of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    /// Its URI, or the URI template of a template.
    pub uri: String,
    /// Whether it is a template for every URI that matches it.
    pub is_template: bool,
    /// Its name at the server.
    pub name: String,
    /// What the server has people call it.
    pub title: Option<String>,
    /// What the server says it is.
    pub description: String,
    /// The media type that the server reports, like `text/plain`; empty if it reports none.
    pub mime_type: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    mime_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Option<Vec<RawArgument<'a>>>,
}

#[derive(Deserialize)]
struct RawArgument<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    description: Option<Cow<'a, str>>,
    #[serde(default)]
    required: Option<bool>,
}

impl Raw<'_> {
    /// What is not as it should be is left out of what is shown; clients get the entry as it is.
    fn read(entry: &Entry) -> Raw<'_> {
        serde_json::from_slice(&entry.raw).unwrap_or_default()
    }

    fn title(&self) -> Option<String> {
        let title = plain(self.title.as_deref()?, MAX_NAME);
        Some(title).filter(|title| !title.is_empty())
    }

    fn description(&self) -> String {
        plain(self.description.as_deref().unwrap_or_default(), MAX_DESCRIPTION)
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            left_out: Vec::new(),
            is_cut: false,
        }
    }
}

impl<T> Listed<T> {
    /// A list as a server sent it, each entry read by `read`.
    pub(super) fn read(list: &ServerList, read: impl Fn(&Entry) -> T) -> Self {
        Self {
            items: list.entries.iter().map(read).collect(),
            left_out: list.invalid.iter().map(left_out).collect(),
            is_cut: list.truncated,
        }
    }
}

impl Prompt {
    pub(super) fn read(entry: &Entry, prefix: &str) -> Self {
        let raw = Raw::read(entry);
        let arguments = raw.arguments.iter().flatten().take(MAX_ARGUMENTS);
        Self {
            name: plain(&entry.key, MAX_NAME),
            shown_as: ShownAs::of(prefix, &entry.key),
            title: raw.title(),
            description: raw.description(),
            arguments: arguments
                .map(|argument| PromptArgument {
                    name: plain(&argument.name, MAX_NAME),
                    description: plain(
                        argument.description.as_deref().unwrap_or_default(),
                        MAX_DESCRIPTION,
                    ),
                    is_required: argument.required == Some(true),
                })
                .collect(),
        }
    }

    /// Bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|one| 64 + one.name.len() + one.description.len());
        let title = self.title.as_ref().map_or(0, String::len);
        let texts = self.name.len() + title + self.description.len() + arguments.sum::<usize>();
        128 + texts + self.shown_as.weight()
    }
}

impl Resource {
    pub(super) fn read(entry: &Entry, is_template: bool) -> Self {
        let raw = Raw::read(entry);
        Self {
            uri: plain(&entry.key, MAX_RESOURCE_URI),
            is_template,
            name: plain(raw.name.as_deref().unwrap_or_default(), MAX_NAME),
            title: raw.title(),
            description: raw.description(),
            mime_type: plain(raw.mime_type.as_deref().unwrap_or_default(), MAX_NAME),
        }
    }

    /// Bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let title = self.title.as_ref().map_or(0, String::len);
        160 + self.uri.len() + self.name.len() + title + self.description.len() + self.mime_type.len()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gatewright_mcp::listing::{ListKind, parse_page};
    use serde_json::{Value, json};

    use super::*;

    fn entry(kind: ListKind, entry: &Value) -> Entry {
        let result = Bytes::from(json!({kind.member(): [entry]}).to_string());
        parse_page(kind, &result).unwrap().entries.remove(0)
    }

    #[test]
    fn what_a_server_says_of_a_prompt_is_read() {
        let said = json!({"name": "review", "title": "Review \u{202e}code", "description": "Asks for a review.",
            "arguments": [{"name": "code", "description": "What to review", "required": true}, {"name": "style"}]});
        let prompt = Prompt::read(&entry(ListKind::Prompts, &said), "s");
        assert_eq!(
            (prompt.name.as_str(), prompt.title.as_deref()),
            ("review", Some("Review ?code"))
        );
        let arguments: Vec<_> = prompt
            .arguments
            .iter()
            .map(|one| (one.name.as_str(), one.description.as_str(), one.is_required))
            .collect();
        assert_eq!(
            arguments,
            [("code", "What to review", true), ("style", "", false)]
        );
        // Of another type than it should be: it is shown without.
        let said = json!({"name": "odd", "arguments": "none"});
        let odd = Prompt::read(&entry(ListKind::Prompts, &said), "s");
        assert_eq!((odd.name.as_str(), odd.arguments.len()), ("odd", 0));
    }

    #[test]
    fn resources_and_templates_keep_their_uris() {
        let long = format!("file:///{}", "x".repeat(500));
        let said = json!({"uri": long, "name": "notes", "mimeType": "text/plain", "description": 5});
        let resource = Resource::read(&entry(ListKind::Resources, &said), false);
        assert_eq!(resource.uri, long);
        let said = json!({"uriTemplate": "db://{table}/{row}", "name": "rows", "title": "Rows"});
        let template = Resource::read(&entry(ListKind::ResourceTemplates, &said), true);
        assert_eq!(
            (
                template.uri.as_str(),
                template.is_template,
                template.title.as_deref()
            ),
            ("db://{table}/{row}", true, Some("Rows"))
        );
    }
}
