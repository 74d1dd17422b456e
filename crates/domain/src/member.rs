//! Members: accounts in a project, each with a role.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    api_key::KeyRole,
    id::{AccountId, ProjectId},
    words::worded,
};

/// An account in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The project.
    pub project_id: ProjectId,
    /// The account.
    pub account_id: AccountId,
    /// Its role there.
    pub role: Role,
    /// When it became a member.
    pub created_at: Timestamp,
    /// When its role last changed.
    pub updated_at: Timestamp,
}

impl Member {
    /// An account that becomes a member at this time.
    pub const fn new(project_id: ProjectId, account_id: AccountId, role: Role, at: Timestamp) -> Self {
        Self {
            project_id,
            account_id,
            role,
            created_at: at,
            updated_at: at,
        }
    }
}

worded! {
    /// The role of a member.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub enum Role {
        /// Reads.
        Viewer = "viewer", "Viewer";
        /// Reads and changes.
        Admin = "admin", "Admin";
        /// Reads, changes, and manages keys, members and the project itself.
        Owner = "owner", "Owner";
    }
}

/// A member and a key with the same role have the same permissions.
impl From<Role> for KeyRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
        }
    }
}

/// Whether a project with `owners` owners can lose one by this change of a member's role (`None`: the member is removed). A
/// project that has an owner keeps one.
pub const fn leaves_an_owner(owners: usize, before: Role, after: Option<Role>) -> bool {
    let loses_one = matches!(before, Role::Owner) && !matches!(after, Some(Role::Owner));
    !loses_one || owners > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_owner_stays_and_everyone_else_may_change() {
        assert!(!leaves_an_owner(1, Role::Owner, None));
        assert!(!leaves_an_owner(1, Role::Owner, Some(Role::Admin)));
        assert!(leaves_an_owner(1, Role::Owner, Some(Role::Owner)));
        assert!(leaves_an_owner(2, Role::Owner, None));
        assert!(leaves_an_owner(1, Role::Viewer, None));
        assert!(leaves_an_owner(0, Role::Viewer, Some(Role::Owner)));
    }

    #[test]
    fn roles_are_ordered_by_power_like_those_of_keys() {
        assert!(Role::Viewer < Role::Admin && Role::Admin < Role::Owner);
        for role in [Role::Viewer, Role::Admin, Role::Owner] {
            assert_eq!(role.as_str(), KeyRole::from(role).as_str());
        }
    }
}
