//! Origins that receive who the users of a project are: each belongs to one project, unless the operator allows otherwise.

use gatewright_domain::{
    Invalid,
    server::{IdentityForwarding, Server},
};
use gatewright_store::assertion_origin;

use crate::service::{ServiceError, change::Change};

/// The maximum number of projects named to the operator, if they use an origin.
const PROJECTS_NAMED: u32 = 3;

/// Fails if another project identifies its users to the origin of `next`, and the operator has not allowed that: a
/// server that does not check the claim `project` would take the users of one project for those of another. A server that
/// already shares its origin can be changed in every other way. Only the operator sees which project that is.
pub(super) async fn claim_origin(
    change: &mut Change<'_>,
    current: Option<&Server>,
    next: &Server,
) -> Result<(), ServiceError> {
    let Some(origin) = next.assertion_origin() else {
        return Ok(());
    };
    if current.and_then(Server::assertion_origin).as_ref() == Some(&origin)
        || change.config().servers.may_share(&origin)
        || assertion_origin::claim(&mut change.tx, next.project_id, &origin).await?
    {
        return Ok(());
    }
    let was_told = current.is_some_and(|current| current.identity == IdentityForwarding::Assertion);
    let pointer = if was_told { "/url" } else { "/identity" };
    let whose = if change.authority().manages_instance() {
        let names =
            assertion_origin::list_other_projects(&mut change.tx, next.project_id, &origin, PROJECTS_NAMED)
                .await?;
        let names: Vec<_> = names.iter().map(|name| format!("“{name}”")).collect();
        format!(" ({})", names.join(", "))
    } else {
        String::new()
    };
    let detail = format!(
        "Another project of this instance{whose} already identifies its users to `{origin}`. Ask the people who run \
         the instance to add this origin to `servers.shared_assertion_origins`, do not identify users to this server \
         (`none`), or use another server."
    );
    Err(Invalid::one(pointer, detail).into())
}
