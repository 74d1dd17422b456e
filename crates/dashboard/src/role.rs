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
        value: Role::Viewer.as_str(),
        label: Role::Viewer.label(),
        means: "Sees everything in the project but secrets, and changes nothing.",
    },
    RoleChoice {
        value: Role::Admin.as_str(),
        label: Role::Admin.label(),
        means: "Also changes gateways, User Sources, servers, secrets and users.",
    },
    RoleChoice {
        value: Role::Owner.as_str(),
        label: Role::Owner.label(),
        means: "Also manages members, API keys and the project itself.",
    },
];

/// Roles of keys: those of members, and the one that opens gateways and nothing else.
pub(super) const KEY_ROLES: [RoleChoice; 4] = [
    RoleChoice {
        value: KeyRole::Gateway.as_str(),
        label: KeyRole::Gateway.label(),
        means: "Acts for end users at gateways in Headers mode, and has no access to the API. The only role for client configurations.",
    },
    RoleChoice {
        value: KeyRole::Viewer.as_str(),
        label: KeyRole::Viewer.label(),
        means: "Reads everything in the project but secrets.",
    },
    RoleChoice {
        value: KeyRole::Admin.as_str(),
        label: KeyRole::Admin.label(),
        means: "Also changes gateways, User Sources, servers, secrets and users.",
    },
    RoleChoice {
        value: KeyRole::Owner.as_str(),
        label: KeyRole::Owner.label(),
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
