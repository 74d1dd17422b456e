//! What a server says about something that it lists.

use gatewright_mcp::own_client::OfferedItem;
use serde::Deserialize;
use serde_json::Value;

use super::what::What;

/// Arguments of a prompt that the form has.
const ARGUMENTS_MAX: usize = 50;

/// Something that is offered, as its server introduces it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Introduction {
    name: Value,
    title: Value,
    description: Value,
    annotations: Value,
    arguments: Value,
    #[serde(rename = "mimeType")]
    mime_type: Value,
}

/// An argument of a prompt.
pub(super) struct Argument<'a> {
    pub(super) name: &'a str,
    pub(super) title: Option<&'a str>,
    pub(super) description: &'a str,
    pub(super) is_required: bool,
}

impl Introduction {
    /// What a server says. What does not follow MCP counts as missing.
    pub(super) fn of(item: &OfferedItem) -> Self {
        serde_json::from_slice(&item.listed).unwrap_or_default()
    }

    /// Its name for people.
    pub(super) fn title(&self) -> Option<&str> {
        let title = self.title.as_str().or_else(|| self.annotations["title"].as_str());
        title.filter(|title| !title.trim().is_empty())
    }

    /// What people call a resource: its title, or else its name.
    pub(super) fn title_or_name(&self) -> Option<&str> {
        let name = || self.name.as_str().filter(|name| !name.trim().is_empty());
        self.title().or_else(name)
    }

    /// What people call one of a kind.
    pub(super) fn title_of(&self, what: What) -> Option<&str> {
        match what {
            What::Tool | What::Prompt => self.title(),
            What::Resource => self.title_or_name(),
        }
    }

    /// What it does.
    pub(super) fn description(&self) -> &str {
        self.description.as_str().unwrap_or_default()
    }

    /// What its server says is in a resource, like `text/plain`.
    pub(super) fn mime_type(&self) -> Option<&str> {
        self.mime_type.as_str().filter(|kind| !kind.is_empty())
    }

    /// What its server says a tool does to the world; only a hint (MCP, tool annotations).
    pub(super) fn hint(&self) -> Option<(&'static str, &'static str)> {
        let says = |name: &str| self.annotations[name].as_bool();
        match (says("readOnlyHint"), says("destructiveHint")) {
            (Some(true), _) => Some(("good", "Only reads")),
            (_, Some(true)) => Some(("warn", "May destroy")),
            _ => None,
        }
    }

    /// What a prompt can be filled in with, the first fifty.
    pub(super) fn arguments(&self) -> impl Iterator<Item = Argument<'_>> {
        let all = self.arguments.as_array().into_iter().flatten();
        all.filter_map(|argument| {
            Some(Argument {
                name: argument["name"].as_str()?,
                title: argument["title"].as_str(),
                description: argument["description"].as_str().unwrap_or_default(),
                is_required: argument["required"].as_bool() == Some(true),
            })
        })
        .take(ARGUMENTS_MAX)
    }

    /// Whether its title, name or description has this text, in lower case.
    pub(super) fn mentions(&self, wanted: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(wanted);
        self.title_or_name().is_some_and(has) || has(self.description())
    }
}
