//! User Sources and what rests on them, for people who look around.

use std::collections::HashMap;

use gatewright_domain::{
    id::{ProjectId, UserSourceId},
    user_source::UserSource,
};
use gatewright_store::{
    Page, PageRequest, gateway,
    user_source::{self as rows, UserSourceFilter},
};

use super::existing;
use crate::{
    Admin,
    service::{
        Authority, ServiceError,
        effects::{AffectedGateway, Effects},
    },
};

/// A source in a list.
#[derive(Debug)]
pub struct Listed {
    /// The source.
    pub source: UserSource,
    /// How many gateways use it, active or not.
    pub gateways: i64,
}

/// What rests on a source.
#[derive(Debug)]
pub struct Usage {
    /// The gateways that use it, active or not, oldest first.
    pub gateways: Vec<AffectedGateway>,
    /// Its users.
    pub users: i64,
    /// Those under an earlier issuer or subject claim, who can no longer sign in.
    pub former_users: i64,
    /// The live grants of the users, which people know as sessions.
    pub live_grants: i64,
    /// Those that sleep because a gateway or the source is inactive.
    pub sleeping_grants: i64,
}

/// Sources of a project that a filter lets through, oldest first, each with the number of its gateways. Two queries, however
/// many there are.
pub async fn search(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &UserSourceFilter,
    page: &PageRequest,
) -> Result<Page<Listed>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    let found = rows::list(&mut tx, project, filter, page).await?;
    let counts: HashMap<_, _> = match (found.items.first(), found.items.last()) {
        (Some(first), Some(last)) => gateway::count_of_user_sources(&mut tx, project, first.id, last.id)
            .await?
            .into_iter()
            .collect(),
        _ => HashMap::new(),
    };
    let listed = |source: UserSource| Listed {
        gateways: counts.get(&source.id).copied().unwrap_or_default(),
        source,
    };
    Ok(Page {
        items: found.items.into_iter().map(listed).collect(),
        next: found.next,
    })
}

/// What rests on one source.
pub async fn usage(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserSourceId,
) -> Result<Usage, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await?;
    let touched = Effects::of_source(&mut tx, project, id, app.now()).await?;
    Ok(Usage {
        gateways: touched.gateways,
        users: touched.users,
        former_users: touched.former_users,
        live_grants: touched.live_grants,
        sleeping_grants: touched.sleeping_grants,
    })
}
