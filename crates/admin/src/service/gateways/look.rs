//! Looking at gateways for pages that show them: lists without what is large in them, and whether a slug is free.

use gatewright_domain::{
    Invalid,
    gateway::{Gateway, check_slug},
    id::{GatewayId, ProjectId},
    server::Server,
};
use gatewright_store::{
    Page, PageRequest,
    gateway::{self as rows, SlugHolder},
    gateway_list::{self, GatewayFilter, GatewaySummary},
    held_grants::{self, HeldGrants},
    project_contents::{self, GatewayContents},
    server,
};

use super::taken;
use crate::{
    Admin,
    service::{Authority, ServiceError, change::every},
};

/// Gateways of a project as a list shows them, oldest first.
pub async fn summaries(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &GatewayFilter,
    page: &PageRequest,
) -> Result<Page<GatewaySummary>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(gateway_list::list(&mut tx, project, filter, page).await?)
}

/// Whether a gateway of the project (`own`, or a new one) can have a slug. The answer can change a moment later:
/// saving asks again.
pub async fn try_slug(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    own: Option<GatewayId>,
    slug: &str,
) -> Result<(), ServiceError> {
    let permit = authority.change(project)?;
    check_slug("/slug", slug)?;
    let mut tx = app.store.read(permit).await?;
    match rows::holder_of_slug(&mut tx, slug).await? {
        SlugHolder::NoOne => Ok(()),
        SlugHolder::Project(holder) if holder == project => Ok(()),
        SlugHolder::Gateway(holder) if Some(holder) == own => Ok(()),
        SlugHolder::Project(_) | SlugHolder::Gateway(_) => Err(Invalid::one("/slug", taken(slug)).into()),
    }
}

/// The servers a gateway federates, in order: all of the project if it lists none.
pub async fn servers_of(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: &Gateway,
) -> Result<Vec<Server>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    let all = every!(page => server::list(&mut tx, project, &page));
    if gateway.servers.is_empty() {
        return Ok(all);
    }
    let find = |id| all.iter().find(|server| server.id == id).cloned();
    Ok(gateway.servers.iter().copied().filter_map(find).collect())
}

/// The grants at a gateway, and how many people hold them.
pub async fn held_at(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: GatewayId,
) -> Result<HeldGrants, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(held_grants::count_of_gateway(&mut tx, project, id, app.now()).await?)
}

/// What is useless without a gateway.
pub async fn contents(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: GatewayId,
) -> Result<GatewayContents, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(project_contents::of_gateway(&mut tx, project, id).await?)
}
