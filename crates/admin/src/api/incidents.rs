//! `/projects/{project}/incidents`, and `/projects/{project}/attention`.

use std::sync::Arc;

use axum::{Json, extract::State};
use gatewright_domain::{
    Timestamp,
    id::{IncidentId, ProjectId},
    incident::{Incident, IncidentKind, IncidentStatus},
};
use gatewright_store::incident::IncidentFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::Ids,
    list::{List, Paging, Parameters},
    problem::Problem,
};
use crate::{
    Admin, schema,
    service::{attention, incidents as service},
};

/// Something that went wrong and needed attention, from its beginning to its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incident)]
pub(crate) struct IncidentResource {
    #[schema(value_type = String)]
    id: IncidentId,
    #[schema(value_type = Option<String>)]
    project_id: Option<ProjectId>,
    #[schema(schema_with = schema::incident_kind)]
    kind: IncidentKind,
    #[schema(schema_with = schema::incident_status)]
    status: IncidentStatus,
    /// Whether people are refused because of it. The others are warnings.
    is_grave: bool,
    /// The ID of the server, User Source, gateway or API key.
    subject_id: String,
    /// Its name at that time.
    subject_name: String,
    /// What happened last.
    what: String,
    /// What to do.
    remedy: String,
    /// How often it returned within five minutes after it seemed to have ended.
    #[schema(minimum = 0)]
    returns: u32,
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    /// When it was last noticed, to about a minute.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    recovered_at: Option<Timestamp>,
}

fn resource(incident: Incident) -> IncidentResource {
    IncidentResource {
        status: incident.status(),
        is_grave: incident.kind.is_grave(),
        id: incident.id,
        project_id: incident.project_id,
        kind: incident.kind,
        subject_id: incident.subject_id,
        subject_name: incident.subject_name,
        what: incident.what,
        remedy: incident.remedy,
        returns: incident.returns,
        began_at: incident.began_at,
        last_seen_at: incident.last_seen_at,
        recovered_at: incident.recovered_at,
    }
}

/// Which incidents to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only open incidents, or only those that have ended.
    #[param(schema_with = schema::incident_status)]
    status: Option<IncidentStatus>,
    /// Only of this kind.
    #[param(schema_with = schema::incident_kind)]
    kind: Option<IncidentKind>,
    /// Only of the server, User Source, gateway or API key with this ID.
    #[param(pattern = "^[a-z]{2,3}_[0-9a-f]{32}$")]
    subject_id: Option<String>,
}

/// Whether a text has the form of an ID of any kind.
fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(kind, number)| {
        matches!(kind.len(), 2 | 3)
            && kind.bytes().all(|byte| byte.is_ascii_lowercase())
            && number.len() == 32
            && number
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// List incidents, newest first
///
/// Servers that could not be used, refused client secrets, sign-ins that failed, certificates and keys about to expire. Each is
/// one incident from beginning to end. Incidents are deleted 90 days after they end.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/incidents",
    tag = "Incidents",
    params(IncidentQuery),
    responses((status = 200, body = List<IncidentResource>))
)]
pub(super) async fn list_incidents(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<IncidentQuery>,
) -> Result<List<IncidentResource>, Problem> {
    let page = Paging::request::<IncidentId>(query.limit, query.cursor)?;
    if query.subject_id.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(Problem::malformed(
            "The parameter `subject_id` must be an ID, like `srv_` with 32 hexadecimal digits behind it.",
        ));
    }
    let filter = IncidentFilter {
        kind: query.kind,
        subject_id: query.subject_id,
        status: query.status,
    };
    let page = service::list(&app, &authority, project, &filter, &page).await?;
    Ok(List::of(page, resource))
}

/// Read an incident
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/incidents/{incident}",
    tag = "Incidents",
    responses((status = 200, body = IncidentResource))
)]
pub(super) async fn get_incident(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, incident)): Ids<(ProjectId, IncidentId)>,
) -> Result<Json<IncidentResource>, Problem> {
    let incident = service::find(&app, &authority, project, incident).await?;
    Ok(Json(resource(incident)))
}

/// Something that needs attention.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Matter)]
pub(crate) struct MatterResource {
    /// What kind: that of an incident, or `shared_origin`, `no_servers`, `unverified` or `secret_awaited`.
    kind: &'static str,
    /// Whether people are refused because of it. The others are warnings.
    is_grave: bool,
    /// The ID of the server, User Source, gateway or API key.
    subject_id: String,
    /// Its name.
    subject_name: String,
    /// What is wrong.
    what: String,
    /// What to do.
    remedy: String,
    /// Since when, or when something expires.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
}

/// What needs attention, the most serious first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attention)]
pub(crate) struct AttentionResource {
    items: Vec<MatterResource>,
}

/// Read what needs attention, the most serious first
///
/// The same list as on the overview page of the dashboard: at most a few of each kind.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/attention",
    tag = "Incidents",
    responses((status = 200, body = AttentionResource))
)]
pub(super) async fn get_attention(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
) -> Result<Json<AttentionResource>, Problem> {
    let matters = attention::of(&app, &authority, project).await?;
    let item = |matter: attention::Matter| {
        let told = matter.told();
        MatterResource {
            kind: told.kind,
            is_grave: told.is_grave,
            subject_id: told.subject_id,
            subject_name: told.subject_name,
            what: told.what,
            remedy: told.remedy.into_owned(),
            at: told.at,
        }
    };
    Ok(Json(AttentionResource {
        items: matters.into_iter().map(item).collect(),
    }))
}
