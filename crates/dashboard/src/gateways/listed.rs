//! What a server lists of a kind, as its part of the form of a gateway needs it.

use super::kind::Kind;
use crate::{
    relying_party::check::Finding,
    service::server_checks::{Prompt, Resource, ServerCheck, ShownAs, Tool},
};

/// What a server lists of a kind.
pub(super) struct Listed<'a> {
    pub(super) items: Vec<Item<'a>>,
    /// Why some of it, or all, is not known.
    pub(super) problem: Option<&'a Finding>,
}

/// Something that a server lists.
pub(super) struct Item<'a> {
    pub(super) key: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) is_template: bool,
    /// How clients see its name; `None` for what they know by its URI.
    pub(super) shown_as: Option<&'a ShownAs>,
}

impl<'a> Listed<'a> {
    pub(super) fn of(check: &'a ServerCheck, kind: Kind) -> Self {
        let answered = match &check.outcome {
            Ok(answered) => answered,
            Err(why) => {
                return Self {
                    items: Vec::new(),
                    problem: Some(why),
                };
            }
        };
        match kind {
            Kind::Tools => Self {
                items: answered.tools.iter().map(Item::of_tool).collect(),
                problem: None,
            },
            Kind::Prompts => {
                let prompts = answered.prompts.as_ref();
                Self {
                    items: prompts.map_or_else(
                        |_| Vec::new(),
                        |prompts| prompts.items.iter().map(Item::of_prompt).collect(),
                    ),
                    problem: prompts.err(),
                }
            }
            Kind::Resources => {
                let lists = [&answered.resources, &answered.resource_templates];
                let known = lists.into_iter().filter_map(|list| list.as_ref().ok());
                Self {
                    items: known
                        .flat_map(|list| &list.items)
                        .map(Item::of_resource)
                        .collect(),
                    problem: lists.into_iter().find_map(|list| list.as_ref().err()),
                }
            }
        }
    }
}

impl<'a> Item<'a> {
    fn of_tool(tool: &'a Tool) -> Self {
        Self {
            key: &tool.name,
            title: tool.title.as_deref().unwrap_or_default(),
            description: &tool.description,
            is_template: false,
            shown_as: Some(&tool.shown_as),
        }
    }

    fn of_prompt(prompt: &'a Prompt) -> Self {
        Self {
            key: &prompt.name,
            title: prompt.title.as_deref().unwrap_or_default(),
            description: &prompt.description,
            is_template: false,
            shown_as: Some(&prompt.shown_as),
        }
    }

    fn of_resource(resource: &'a Resource) -> Self {
        Self {
            key: &resource.uri,
            title: resource.title.as_deref().unwrap_or(&resource.name),
            description: &resource.description,
            is_template: resource.is_template,
            shown_as: None,
        }
    }

    /// The names that clients see, with a prefix and without one.
    pub(super) fn shown(&self, is_prefixed: bool) -> &'a str {
        self.shown_as.map_or(self.key, |shown| shown.name(is_prefixed))
    }

    /// Whether its name or URI, title or description contains a text in lower case.
    pub(super) fn matches(&self, filter: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(filter);
        filter.is_empty() || has(self.key) || has(self.title) || has(self.description)
    }
}
