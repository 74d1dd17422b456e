//! `/projects/{project}/activity`.

use std::sync::Arc;

use axum::{Json, extract::State};
use gatewright_domain::{
    Timestamp,
    activity::{
        Activity, Outcome, RecordedArguments, RequestKind, RequestNumber, Rule, SessionMark, StoredActivity,
        TraceId, header_user,
    },
    id::{AccountId, ActivityId, GatewayId, ProjectId, ServerId, UserId},
};
use gatewright_store::activity::ActivityFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::Ids,
    list::{List, Paging, Parameters},
    problem::Problem,
};
use crate::{Admin, schema, service::activity as service};

/// The maximum number of characters of a text to search for.
const TEXT_MAX: usize = 256;

/// A request of a gateway: who asked for what, and what became of it. Never its result, and never its arguments in lists.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(crate) struct ActivityResource {
    #[schema(value_type = String)]
    id: ActivityId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    /// When its response ended.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = String)]
    gateway_id: GatewayId,
    /// The user of a User Source.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// The member of the project.
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    /// The user ID that the holder of an API key sent.
    header_user_id: Option<String>,
    /// The client, in the short form tokens carry; the ID of the API key in Headers mode; the account or API key of an
    /// administrator who tried the gateway out.
    client_id: Option<String>,
    /// The name reported by the client, unverified.
    client_name: Option<String>,
    /// The server it went to.
    #[schema(value_type = Option<String>)]
    server_id: Option<ServerId>,
    #[schema(schema_with = schema::request_kind)]
    kind: RequestKind,
    /// The tool or prompt, by the name that clients see, or the URI; long ones are cut.
    item: Option<String>,
    #[schema(schema_with = schema::activity_outcome)]
    outcome: Outcome,
    /// Why it was refused, if it was.
    #[schema(schema_with = schema::refusal_rule_or_null)]
    rule: Option<Rule>,
    /// From its first byte to the last byte of its answer, in microseconds.
    duration_us: i64,
    /// The part of it from when it was sent to the server, in microseconds.
    upstream_us: Option<i64>,
    /// Bytes of its body.
    request_bytes: i64,
    /// Bytes of the body of its answer.
    response_bytes: i64,
    /// The ID of the HTTP request, as in the log. The requests of a batch have one.
    request_id: String,
    /// The trace that the client named (W3C Trace Context).
    trace_id: Option<String>,
    /// Identifies a session of an MCP client.
    session: Option<String>,
}

/// A request of a gateway with its arguments, where those are recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OneActivity)]
pub(crate) struct OneActivityResource {
    #[serde(flatten)]
    activity: ActivityResource,
    /// The arguments, if the gateway recorded them and they are still kept. `null` for keys and members of role `viewer`.
    recorded_arguments: Option<ArgumentsResource>,
}

/// Recorded arguments of a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordedArgumentsOfRequest)]
pub(crate) struct ArgumentsResource {
    /// Their JSON text, redacted. A long one is cut after 16 kB and is then not valid JSON.
    text: String,
    /// The length of the whole text, in bytes.
    bytes: i64,
    /// Whether the text is cut.
    is_cut: bool,
}

impl From<RecordedArguments> for ArgumentsResource {
    fn from(recorded: RecordedArguments) -> Self {
        Self {
            is_cut: recorded.is_cut(),
            bytes: recorded.bytes,
            text: recorded.text,
        }
    }
}

fn resource(stored: StoredActivity) -> ActivityResource {
    let StoredActivity { id, activity } = stored;
    let Activity { caller, .. } = &activity;
    let person = caller.as_ref().and_then(|caller| caller.person.as_deref());
    let client = caller.as_ref().and_then(|caller| caller.client.as_ref());
    ActivityResource {
        id,
        project_id: activity.project_id,
        at: activity.at,
        gateway_id: activity.gateway_id,
        user_id: person.and_then(|person| person.parse().ok()),
        account_id: person.and_then(|person| person.parse().ok()),
        header_user_id: person
            .and_then(|person| person.strip_prefix('|'))
            .map(str::to_owned),
        client_id: client.map(|client| client.id.to_string()),
        client_name: client
            .map(|client| client.name.to_string())
            .filter(|name| !name.is_empty()),
        server_id: activity.server_id,
        kind: activity.kind,
        item: activity.item.as_deref().map(str::to_owned),
        outcome: activity.outcome,
        rule: activity.rule,
        duration_us: activity.duration_us,
        upstream_us: activity.upstream_us,
        request_bytes: activity.bytes_in,
        response_bytes: activity.bytes_out,
        request_id: activity.request.to_string(),
        trace_id: activity.trace.map(|trace| trace.to_string()),
        session: activity.session.map(|session| session.to_string()),
    }
}

/// Which requests to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivityQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only requests to this gateway.
    #[param(value_type = Option<String>, pattern = "^gw_[0-9a-f]{32}$")]
    gateway_id: Option<GatewayId>,
    /// Only requests that went to this server.
    #[param(value_type = Option<String>, pattern = "^srv_[0-9a-f]{32}$")]
    server_id: Option<ServerId>,
    /// Only requests about this tool, prompt or URI, written as clients write it.
    #[param(max_length = 256)]
    item: Option<String>,
    /// Only requests of this user.
    #[param(value_type = Option<String>, pattern = "^usr_[0-9a-f]{32}$")]
    user_id: Option<UserId>,
    /// Only requests of this member.
    #[param(value_type = Option<String>, pattern = "^acc_[0-9a-f]{32}$")]
    account_id: Option<AccountId>,
    /// Only requests with this user ID in Headers mode.
    #[param(max_length = 256)]
    header_user_id: Option<String>,
    /// Only requests of this client, in the form of `client_id`.
    #[param(max_length = 256)]
    client_id: Option<String>,
    /// Only requests of this kind.
    #[param(schema_with = schema::request_kind)]
    kind: Option<RequestKind>,
    /// Only requests with this outcome.
    #[param(schema_with = schema::activity_outcome)]
    outcome: Option<Outcome>,
    /// Only requests that were refused for this reason.
    #[param(schema_with = schema::refusal_rule)]
    rule: Option<Rule>,
    /// Only what came with this HTTP request.
    #[param(pattern = "^[0-9a-f]{16}$")]
    request_id: Option<String>,
    /// Only requests of this trace.
    #[param(pattern = "^[0-9a-f]{32}$")]
    trace_id: Option<String>,
    /// Only requests of this session.
    #[param(pattern = "^[0-9a-f]{12}$")]
    session: Option<String>,
    /// Only requests that ended at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only requests that ended before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

impl ActivityQuery {
    fn filter(self) -> Result<ActivityFilter, Problem> {
        let texts = [
            ("item", &self.item),
            ("header_user_id", &self.header_user_id),
            ("client_id", &self.client_id),
        ];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_MAX) {
                return Err(Problem::malformed(format!(
                    "The parameter `{name}` can have {TEXT_MAX} characters at most."
                )));
            }
        }
        let people = [
            self.user_id.map(|id| id.to_string()),
            self.account_id.map(|id| id.to_string()),
            self.header_user_id.as_deref().map(header_user),
        ];
        let mut people = people.into_iter().flatten();
        let person = people.next();
        if people.next().is_some() {
            return Err(Problem::malformed(
                "Only one of the parameters `user_id`, `account_id` and `header_user_id` can be used at a time.",
            ));
        }
        Ok(ActivityFilter {
            gateway_id: self.gateway_id,
            server_id: self.server_id,
            item: self.item,
            person,
            client: self.client_id,
            outcome: self.outcome,
            rule: self.rule,
            kind: self.kind,
            request: hexadecimal("request_id", self.request_id, 16)?.map(RequestNumber),
            trace: match self.trace_id {
                None => None,
                Some(text) => Some(TraceId::parse(&text).ok_or_else(|| wrong("trace_id", 32))?),
            },
            session: hexadecimal("session", self.session, 12)?
                .map(|number| SessionMark::of_number(number.cast_signed())),
            from: self.from,
            to: self.to,
            look_at: None,
        })
    }
}

fn wrong(name: &str, digits: usize) -> Problem {
    Problem::malformed(format!(
        "The parameter `{name}` must be {digits} hexadecimal digits in lower case."
    ))
}

/// A number with this many hexadecimal digits.
fn hexadecimal(name: &str, text: Option<String>, digits: usize) -> Result<Option<u64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let is_valid = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = is_valid.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
    number.map(Some).ok_or_else(|| wrong(name, digits))
}

/// List requests of gateways, newest first
///
/// A page looks at a bounded number of requests: with filters that few requests match, it can have fewer items than `limit`, or
/// none, although `next_cursor` is set. Requests appear within two seconds after their answer ended.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/activity",
    tag = "Activity",
    params(ActivityQuery),
    responses((status = 200, body = List<ActivityResource>))
)]
pub(super) async fn list_activity(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<ActivityQuery>,
) -> Result<List<ActivityResource>, Problem> {
    let page = Paging::request::<ActivityId>(query.limit, query.cursor.clone())?;
    let filter = query.filter()?;
    let page = service::list(&app, &authority, project, &filter, &page).await?;
    Ok(List::of(page, resource))
}

/// Read a request of a gateway
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/activity/{activity}",
    tag = "Activity",
    responses((status = 200, body = OneActivityResource))
)]
pub(super) async fn get_activity(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, activity)): Ids<(ProjectId, ActivityId)>,
) -> Result<Json<OneActivityResource>, Problem> {
    let stored = service::find(&app, &authority, project, activity).await?;
    let recorded = if service::may_read_arguments(&authority, project) {
        service::arguments(&app, &authority, project, activity).await?
    } else {
        None
    };
    Ok(Json(OneActivityResource {
        activity: resource(stored),
        recorded_arguments: recorded.map(ArgumentsResource::from),
    }))
}
