//! What roles of members and keys are called, and what they mean.

use gatewright_domain::{api_key::KeyRole, member::Role};

/// A role to choose.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoleChoice {
    /// The name in the API.
    pub(super) value: &'static str,
    /// The name here.
    pub(super) label: &'static str,
    /// What it allows, in a sentence.
    pub(super) means: &'static str,
}

/// Roles of members, the least first.
pub(super) const MEMBER_ROLES: [RoleChoice; 3] = [
    RoleChoice {
        value: "viewer",
        label: "Viewer",
        means: "Sees everything in the project but secrets, and changes nothing.",
    },
    RoleChoice {
        value: "admin",
        label: "Admin",
        means: "Also changes gateways, User Sources, servers, secrets and users.",
    },
    RoleChoice {
        value: "owner",
        label: "Owner",
        means: "Also manages members, API keys and the project itself.",
    },
];

/// Roles of keys: those of members, and the one that opens gateways and nothing else.
pub(super) const KEY_ROLES: [RoleChoice; 4] = [
    RoleChoice {
        value: "gateway",
        label: "Gateway",
        means: "Speaks for end users at gateways in Headers mode, and opens nothing in the API. The only role for client configurations.",
    },
    RoleChoice {
        value: "viewer",
        label: "Viewer",
        means: "Reads everything in the project but secrets.",
    },
    RoleChoice {
        value: "admin",
        label: "Admin",
        means: "Also changes gateways, User Sources, servers, secrets and users.",
    },
    RoleChoice {
        value: "owner",
        label: "Owner",
        means: "Also manages members, API keys and the project itself.",
    },
];

/// A role of a member, with its words.
pub(super) const fn of_member(role: Role) -> RoleChoice {
    match role {
        Role::Viewer => MEMBER_ROLES[0],
        Role::Admin => MEMBER_ROLES[1],
        Role::Owner => MEMBER_ROLES[2],
    }
}

/// A role of a key, with its words.
pub(super) const fn of_key(role: KeyRole) -> RoleChoice {
    match role {
        KeyRole::Gateway => KEY_ROLES[0],
        KeyRole::Viewer => KEY_ROLES[1],
        KeyRole::Admin => KEY_ROLES[2],
        KeyRole::Owner => KEY_ROLES[3],
    }
}

/// The role of a member that a form names.
pub(super) fn member_of_word(word: &str) -> Option<Role> {
    [Role::Viewer, Role::Admin, Role::Owner]
        .into_iter()
        .find(|role| role.as_str() == word)
}

/// The role of a key that a form names.
pub(super) fn key_of_word(word: &str) -> Option<KeyRole> {
    [KeyRole::Gateway, KeyRole::Viewer, KeyRole::Admin, KeyRole::Owner]
        .into_iter()
        .find(|role| role.as_str() == word)
}
