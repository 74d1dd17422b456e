//! `/projects/{project}/managed-objects`: what files declare.

use std::{str::FromStr, sync::Arc};

use axum::extract::State;
use gatewright_domain::{
    Timestamp,
    id::{GatewayId, IdError, ProjectId, ServerId, UserSourceId},
};
use gatewright_store::managed_object::Managed;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::Ids,
    list::{List, Paging, Parameters},
    problem::Problem,
};
use crate::{Admin, service::declared as service};

/// A project, User Source, server or gateway that a file declares: the next `gatewright apply` overwrites what is changed here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ManagedObject)]
pub(crate) struct ManagedResource {
    /// Its ID: `prj_`, `src_`, `srv_` or `gw_`.
    object_id: String,
    /// What the file calls it: a name, or the slug of a server or gateway.
    name: String,
    /// The file.
    file: String,
    /// When the file first declared it, or last changed it.
    #[schema(value_type = String, format = DateTime)]
    applied_at: Timestamp,
    /// Its `updated_at` at that moment. If it is another one now, the object was changed since.
    #[schema(value_type = String, format = DateTime)]
    object_updated_at: Timestamp,
}

impl From<Managed> for ManagedResource {
    fn from(managed: Managed) -> Self {
        Self {
            object_id: managed.object_id,
            name: managed.name,
            file: managed.file,
            applied_at: managed.applied_at,
            object_updated_at: managed.object_updated_at,
        }
    }
}

/// The ID of something that can be managed.
struct ObjectId;

impl FromStr for ObjectId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<ProjectId>()
            .map(drop)
            .or_else(|_| text.parse::<UserSourceId>().map(drop))
            .or_else(|_| text.parse::<ServerId>().map(drop))
            .or_else(|_| text.parse::<GatewayId>().map(drop))
            .map(|()| Self)
    }
}

/// List what files manage
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/managed-objects",
    tag = "Projects",
    params(Paging),
    responses((status = 200, body = List<ManagedResource>))
)]
pub(super) async fn list_managed_objects(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<ManagedResource>, Problem> {
    let page = Paging::request::<ObjectId>(paging.limit, paging.cursor)?;
    let page = service::list_managed(&app, &authority, project, &page).await?;
    Ok(List::of(page, ManagedResource::from))
}
