//! Names of objects of a project, many at once.

use std::collections::HashMap;

use gatewright_domain::id::ProjectId;
use gatewright_store::names as rows;

use super::{Authority, ServiceError};
use crate::Admin;

pub use rows::{Choice, Kind};

/// The names of things, by id; each ID is asked for once. What was deleted has none.
pub async fn of(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    kind: Kind,
    ids: impl IntoIterator<Item = String> + Send,
) -> Result<HashMap<String, String>, ServiceError> {
    let permit = authority.read(project)?;
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut tx = app.store.read(permit).await?;
    Ok(rows::of(&mut tx, project, kind, &ids).await?)
}

/// What a filter offers: id and name of the first two hundred.
pub async fn to_choose_from(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    choice: Choice,
) -> Result<Vec<(String, String)>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::to_choose_from(&mut tx, project, choice).await?)
}
