//! What the modes of a gateway are called, and what they mean to those who choose.

use gatewright_domain::gateway::{GatewayStatus, Mode};

use crate::dashboard::list::{ACTIVE, Badge, INACTIVE};

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

/// The modes, the recommended one first.
pub(super) const MODES: [ModeChoice; 3] = [
    ModeChoice {
        mode: Mode::UserSource,
        value: Mode::UserSource.as_str(),
        label: "People of your identity provider",
        mark: "Recommended",
        who: "They sign in where they always do, at the provider of a user source. Nobody has to be added here.",
        clients: "Clients open a browser once per person: Claude, Cursor, VS Code, ChatGPT and everything else that speaks OAuth.",
    },
    ModeChoice {
        mode: Mode::ProjectMembers,
        value: Mode::ProjectMembers.as_str(),
        label: "Members of this project",
        mark: "For development",
        who: "They sign in with their Gatewright account. Good for trying things out and for tools of your own team.",
        clients: "Clients open a browser once per person, as above.",
    },
    ModeChoice {
        mode: Mode::Headers,
        value: Mode::Headers.as_str(),
        label: "Whoever a program names",
        mark: "Fallback",
        who: "Every request carries an API key of role Gateway and the id of a user. Gatewright believes the program.",
        clients: "For agents on servers that cannot open a browser. People's own clients need the key in their configuration.",
    },
];

/// Who the users of a gateway of this mode are, in words.
pub(crate) const fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::ProjectMembers => "Project members",
        Mode::UserSource => "User source",
        Mode::Headers => "Headers",
    }
}

/// The badge of a status.
pub(super) const fn status_badge(status: GatewayStatus) -> Badge {
    match status {
        GatewayStatus::Active => ACTIVE,
        GatewayStatus::Inactive => INACTIVE,
    }
}

/// What a number counts: "1 session", "2 sessions".
pub(super) fn counted(count: i64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}
