//! Who asks for an administrative action, and what they may do. Asking returns a permit, without which the store does not
//! open and no change begins.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use gatewright_domain::{
    Timestamp,
    api_key::{ApiKey, KeyRole, KeyScope},
    audit::{Actor, ActorKind, Origin},
    id::{AccountId, AccountSessionId, ProjectId},
    member::Role,
};

use super::{ServiceError, account_sessions::Session, once::Once};

mod bounds;
mod permit;
mod standing;
#[cfg(test)]
mod tests;

pub(crate) use permit::{MayChange, MayRead, MayReadIn, MayReadInstance, Reads, Writes, before_sign_in};

/// A caller who administers, and what is open to them.
#[derive(Debug, Clone)]
pub struct Authority {
    actor: Actor,
    access: Access,
    ends_at: Option<Timestamp>,
    once: Option<Arc<Once>>,
}

/// What is open to a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// Everything: a shell on the machine, or the program itself.
    Everything,
    /// Projects as such, and nothing inside them.
    Instance,
    /// One project, up to a role.
    Project(ProjectId, KeyRole),
    /// What an account is a member of; projects as such for administrators of the instance.
    Account(SignedIn),
}

/// An account at the moment of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SignedIn {
    /// Which.
    account: AccountId,
    /// Through which session.
    session: Option<AccountSessionId>,
    is_instance_admin: bool,
    roles: HashMap<ProjectId, Role>,
}

/// Which projects a caller may see in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible {
    /// All of them.
    All,
    /// One.
    Only(ProjectId),
    /// Those this account is a member of.
    OfAccount(AccountId),
}

impl Authority {
    /// Someone with a shell on the machine.
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
                    "A key of role `gateway` acts for end users at gateways and has no access to the API, because it is \
                     stored in client configurations. Use a key of role `viewer`, `admin` or `owner`."
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

    /// A signed-in account, with the roles it has at this moment. `origin` is the dashboard for its pages, and the API
    /// for requests that pages send there.
    pub fn of_session(session: &Session, address: IpAddr, origin: Origin) -> Self {
        let roles = session
            .memberships
            .iter()
            .map(|membership| (membership.project_id, membership.role));
        let access = Access::Account(SignedIn {
            account: session.account.id,
            session: Some(session.session.id),
            is_instance_admin: session.account.is_instance_admin,
            roles: roles.collect(),
        });
        Self {
            actor: Self::account_actor(session.account.id, address, origin),
            access,
            ends_at: None,
            once: None,
        }
    }

    /// An account that has proved who it is and has no session yet. It opens only itself.
    pub(super) fn of_newcomer(account: AccountId, address: IpAddr) -> Self {
        Self {
            actor: Self::account_actor(account, address, Origin::Dashboard),
            access: Access::Account(SignedIn {
                account,
                session: None,
                is_instance_admin: false,
                roles: HashMap::new(),
            }),
            ends_at: None,
            once: None,
        }
    }

    fn account_actor(account: AccountId, address: IpAddr, origin: Origin) -> Actor {
        Actor {
            kind: ActorKind::Account(account),
            address: Some(address.to_string()),
            origin,
        }
    }

    /// When it expires. Nothing it makes may grant access after that.
    pub(super) const fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }

    /// Who it is, for the audit trail.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The session it asks through.
    pub fn session(&self) -> Option<AccountSessionId> {
        match &self.access {
            Access::Account(signed_in) => signed_in.session,
            Access::Everything | Access::Instance | Access::Project(..) => None,
        }
    }

    /// What the caller may do in a project, for pages that show only what is open.
    pub fn role_in(&self, project: ProjectId) -> Option<KeyRole> {
        match &self.access {
            Access::Everything => Some(KeyRole::Owner),
            Access::Instance => None,
            Access::Project(own, role) => (*own == project).then_some(*role),
            Access::Account(signed_in) => signed_in.roles.get(&project).map(|role| (*role).into()),
        }
    }

    /// Whether projects and accounts of the instance are open.
    pub const fn manages_instance(&self) -> bool {
        match &self.access {
            Access::Everything | Access::Instance => true,
            Access::Project(..) => false,
            Access::Account(signed_in) => signed_in.is_instance_admin,
        }
    }

    /// May look into a project.
    pub(super) fn read(&self, project: ProjectId) -> Result<MayRead, ServiceError> {
        self.inside(project, KeyRole::Viewer)?;
        Ok(MayRead::of(project))
    }

    /// May read in a project, or (`None`) what belongs to the instance.
    pub(super) fn read_in(&self, project: Option<ProjectId>) -> Result<MayReadIn, ServiceError> {
        match project {
            Some(project) => self.read(project).map(MayReadIn::from),
            None => self.read_instance().map(MayReadIn::from),
        }
    }

    /// May do in a project what only those do who may change it, such as sending requests to its servers, without a change.
    pub(super) fn act(&self, project: ProjectId) -> Result<MayRead, ServiceError> {
        self.change(project).map(|_| MayRead::of(project))
    }

    /// May change what is in a project.
    pub(super) fn change(&self, project: ProjectId) -> Result<MayChange<'_>, ServiceError> {
        self.inside(project, KeyRole::Admin)?;
        self.go_on(Some(project))
    }

    /// May manage a project's keys and members.
    pub(super) fn own(&self, project: ProjectId) -> Result<MayChange<'_>, ServiceError> {
        self.inside(project, KeyRole::Owner)?;
        self.go_on(Some(project))
    }

    /// May create projects and manage keys and accounts of the instance.
    pub(super) fn instance(&self) -> Result<MayChange<'_>, ServiceError> {
        self.of_instance()?;
        self.go_on(None)
    }

    /// May read what belongs to the instance.
    pub(super) fn read_instance(&self) -> Result<MayReadInstance, ServiceError> {
        self.of_instance()?;
        Ok(MayReadInstance::granted())
    }

    fn of_instance(&self) -> Result<(), ServiceError> {
        if self.manages_instance() {
            return Ok(());
        }
        Err(ServiceError::Forbidden(match self.access {
            Access::Account(_) => "This needs an administrator of the instance. Ask one of them.".to_owned(),
            Access::Everything | Access::Instance | Access::Project(..) => {
                "This needs an instance key: a project key opens its own project only.".to_owned()
            }
        }))
    }

    /// May read the project itself: its own members, and those who manage projects.
    pub(super) fn read_project(&self, project: ProjectId) -> Result<MayRead, ServiceError> {
        if self.manages_instance() {
            return Ok(MayRead::of(project));
        }
        self.read(project)
    }

    /// May rename and delete the project itself.
    pub(super) fn manage_project(&self, project: ProjectId) -> Result<MayChange<'_>, ServiceError> {
        if self.manages_instance() {
            return Ok(MayChange::of(self, Some(project)));
        }
        self.own(project)
    }

    /// The projects that are open, and the permit to list them.
    pub(super) fn visible_projects(&self) -> (Visible, MayReadIn) {
        let visible = match &self.access {
            Access::Everything | Access::Instance => Visible::All,
            Access::Project(project, _) => {
                return (Visible::Only(*project), MayRead::of(*project).into());
            }
            Access::Account(signed_in) if signed_in.is_instance_admin => Visible::All,
            Access::Account(signed_in) => Visible::OfAccount(signed_in.account),
        };
        (visible, MayReadInstance::granted().into())
    }

    /// Whether this is an instance key, which manages projects and nothing inside them.
    pub(super) fn is_instance_key(&self) -> bool {
        self.access == Access::Instance
    }

    fn inside(&self, project: ProjectId, needed: KeyRole) -> Result<(), ServiceError> {
        match &self.access {
            Access::Instance => Err(ServiceError::Forbidden(
                "An instance key manages projects and opens nothing inside them. Use a key of the project; an instance \
                 key can create the project's first one."
                    .to_owned(),
            )),
            // Another project's things are as absent as things that never were.
            Access::Project(own, _) if *own != project => Err(ServiceError::not_found("project")),
            Access::Project(_, role) if *role < needed => Err(ServiceError::Forbidden(format!(
                "This needs a key of role `{}` or higher; this key is of role `{}`.",
                needed.as_str(),
                role.as_str()
            ))),
            Access::Everything | Access::Project(..) => Ok(()),
            Access::Account(signed_in) => signed_in.inside(project, needed),
        }
    }
}

impl SignedIn {
    fn inside(&self, project: ProjectId, needed: KeyRole) -> Result<(), ServiceError> {
        match self.roles.get(&project) {
            Some(role) if KeyRole::from(*role) >= needed => Ok(()),
            Some(role) => Err(ServiceError::Forbidden(format!(
                "This needs the role `{}` or higher; you are `{}` in this project. Ask an owner of the project.",
                needed.as_str(),
                role.as_str()
            ))),
            None if self.is_instance_admin => Err(ServiceError::Forbidden(
                "You manage this project from outside and are not a member of it. Add yourself as a member first; the audit \
                 log will say so."
                    .to_owned(),
            )),
            None => Err(ServiceError::not_found("project")),
        }
    }
}
