//! The sign-in trace: list and read.

use gatewright_domain::{
    id::{AttemptId, ProjectId},
    sign_in_attempt::SignInAttempt,
};
use gatewright_store::{Page, PageRequest, sign_in_attempt::AttemptFilter};

use super::{Authority, ServiceError};
use crate::{Admin, sign_in_trace::before_allow::Stray};

/// Attempts of a project, newest first. Those before *Allow* are of this process only.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &AttemptFilter,
    page: &PageRequest,
) -> Result<Page<SignInAttempt>, ServiceError> {
    let permit = authority.read(project)?;
    Ok(app.sign_in_trace.list(permit, filter, page).await?)
}

/// One attempt.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: AttemptId,
) -> Result<SignInAttempt, ServiceError> {
    let permit = authority.read(project)?;
    app.sign_in_trace
        .find(permit, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("sign-in attempt"))
}

/// Refusals that cannot be assigned to a gateway, newest first: forged and late returns from providers, and requests for
/// gateways that are not there. For those who run the instance; of this process only.
pub(crate) fn strays(app: &Admin, authority: &Authority) -> Result<Vec<Stray>, ServiceError> {
    Ok(app.sign_in_trace.strays(authority.read_instance()?))
}
