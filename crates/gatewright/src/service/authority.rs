//! Who asks for an administrative action, and what they may do. Every service function begins by asking.

use std::sync::Arc;

use gatewright_domain::{
    Timestamp,
    api_key::{ApiKey, KeyRole, KeyScope},
    audit::{Actor, ActorKind, Origin},
    id::ProjectId,
};

use super::{ServiceError, once::Once};

/// Somebody who administers, and what is open to them.
#[derive(Debug, Clone)]
pub struct Authority {
    actor: Actor,
    access: Access,
    ends_at: Option<Timestamp>,
    once: Option<Arc<Once>>,
}

/// What is open to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everything: a shell on the machine, or the program itself.
    Everything,
    /// Projects as such, and nothing inside them.
    Instance,
    /// One project, up to a role.
    Project(ProjectId, KeyRole),
}

impl Authority {
    /// Somebody with a shell on the machine.
    pub const fn operator(origin: Origin) -> Self {
        Self {
            actor: Actor {
                kind: ActorKind::Operator,
                address: None,
                origin,
            },
            access: Access::Everything,
            ends_at: None,
            once: None,
        }
    }

    /// The holder of an API key, which the caller has found to be live. A key of role `gateway` opens nothing here.
    pub fn of_key(key: &ApiKey, address: Option<String>) -> Result<Self, ServiceError> {
        let access = match key.scope {
            KeyScope::Instance => Access::Instance,
            KeyScope::Project {
                role: KeyRole::Gateway,
                ..
            } => {
                return Err(ServiceError::Forbidden(
                    "A key of role `gateway` speaks for end users at gateways and opens nothing in the API, because it \
                     sits in client configurations. Use a key of role `viewer`, `admin` or `owner`."
                        .to_owned(),
                ));
            }
            KeyScope::Project { project_id, role, .. } => Access::Project(project_id, role),
        };
        Ok(Self {
            actor: Actor {
                kind: ActorKind::ApiKey(key.id),
                address,
                origin: Origin::Api,
            },
            access,
            ends_at: key.expires_at,
            once: None,
        })
    }

    /// The same, for a creation that happens once.
    #[must_use]
    pub fn for_once(self, once: Arc<Once>) -> Self {
        let once = Some(once);
        Self { once, ..self }
    }

    /// The creation that happens once, if this is for one.
    pub(super) fn once(&self) -> Option<&Once> {
        self.once.as_deref()
    }

    /// When it ends by itself. Nothing it makes may go on opening doors after that.
    pub(super) const fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }

    /// Who it is, for the audit trail.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// May look into a project.
    pub(super) fn read(&self, project: ProjectId) -> Result<(), ServiceError> {
        self.inside(project, KeyRole::Viewer)
    }

    /// May change what is in a project.
    pub(super) fn change(&self, project: ProjectId) -> Result<(), ServiceError> {
        self.inside(project, KeyRole::Admin)
    }

    /// May manage a project's keys.
    pub(super) fn own(&self, project: ProjectId) -> Result<(), ServiceError> {
        self.inside(project, KeyRole::Owner)
    }

    /// May create projects and manage the keys of the instance.
    pub(super) fn instance(&self) -> Result<(), ServiceError> {
        match self.access {
            Access::Everything | Access::Instance => Ok(()),
            Access::Project(..) => Err(ServiceError::Forbidden(
                "This needs an instance key: a project key opens its own project only.".to_owned(),
            )),
        }
    }

    /// May read the project itself: its own members, and those who manage projects.
    pub(super) fn read_project(&self, project: ProjectId) -> Result<(), ServiceError> {
        match self.access {
            Access::Everything | Access::Instance => Ok(()),
            Access::Project(..) => self.read(project),
        }
    }

    /// May rename and delete the project itself.
    pub(super) fn manage_project(&self, project: ProjectId) -> Result<(), ServiceError> {
        match self.access {
            Access::Everything | Access::Instance => Ok(()),
            Access::Project(..) => self.own(project),
        }
    }

    /// The only project that is open, if it is not all of them.
    pub(super) const fn only_project(&self) -> Option<ProjectId> {
        match self.access {
            Access::Everything | Access::Instance => None,
            Access::Project(project, _) => Some(project),
        }
    }

    /// Whether this is an instance key, which manages projects and nothing inside them.
    pub(super) fn is_instance_key(&self) -> bool {
        self.access == Access::Instance
    }

    fn inside(&self, project: ProjectId, needed: KeyRole) -> Result<(), ServiceError> {
        match self.access {
            Access::Instance => Err(ServiceError::Forbidden(
                "An instance key manages projects and opens nothing inside them. Use a key of the project; an instance \
                 key can create the project's first one."
                    .to_owned(),
            )),
            // Another project's things are as absent as things that never were.
            Access::Project(own, _) if own != project => Err(ServiceError::not_found("project")),
            Access::Project(_, role) if role < needed => Err(ServiceError::Forbidden(format!(
                "This needs a key of role `{}` or higher; this key is of role `{}`.",
                needed.as_str(),
                role.as_str()
            ))),
            Access::Everything | Access::Project(..) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy, id::ApiKeyId, token_hash::TokenHash};

    use super::*;

    fn key(scope: KeyScope) -> ApiKey {
        ApiKey {
            id: ApiKeyId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1)),
            scope,
            name: "key".to_owned(),
            hash: TokenHash::of("key"),
            expires_at: None,
            created_at: Timestamp::default(),
            last_used_at: None,
            revoked_at: None,
            successor_id: None,
        }
    }

    fn project(seed: u64) -> ProjectId {
        ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(seed))
    }

    fn of_role(role: KeyRole) -> Result<Authority, ServiceError> {
        let scope = KeyScope::Project {
            project_id: project(1),
            role,
            gateway_id: None,
        };
        Authority::of_key(&key(scope), None)
    }

    #[test]
    fn each_role_opens_what_it_names_and_no_more() {
        let opens = |role| {
            let authority = of_role(role).unwrap();
            [
                authority.read(project(1)).is_ok(),
                authority.change(project(1)).is_ok(),
                authority.own(project(1)).is_ok(),
                authority.instance().is_ok(),
            ]
        };
        assert_eq!(opens(KeyRole::Viewer), [true, false, false, false]);
        assert_eq!(opens(KeyRole::Admin), [true, true, false, false]);
        assert_eq!(opens(KeyRole::Owner), [true, true, true, false]);
        assert!(matches!(
            of_role(KeyRole::Gateway),
            Err(ServiceError::Forbidden(_))
        ));
    }

    #[test]
    fn another_project_is_not_there() {
        let authority = of_role(KeyRole::Owner).unwrap();
        assert!(matches!(
            authority.read(project(2)),
            Err(ServiceError::NotFound { .. })
        ));
        assert!(matches!(
            authority.read_project(project(2)),
            Err(ServiceError::NotFound { .. })
        ));
    }

    #[test]
    fn an_instance_key_opens_projects_and_nothing_inside() {
        let authority = Authority::of_key(&key(KeyScope::Instance), None).unwrap();
        assert!(authority.instance().is_ok() && authority.manage_project(project(1)).is_ok());
        assert!(matches!(
            authority.read(project(1)),
            Err(ServiceError::Forbidden(_))
        ));
    }
}
