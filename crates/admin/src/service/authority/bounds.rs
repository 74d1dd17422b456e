//! What only people can do, what a key that expires cannot create, and creations that happen once.

use gatewright_domain::id::ProjectId;

use super::{Access, Authority, MayChange};
use crate::service::ServiceError;

impl Authority {
    /// The same, or an instance key, which may do it for a project that has no owner: the caller finds out whether it has.
    pub(in crate::service) fn own_or_begin(&self, project: ProjectId) -> Result<MayChange<'_>, ServiceError> {
        if self.is_instance_key() {
            return self.go_on(Some(project));
        }
        self.own(project)
    }

    /// A creation that was done before ends once its caller is known to be allowed to do it.
    pub(super) fn go_on(&self, project: Option<ProjectId>) -> Result<MayChange<'_>, ServiceError> {
        if let Some(once) = self.once() {
            once.go_on()?;
        }
        Ok(MayChange::of(self, project))
    }

    /// Can hand out credentials or rights of people: a signed-in administrator of the instance, or someone with a shell.
    /// Never a key: what a person can do would be in the hands of anyone who holds it, with nothing that names a person.
    pub(in crate::service) fn instance_in_person(&self) -> Result<MayChange<'_>, ServiceError> {
        match &self.access {
            Access::Everything | Access::Account(_) => self.instance(),
            Access::Instance | Access::Project(..) => Err(ServiceError::Forbidden(
                "An API key cannot create a password link, change who administers the instance, or enable and disable \
                 accounts. Sign in to the dashboard as an administrator of the instance to do it, or run `gatewright admin` \
                 on the machine."
                    .to_owned(),
            )),
        }
    }

    /// Can create what lasts: a key that expires must not leave anything behind that gives access later.
    pub(in crate::service) fn lasting(&self, what: &str) -> Result<(), ServiceError> {
        let Some(end) = self.ends_at else {
            return Ok(());
        };
        Err(ServiceError::Forbidden(format!(
            "This key expires at {}, and {what} would outlive it. Use a key that does not expire, or sign in to the \
             dashboard.",
            end.to_rfc3339()
        )))
    }
}
