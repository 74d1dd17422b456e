//! Permits: values that say that an [`Authority`] was asked and allows something. Only the functions in `authority` make
//! them, the store opens only for them, and a change begins only with one, so a service function without a check does not
//! compile.

use gatewright_domain::{
    api_key::KeyRole,
    id::{AccountId, AccountSessionId, ProjectId},
};

use super::{Access, Authority};
use crate::service::ServiceError;

/// May read what is in one project.
#[derive(Debug, Clone, Copy)]
#[must_use = "a check whose permit opens nothing protects nothing"]
pub struct MayRead {
    project: ProjectId,
}

/// May read what belongs to the instance, which includes the list of all projects.
#[derive(Debug, Clone, Copy)]
#[must_use = "a check whose permit opens nothing protects nothing"]
pub(crate) struct MayReadInstance(());

/// May read in a project, or (`None`) what belongs to the instance, for what exists in both.
#[derive(Debug, Clone, Copy)]
#[must_use = "a check whose permit opens nothing protects nothing"]
pub(crate) struct MayReadIn(Option<ProjectId>);

/// May change something, in a project or (`None`) of the instance. It names who does it, for the audit trail.
#[derive(Debug, Clone, Copy)]
#[must_use = "a check whose permit opens nothing protects nothing"]
pub(crate) struct MayChange<'a> {
    authority: &'a Authority,
    project: Option<ProjectId>,
}

/// May read and change what belongs to the account that is signed in.
#[derive(Debug, Clone, Copy)]
#[must_use = "a check whose permit opens nothing protects nothing"]
pub(crate) struct Oneself<'a> {
    authority: &'a Authority,
    /// The account.
    pub(crate) account: AccountId,
    /// The session through which it asks.
    pub(crate) session: Option<AccountSessionId>,
}

/// What the store and the process do before they know who is calling: look up what proves it (a key, password, link or identity),
/// keep the result of that, and note refusals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeforeSignIn(());

/// A permit to read the store.
pub(crate) trait Reads: Copy + Send {
    /// The only project that it opens; `None` if it is not about one.
    fn only_project(self) -> Option<ProjectId>;
}

impl Reads for MayRead {
    fn only_project(self) -> Option<ProjectId> {
        Some(self.project)
    }
}

impl Reads for MayReadInstance {
    fn only_project(self) -> Option<ProjectId> {
        None
    }
}

impl Reads for MayReadIn {
    fn only_project(self) -> Option<ProjectId> {
        self.0
    }
}

impl Reads for MayChange<'_> {
    fn only_project(self) -> Option<ProjectId> {
        self.project
    }
}

impl Reads for Oneself<'_> {
    fn only_project(self) -> Option<ProjectId> {
        None
    }
}

impl Reads for BeforeSignIn {
    fn only_project(self) -> Option<ProjectId> {
        None
    }
}

/// A permit to write the store directly, outside a [`Change`](crate::service::change::Change), which most writing is part of.
pub(crate) trait Writes: Reads {}

impl Writes for MayChange<'_> {}
impl Writes for BeforeSignIn {}

impl<'a> MayChange<'a> {
    pub(super) const fn of(authority: &'a Authority, project: Option<ProjectId>) -> Self {
        Self { authority, project }
    }

    /// Who makes the change.
    pub(in crate::service) const fn authority(self) -> &'a Authority {
        self.authority
    }

    /// Where: in a project, or (`None`) in the instance.
    pub(in crate::service) const fn project(self) -> Option<ProjectId> {
        self.project
    }
}

impl From<MayRead> for MayReadIn {
    fn from(permit: MayRead) -> Self {
        Self(Some(permit.project))
    }
}

impl From<MayReadInstance> for MayReadIn {
    fn from(MayReadInstance(()): MayReadInstance) -> Self {
        Self(None)
    }
}

impl<'a> Oneself<'a> {
    /// The permit to change what belongs to the account, which the trail of the instance shows.
    pub(in crate::service) const fn change(self) -> MayChange<'a> {
        MayChange::of(self.authority, None)
    }
}

impl MayRead {
    pub(super) const fn of(project: ProjectId) -> Self {
        Self { project }
    }

    /// The project that it opens.
    pub(in crate::service) const fn project(self) -> ProjectId {
        self.project
    }
}

impl MayReadInstance {
    pub(super) const fn granted() -> Self {
        Self(())
    }
}

/// The permit of code that finds out who is calling. Code that uses it must prove the person by what it reads.
pub(crate) const fn before_sign_in() -> BeforeSignIn {
    BeforeSignIn(())
}

impl BeforeSignIn {
    /// May change what a link or an invitation that works once opens, in its project or (`None`) in the instance. The change
    /// must redeem it.
    pub(crate) const fn redeem(self, authority: &Authority, project: Option<ProjectId>) -> MayChange<'_> {
        let Self(()) = self;
        MayChange::of(authority, project)
    }
}

impl Authority {
    /// Can read and change what belongs to the account that is signed in; a key does not belong to an account.
    pub(in crate::service) fn oneself(&self) -> Result<Oneself<'_>, ServiceError> {
        match &self.access {
            Access::Account(signed_in) => Ok(Oneself {
                authority: self,
                account: signed_in.account,
                session: signed_in.session,
            }),
            Access::Everything | Access::Instance | Access::Project(..) => Err(ServiceError::Forbidden(
                "This is about the account that is signed in, and an API key belongs to no account. Sign in to the \
                 dashboard to do it."
                    .to_owned(),
            )),
        }
    }

    /// May leave a project: its own members, whatever their role.
    pub(in crate::service) fn leave(&self, project: ProjectId) -> Result<MayChange<'_>, ServiceError> {
        self.oneself().map(drop)?;
        self.inside(project, KeyRole::Viewer)?;
        Ok(MayChange::of(self, Some(project)))
    }

    /// May become a member of a project: people who administer the instance.
    pub(in crate::service) fn join(&self, project: ProjectId) -> Result<MayChange<'_>, ServiceError> {
        self.instance().and_then(|_| self.oneself()).map(drop)?;
        Ok(MayChange::of(self, Some(project)))
    }

    /// May delete a project, which the trail of the instance shows, because the project's own is closed by it.
    pub(in crate::service) fn delete_project(
        &self,
        project: ProjectId,
    ) -> Result<MayChange<'_>, ServiceError> {
        self.manage_project(project).map(|_| MayChange::of(self, None))
    }
}
