//! What can be tried: a tool, a prompt or a resource.

use gatewright_mcp::listing::ListKind;

/// What is listed and tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Tool,
    Prompt,
    Resource,
}

impl What {
    /// The last part of the address of its list.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Tool => "try",
            Self::Prompt => "try-prompts",
            Self::Resource => "try-resources",
        }
    }

    /// What one is called.
    pub(super) const fn singular(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }

    /// The heading of a list of them.
    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::Tool => "Tools",
            Self::Prompt => "Prompts",
            Self::Resource => "Resources",
        }
    }

    /// The lists it is found in.
    pub(super) const fn lists(self) -> &'static [ListKind] {
        match self {
            Self::Tool => &[ListKind::Tools],
            Self::Prompt => &[ListKind::Prompts],
            Self::Resource => &[ListKind::Resources, ListKind::ResourceTemplates],
        }
    }

    /// What is done with it.
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Tool => "Call",
            Self::Prompt => "Get",
            Self::Resource => "Read",
        }
    }

    /// The value of the button that does it.
    pub(super) const fn step(self) -> &'static str {
        match self {
            Self::Tool => "call",
            Self::Prompt => "get",
            Self::Resource => "read",
        }
    }
}
