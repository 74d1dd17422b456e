//! The activity of a project: list, read, and what is new.

use gatewright_domain::{
    activity::{RecordedArguments, StoredActivity},
    id::{ActivityId, ProjectId},
};
use gatewright_store::{
    Page, PageRequest,
    activity::{self as rows, ActivityFilter},
};

use super::{Authority, ServiceError};
use crate::Admin;

/// Requests of a project, newest first. A page can have fewer than was asked for, or none, although there is a next one: it
/// looks at a bounded number of requests.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &ActivityFilter,
    page: &PageRequest,
) -> Result<Page<StoredActivity>, ServiceError> {
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, filter, page).await?)
}

/// One request.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ActivityId,
) -> Result<StoredActivity, ServiceError> {
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    rows::find(&mut tx, project, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("request in the activity"))
}

/// The recorded arguments of a request, if there are any. Only those who may change the project read them: they may contain more
/// than people who only look should see.
pub async fn arguments(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ActivityId,
) -> Result<Option<RecordedArguments>, ServiceError> {
    let mut tx = app.store.read_activity(authority.act(project)?).await?;
    Ok(rows::find_arguments(&mut tx, project, id).await?)
}

/// Whether a caller may read recorded arguments.
pub fn may_read_arguments(authority: &Authority, project: ProjectId) -> bool {
    authority.act(project).is_ok()
}

/// Requests after the row with this number, oldest first, and the number of the last row that was looked at.
pub async fn since(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &ActivityFilter,
    after: i64,
    limit: u32,
) -> Result<(Vec<StoredActivity>, i64), ServiceError> {
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    Ok(rows::since(&mut tx, project, filter, after, limit).await?)
}

/// The number of the newest row, from which [`since`] continues.
pub async fn last_row(app: &Admin, authority: &Authority, project: ProjectId) -> Result<i64, ServiceError> {
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    Ok(rows::last_row(&mut tx).await?)
}
