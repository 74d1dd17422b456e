//! What the modes of a gateway are called, and what they mean to those who choose.

use gatewright_domain::gateway::{GatewayStatus, Mode};

use crate::list::{ACTIVE, Badge, INACTIVE};

/// A mode to choose.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModeChoice {
    /// The mode.
    pub(super) mode: Mode,
    /// The name in the API.
    pub(super) value: &'static str,
    /// The name here.
    pub(super) label: &'static str,
    /// A word beside it: for what it is.
    pub(super) mark: &'static str,
    /// Who the users are.
    pub(super) who: &'static str,
    /// What it means for their clients.
    pub(super) clients: &'static str,
}

/// The modes, in the order in which the product names them.
pub(super) const MODES: [ModeChoice; 3] = [
    ModeChoice {
        mode: Mode::ProjectMembers,
        value: Mode::ProjectMembers.as_str(),
        label: Mode::ProjectMembers.label(),
        mark: "For development",
        who: "Members of this project sign in with their Gatewright account. For trying things out and for your own team's tools.",
        clients: "Clients open a browser once per person.",
    },
    ModeChoice {
        mode: Mode::UserSource,
        value: Mode::UserSource.as_str(),
        label: Mode::UserSource.label(),
        mark: "Recommended for production",
        who: "Your end users sign in at your own identity provider. You do not have to add anyone here.",
        clients: "Clients open a browser once per person: Claude, Cursor, VS Code, ChatGPT and every other client with OAuth.",
    },
    ModeChoice {
        mode: Mode::Headers,
        value: Mode::Headers.as_str(),
        label: Mode::Headers.label(),
        mark: "Fallback",
        who: "Every request carries an API key of role Gateway and the ID of a user. Gatewright trusts the program that sends it.",
        clients: "For agents on servers that cannot open a browser. A person's own client needs the key in its configuration.",
    },
];

/// The badge of a status.
pub(super) const fn status_badge(status: GatewayStatus) -> Badge {
    match status {
        GatewayStatus::Active => ACTIVE,
        GatewayStatus::Inactive => INACTIVE,
    }
}
