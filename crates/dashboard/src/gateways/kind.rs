//! The kinds of things of which a gateway's form says which are offered: what they are called, and the form's fields for them.

use gatewright_domain::{
    gateway::{Allowed, AllowedPrompt, AllowedResource, AllowedTool, Gateway},
    id::ServerId,
};

/// A kind of things that gateways offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tools,
    Prompts,
    Resources,
}

/// The form's fields for a kind.
#[derive(Debug)]
pub(super) struct Names {
    /// Whether all, chosen ones or none are offered.
    pub(super) which: &'static str,
    /// The checkbox of an item that is shown: the server's ID, a space, its name or URI.
    pub(super) tick: &'static str,
    /// What is chosen at a server and not shown: its id, then the names, each on a line. No name has a line break in it.
    pub(super) carried: &'static str,
    /// A server at which what the gateway has stays chosen.
    pub(super) kept: &'static str,
    /// A server whose items are shown, and after how many of them: its ID, a space, a number.
    pub(super) open: &'static str,
    /// The search text.
    pub(super) filter: &'static str,
    /// What they were looked for by last.
    pub(super) filtered_by: &'static str,
    /// Shows those of a server, or searches for the text of the filter.
    pub(super) look: &'static str,
    /// Chooses all or none at a server.
    pub(super) choose: &'static str,
}

const TOOLS: Names = Names {
    which: "which_tools",
    tick: "tool",
    carried: "tools",
    kept: "kept",
    open: "open",
    filter: "tool_filter",
    filtered_by: "filtered_by",
    look: "look",
    choose: "choose",
};

const PROMPTS: Names = Names {
    which: "which_prompts",
    tick: "prompt",
    carried: "prompts",
    kept: "kept_prompts",
    open: "open_prompts",
    filter: "prompt_filter",
    filtered_by: "prompts_filtered_by",
    look: "look_prompts",
    choose: "choose_prompts",
};

const RESOURCES: Names = Names {
    which: "which_resources",
    tick: "resource",
    carried: "resources",
    kept: "kept_resources",
    open: "open_resources",
    filter: "resource_filter",
    filtered_by: "resources_filtered_by",
    look: "look_resources",
    choose: "choose_resources",
};

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    pub(super) const fn names(self) -> &'static Names {
        match self {
            Self::Tools => &TOOLS,
            Self::Prompts => &PROMPTS,
            Self::Resources => &RESOURCES,
        }
    }

    /// What people call one.
    pub(super) const fn singular(self) -> &'static str {
        match self {
            Self::Tools => AllowedTool::SINGULAR,
            Self::Prompts => AllowedPrompt::SINGULAR,
            Self::Resources => AllowedResource::SINGULAR,
        }
    }

    /// What people call several.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Tools => AllowedTool::PLURAL,
            Self::Prompts => AllowedPrompt::PLURAL,
            Self::Resources => AllowedResource::PLURAL,
        }
    }

    /// The heading above them.
    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::Tools => "Tools",
            Self::Prompts => "Prompts",
            Self::Resources => "Resources",
        }
    }

    /// What they are to those who use the gateway.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Tools => "What clients and their models see of these servers.",
            Self::Prompts => "Texts that people can start with.",
            Self::Resources => {
                "What clients can read by its URI. A template describes every URI that matches it."
            }
        }
    }

    /// The list of a gateway that names them, as the service calls it.
    pub(super) const fn list(self) -> &'static str {
        match self {
            Self::Tools => AllowedTool::LIST,
            Self::Prompts => AllowedPrompt::LIST,
            Self::Resources => AllowedResource::LIST,
        }
    }

    /// What the ids of a server's part of the form begin with.
    pub(super) const fn node(self) -> &'static str {
        match self {
            Self::Tools => "node",
            Self::Prompts => "prompt-node",
            Self::Resources => "resource-node",
        }
    }

    /// Whether a gateway offers them at all.
    pub(super) const fn is_offered(self, gateway: &Gateway) -> bool {
        match self {
            Self::Tools => gateway.offers.tools,
            Self::Prompts => gateway.offers.prompts,
            Self::Resources => gateway.offers.resources,
        }
    }

    /// Those a gateway names; with none it offers all.
    pub(super) fn named(self, gateway: &Gateway) -> Vec<(ServerId, &str)> {
        fn of<A: Allowed>(allowed: &[A]) -> Vec<(ServerId, &str)> {
            allowed
                .iter()
                .map(|allowed| (allowed.server(), allowed.key()))
                .collect()
        }
        match self {
            Self::Tools => of(&gateway.allowed_tools),
            Self::Prompts => of(&gateway.allowed_prompts),
            Self::Resources => of(&gateway.allowed_resources),
        }
    }
}
