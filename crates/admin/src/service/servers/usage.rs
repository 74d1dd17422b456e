//! The gateways that offer a server.

use gatewright_domain::{
    id::{ProjectId, ServerId},
    server::Server,
};
use gatewright_store::server::{self as rows, UsingGateway};

use super::existing;
use crate::{
    Admin,
    service::{Authority, ServiceError},
};

/// The number of gateways listed for one server; the list of gateways has all of them.
pub(crate) const MAX_TOLD: u32 = 100;

/// The gateways that name a server or offer all servers of the project, oldest first, at most a hundred.
pub async fn gateways_of(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ServerId,
) -> Result<Vec<UsingGateway>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await?;
    Ok(rows::list_using_gateways(&mut tx, project, id, MAX_TOLD).await?)
}

/// How many gateways offer each of a page of servers, in the order of the list.
pub async fn count_gateways(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    page: &[Server],
) -> Result<Vec<(ServerId, i64)>, ServiceError> {
    let permit = authority.read(project)?;
    let (Some(first), Some(last)) = (page.first(), page.last()) else {
        return Ok(Vec::new());
    };
    let mut tx = app.store.read(permit).await?;
    Ok(rows::count_using_gateways(&mut tx, project, first.id, last.id).await?)
}
