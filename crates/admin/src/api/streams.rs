//! `/streams`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, StreamId},
    stream::{Batching, StreamFormat, StreamKind, StreamStatus, StreamTarget, SyslogTransport},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, created, listed, shown},
    version::{Created, Precondition, Versioned},
};
use crate::{
    Admin, schema,
    service::{
        Version,
        streams::{self as service, NewStream, Standing, StreamPatch},
    },
};

/// A stream of audit events and requests, without its secret. What is not of its kind is null.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Stream)]
pub(crate) struct StreamResource {
    #[schema(value_type = String)]
    id: Option<StreamId>,
    name: String,
    #[schema(schema_with = schema::status)]
    status: Option<StreamStatus>,
    /// Whether it sends audit events.
    audit: bool,
    /// Whether it sends requests of gateways.
    activity: bool,
    /// The only project it sends of; null for all and for the instance.
    #[schema(value_type = Option<String>)]
    project_id: Option<ProjectId>,
    #[schema(schema_with = schema::stream_format)]
    format: Option<StreamFormat>,
    #[schema(schema_with = schema::stream_kind)]
    kind: Option<StreamKind>,
    /// Of a webhook.
    url: Option<String>,
    /// Of a webhook.
    #[schema(schema_with = schema::batching_or_null)]
    batching: Option<Batching>,
    /// Of a file.
    file_name: Option<String>,
    /// Of a file.
    max_size_mb: Option<u32>,
    /// Of a file.
    max_files: Option<u32>,
    /// Of syslog.
    host: Option<String>,
    /// Of syslog.
    port: Option<u16>,
    /// Of syslog.
    #[schema(schema_with = schema::syslog_transport_or_null)]
    transport: Option<SyslogTransport>,
    /// Of syslog: certificates of the authorities that vouch for the receiver.
    authorities: Option<String>,
    state: StreamStateResource,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// How a stream stands.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = StreamState)]
pub(crate) struct StreamStateResource {
    /// Records that arrived.
    delivered: i64,
    /// When the last of them arrived.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_delivered_at: Option<Timestamp>,
    /// Records that wait, at most: of the activity, rows of other projects count too.
    waiting: i64,
    /// When the oldest of them happened.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_waiting_at: Option<Timestamp>,
    /// Attempts that failed since something arrived.
    failed_attempts: u32,
    /// Since when they fail.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// When the next attempt is made, if one failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed.
    last_error: Option<String>,
    /// Records that were deleted before they could be sent, at most.
    lost: i64,
    /// When that was last found.
    #[schema(value_type = Option<String>, format = DateTime)]
    lost_at: Option<Timestamp>,
}

impl Resource for StreamResource {
    type Of = Standing;

    fn version(standing: &Standing) -> Version {
        standing.stream.updated_at.into()
    }

    fn of(_: &Admin, Standing { stream, state, lag }: Standing) -> Self {
        let kind = stream.target.kind();
        let common = Self {
            id: Some(stream.id),
            name: stream.name,
            status: Some(stream.status),
            audit: stream.audit,
            activity: stream.activity,
            project_id: stream.project_id,
            format: Some(stream.format),
            kind: Some(kind),
            state: StreamStateResource {
                delivered: state.delivered,
                last_delivered_at: state.last_delivered_at,
                waiting: lag.events,
                oldest_waiting_at: lag.oldest_at,
                failed_attempts: state.failed,
                failing_since: state.failing_since,
                next_attempt_at: state.failing_since.map(|_| state.next_attempt_at),
                last_error: state.last_error,
                lost: state.lost,
                lost_at: state.lost_at,
            },
            created_at: stream.created_at,
            updated_at: stream.updated_at,
            ..Self::default()
        };
        match stream.target {
            StreamTarget::Webhook { url, batching } => Self {
                url: Some(url),
                batching: Some(batching),
                ..common
            },
            StreamTarget::File {
                file_name,
                max_size_mb,
                max_files,
            } => Self {
                file_name: Some(file_name),
                max_size_mb: Some(max_size_mb),
                max_files: Some(max_files),
                ..common
            },
            StreamTarget::Syslog {
                host,
                port,
                transport,
                authorities,
            } => Self {
                host: Some(host),
                port: Some(port),
                transport: Some(transport),
                authorities,
                ..common
            },
        }
    }
}

/// Create a stream
///
/// It sends what happens from now on. Needs an instance key.
#[utoipa::path(
    post,
    path = "/api/v1/streams",
    tag = "Streams",
    request_body = NewStream,
    responses((status = 201, body = StreamResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_stream(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Input(new): Input<NewStream>,
) -> Result<Created<Versioned<StreamResource>>, Problem> {
    let standing = service::create(&app, &authority, new).await?;
    Ok(created(&app, "/api/v1/streams", standing.stream.id, standing))
}

/// List streams, oldest first
#[utoipa::path(
    get,
    path = "/api/v1/streams",
    tag = "Streams",
    params(Paging),
    responses((status = 200, body = List<StreamResource>))
)]
pub(super) async fn list_streams(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<StreamResource>, Problem> {
    let page = Paging::request::<StreamId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, &page).await?;
    Ok(listed(&app, page))
}

/// Read a stream, and how it stands
#[utoipa::path(get, path = "/api/v1/streams/{stream}", tag = "Streams", responses((status = 200, body = StreamResource)))]
pub(super) async fn get_stream(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(stream): Ids<StreamId>,
) -> Result<Versioned<StreamResource>, Problem> {
    Ok(shown(&app, service::find(&app, &authority, stream).await?))
}

/// Change a stream
///
/// The change applies to the next batch. A failed attempt is repeated immediately.
#[utoipa::path(
    patch,
    path = "/api/v1/streams/{stream}",
    tag = "Streams",
    request_body = StreamPatch,
    responses((status = 200, body = StreamResource))
)]
pub(super) async fn update_stream(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(stream): Ids<StreamId>,
    Precondition(if_match): Precondition,
    Input(patch): Input<StreamPatch>,
) -> Result<Versioned<StreamResource>, Problem> {
    let standing = service::update(&app, &authority, stream, patch, &if_match).await?;
    Ok(shown(&app, standing))
}

/// Delete a stream
///
/// What it has not sent is not sent.
#[utoipa::path(
    delete,
    path = "/api/v1/streams/{stream}",
    tag = "Streams",
    responses((status = 204, description = "Deleted."))
)]
pub(super) async fn delete_stream(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(stream): Ids<StreamId>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &authority, stream, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What became of a test event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamTest {
    /// Whether the receiver has it.
    delivered: bool,
    /// Why not, in words.
    error: Option<String>,
}

/// Send a test event now
///
/// It is sent beside what waits, also by an inactive stream, and once.
#[utoipa::path(
    post,
    path = "/api/v1/streams/{stream}/test",
    tag = "Streams",
    responses((status = 200, body = StreamTest))
)]
pub(super) async fn test_stream(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(stream): Ids<StreamId>,
) -> Result<Json<StreamTest>, Problem> {
    let error = service::send_test(&app, &authority, stream).await?.err();
    Ok(Json(StreamTest {
        delivered: error.is_none(),
        error,
    }))
}
