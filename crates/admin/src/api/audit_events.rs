//! `/projects/{project}/audit-events`, and `/audit-events` of the instance.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use gatewright_domain::{
    Timestamp,
    audit::{ActorKind, AuditEvent, FieldChange, Origin, chain::Personal},
    id::{EventId, ProjectId},
};
use gatewright_store::{Page, PageRequest, audit::AuditFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::Ids,
    list::{List, Paging, Parameters},
    problem::Problem,
};
use crate::{
    Admin, schema,
    service::{Authority, ServiceError, audit_events as service, exports},
};

/// Events that an export reads at once, and holds in memory.
const EXPORTED_AT_ONCE: u32 = 200;

/// One administrative change or security event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct AuditEventResource {
    #[schema(value_type = String)]
    id: EventId,
    /// Null for events of the instance.
    #[schema(value_type = Option<String>)]
    project_id: Option<ProjectId>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// How often it happened. What can repeat without end, such as refused changes, is counted in one event for five minutes.
    #[schema(minimum = 1)]
    occurrences: u32,
    /// When it happened last.
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    actor: ActorResource,
    /// What was done, like `user_source.updated`.
    action: String,
    object: ObjectResource,
    /// Field by field; a secret shows only that it changed.
    changes: Vec<ChangeResource>,
    /// What was erased of it: its `address`, `object_name` or `changes`.
    erased: Vec<&'static str>,
    /// Whether it is in the chain. An event whose occurrences are still counted is not, for some minutes.
    sealed: bool,
    /// Its number in the chain.
    seq: Option<i64>,
    /// The digest of the event before it in the chain.
    previous: Option<String>,
    /// The digest of this event.
    digest: Option<String>,
}

/// Who acted, and from where.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub(crate) struct ActorResource {
    /// `api_key`, `account`, `user` (a user of a gateway, on its connections page), `anonymous` (no one who has signed in), `operator` (a shell on the machine) or `system`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The ID of the key or account.
    id: Option<String>,
    /// The network address, if there was one.
    address: Option<String>,
    /// The way in: `api`, `cli`, `dashboard` or `system`.
    #[schema(schema_with = schema::origin)]
    origin: Origin,
}

/// What it was done to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditedObject)]
pub(crate) struct ObjectResource {
    /// The kind, like `user_source`.
    #[serde(rename = "type")]
    kind: String,
    id: String,
    name: String,
}

/// What happened to one field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldChange)]
pub(crate) struct ChangeResource {
    field: String,
    /// Absent at creation and for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// Absent at deletion and for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

fn resource(event: AuditEvent) -> AuditEventResource {
    let (kind, id) = match event.actor.kind {
        ActorKind::ApiKey(id) => ("api_key", Some(id.to_string())),
        ActorKind::Account(id) => ("account", Some(id.to_string())),
        ActorKind::User(id) => ("user", Some(id.to_string())),
        ActorKind::Anonymous => ("anonymous", None),
        ActorKind::Operator => ("operator", None),
        ActorKind::System => ("system", None),
    };
    let change = |change: FieldChange| ChangeResource {
        field: change.field,
        before: change.before,
        after: change.after,
    };
    let erased = event.erased().into_iter().map(Personal::as_str).collect();
    let (seq, previous, digest) = match event.seal {
        Some(seal) => (Some(seal.seq), Some(seal.previous), Some(seal.digest)),
        None => (None, None, None),
    };
    AuditEventResource {
        id: event.id,
        project_id: event.project_id,
        at: event.at,
        occurrences: event.occurrences,
        last_at: event.last_at,
        actor: ActorResource {
            kind,
            id,
            address: event.actor.address,
            origin: event.actor.origin,
        },
        action: event.action,
        object: ObjectResource {
            kind: event.object_type,
            id: event.object_id,
            name: event.object_name,
        },
        changes: event.changes.into_iter().map(change).collect(),
        erased,
        sealed: seq.is_some(),
        seq,
        previous,
        digest,
    }
}

/// Which events to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only this actor: the id of a key, or `operator` or `system`.
    actor: Option<String>,
    /// Only this way in.
    #[param(schema_with = schema::origin)]
    origin: Option<Origin>,
    /// Only from this network address.
    address: Option<String>,
    /// Only at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Only this action, like `gateway.updated`.
    action: Option<String>,
    /// Only this kind of object, like `gateway`.
    object_type: Option<String>,
    /// Only this object.
    object_id: Option<String>,
}

/// Which events. The members of [`AuditQuery`] but those of paging: serde cannot share them and refuse others.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// Only this actor: the id of a key, or `operator` or `system`.
    actor: Option<String>,
    /// Only this way in.
    #[param(schema_with = schema::origin)]
    origin: Option<Origin>,
    /// Only from this network address.
    address: Option<String>,
    /// Only at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Only this action, like `gateway.updated`.
    action: Option<String>,
    /// Only this kind of object, like `gateway`.
    object_type: Option<String>,
    /// Only this object.
    object_id: Option<String>,
}

impl From<ExportQuery> for AuditFilter {
    fn from(query: ExportQuery) -> Self {
        Self {
            actor: query.actor,
            origin: query.origin,
            address: query.address,
            from: query.from,
            to: query.to,
            action: query.action,
            object_type: query.object_type,
            object_id: query.object_id,
        }
    }
}

/// List audit events of a project, newest first
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/audit-events",
    tag = "Audit events",
    params(AuditQuery),
    responses((status = 200, body = List<AuditEventResource>))
)]
pub(super) async fn list_audit_events(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<List<AuditEventResource>, Problem> {
    list(&app, &authority, Some(project), query).await
}

/// Export audit events of a project, newest first
///
/// One event per line (JSON Lines): all events that match the filters.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/audit-events/export",
    tag = "Audit events",
    params(ExportQuery),
    responses((status = 200, content_type = "application/jsonl", body = String, description = "An event on each line."))
)]
pub(super) async fn export_audit_events(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<ExportQuery>,
) -> Result<Response, Problem> {
    Ok(export(app, authority, Some(project), query.into()).await?)
}

/// Read an audit event of a project
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/audit-events/{audit_event}",
    tag = "Audit events",
    responses((status = 200, body = AuditEventResource))
)]
pub(super) async fn get_audit_event(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, event)): Ids<(ProjectId, EventId)>,
) -> Result<Json<AuditEventResource>, Problem> {
    let event = service::find(&app, &authority, Some(project), event).await?;
    Ok(Json(resource(event)))
}

/// List audit events of the instance, newest first
#[utoipa::path(
    get,
    path = "/api/v1/audit-events",
    tag = "Instance",
    params(AuditQuery),
    responses((status = 200, body = List<AuditEventResource>))
)]
pub(super) async fn list_instance_audit_events(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<List<AuditEventResource>, Problem> {
    list(&app, &authority, None, query).await
}

/// Export audit events of the instance, newest first
///
/// One event per line (JSON Lines): all events that match the filters.
#[utoipa::path(
    get,
    path = "/api/v1/audit-events/export",
    tag = "Instance",
    params(ExportQuery),
    responses((status = 200, content_type = "application/jsonl", body = String, description = "An event on each line."))
)]
pub(super) async fn export_instance_audit_events(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Parameters(query): Parameters<ExportQuery>,
) -> Result<Response, Problem> {
    Ok(export(app, authority, None, query.into()).await?)
}

/// Read an audit event of the instance
#[utoipa::path(
    get,
    path = "/api/v1/audit-events/{audit_event}",
    tag = "Instance",
    responses((status = 200, body = AuditEventResource))
)]
pub(super) async fn get_instance_audit_event(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(event): Ids<EventId>,
) -> Result<Json<AuditEventResource>, Problem> {
    let event = service::find(&app, &authority, None, event).await?;
    Ok(Json(resource(event)))
}

async fn list(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    query: AuditQuery,
) -> Result<List<AuditEventResource>, Problem> {
    let page = Paging::request::<EventId>(query.limit, query.cursor)?;
    let filter = AuditFilter {
        actor: query.actor,
        origin: query.origin,
        address: query.address,
        from: query.from,
        to: query.to,
        action: query.action,
        object_type: query.object_type,
        object_id: query.object_id,
    };
    let page = service::list(app, authority, project, &filter, &page).await?;
    Ok(List::of(page, resource))
}

/// Streams a page at a time: no transaction and at most one page is held while the caller reads. An export whose
/// key or session expires in the meantime breaks off, so that it is not taken for a complete one.
pub async fn export(
    app: Arc<Admin>,
    authority: Authority,
    project: Option<ProjectId>,
    filter: AuditFilter,
) -> Result<Response, ServiceError> {
    let request = |after| PageRequest {
        after,
        limit: EXPORTED_AT_ONCE,
    };
    // The first page shows whether this is open to the caller at all, while there is still a status to say so.
    let first = service::list(&app, &authority, project, &filter, &request(None)).await?;
    exports::note(&app, &authority, project, "audit-events", "jsonl", filter.names()).await;
    let pages = stream::try_unfold(Some(Next::Read(first)), move |next| {
        let (app, authority, filter) = (Arc::clone(&app), authority.clone(), filter.clone());
        async move {
            let page = match next {
                None => return Ok::<_, ServiceError>(None),
                Some(Next::Read(page)) => page,
                Some(Next::After(cursor)) => {
                    let request = request(Some(cursor));
                    service::list_further(&app, &authority, project, &filter, &request).await?
                }
            };
            let next = page.next.clone().map(Next::After);
            Ok(Some((lines(page), next)))
        }
    });
    let head = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit-events.jsonl\"",
        ),
    ];
    Ok((head, Body::from_stream(pages)).into_response())
}

/// What an export does next.
enum Next {
    Read(Page<AuditEvent>),
    After(String),
}

fn lines(page: Page<AuditEvent>) -> Bytes {
    let mut lines = Vec::new();
    for event in page.items {
        serde_json::to_writer(&mut lines, &resource(event))
            .expect("an event is plain data, and memory takes it");
        lines.push(b'\n');
    }
    lines.into()
}
