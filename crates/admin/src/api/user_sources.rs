//! `/projects/{project}/user-sources`.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, UserSourceId},
    registration::{AuthenticationChoice, CredentialsVerdict, SecretMethod, SecretSlot},
    user_source::{Callback, ConnectionTest, TestOutcome, TestedCheck, UserSource, UserSourceStatus},
};
use gatewright_store::user_source::UserSourceFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    effects::{self, DryRun, EffectsResource},
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, changed, created, deleted, shown},
    version::{Created, Precondition, Versioned},
};
use crate::{
    Admin,
    relying_party::check::Finding,
    schema,
    service::{
        Saved, Version,
        user_sources::{self as service, NewUserSource, UserSourceCandidate, UserSourcePatch},
    },
};

/// A User Source: the connection between gateways and one OpenID Connect provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserSource)]
pub(crate) struct UserSourceResource {
    #[schema(value_type = String)]
    id: UserSourceId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    name: String,
    /// For members of the project only.
    description: String,
    issuer: String,
    client_id: String,
    /// When the client secret was last entered.
    #[schema(value_type = String, format = DateTime)]
    client_secret_changed_at: Timestamp,
    /// When the provider first accepted it; null while it has not been tried.
    #[schema(value_type = Option<String>, format = DateTime)]
    client_secret_confirmed_at: Option<Timestamp>,
    /// When the provider first refused it, since the last time it accepted it.
    #[schema(value_type = Option<String>, format = DateTime)]
    client_secret_refused_at: Option<Timestamp>,
    /// When the provider stops accepting it, if someone entered that.
    #[schema(value_type = Option<String>, format = DateTime)]
    client_secret_expires_at: Option<Timestamp>,
    /// Whether the previous secret is still a fallback.
    client_secret_has_fallback: bool,
    /// The secret that sign-ins use: `previous` while the provider does not accept the newest.
    #[schema(schema_with = schema::secret_slot)]
    client_secret_in_use: SecretSlot,
    /// How the client secret is presented.
    #[schema(schema_with = schema::client_authentication)]
    client_authentication: AuthenticationChoice,
    /// The method that the provider last accepted, if that is `automatic`; null before the first sign-in.
    #[schema(schema_with = schema::secret_method)]
    client_authentication_worked: Option<SecretMethod>,
    /// Whether the provider refuses the newest client secret: enter the right one.
    needs_attention: bool,
    scopes: Vec<String>,
    subject_claim: String,
    #[schema(schema_with = schema::status)]
    status: UserSourceStatus,
    /// When all checks last passed; null marks the source as unverified.
    #[schema(value_type = Option<String>, format = DateTime)]
    verified_at: Option<Timestamp>,
    /// The last test of the connection; null if there was none since issuer, client, scopes, redirect URL or subject
    /// claim changed.
    #[schema(required = true)]
    last_test: Option<ConnectionTestResource>,
    /// `own` if the source has its own redirect URL.
    #[schema(schema_with = schema::callback)]
    callback: Callback,
    /// The redirect URL to register at the provider; the same for every source whose `callback` is `shared`.
    redirect_url: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The result of testing the connection of a User Source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionTest)]
pub(crate) struct ConnectionTestResource {
    #[schema(value_type = String, format = DateTime)]
    tested_at: Timestamp,
    /// The checks, each of which depends on those before it.
    checks: Vec<ConnectionCheck>,
    credentials: Credentials,
}

/// One check of a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionCheck {
    /// What was checked, like `code_flow`.
    name: String,
    /// The field it is about: a JSON pointer into the User Source (RFC 6901).
    pointer: String,
    /// `skipped` if another check failed first.
    #[schema(schema_with = schema::test_outcome)]
    outcome: TestOutcome,
    /// What was found and what to do, in sentences.
    detail: String,
}

/// Whether the provider accepts the client ID and secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Credentials {
    /// `cannot_tell` if the provider's responses do not show it; a sign-in does.
    #[schema(schema_with = schema::credentials_verdict)]
    verdict: CredentialsVerdict,
    /// Why, and what to do, in sentences.
    detail: String,
}

impl From<TestedCheck> for ConnectionCheck {
    fn from(check: TestedCheck) -> Self {
        Self {
            name: check.name,
            pointer: check.pointer,
            outcome: check.outcome,
            detail: check.detail,
        }
    }
}

fn tested(test: ConnectionTest) -> ConnectionTestResource {
    ConnectionTestResource {
        tested_at: test.tested_at,
        checks: test.checks.into_iter().map(ConnectionCheck::from).collect(),
        credentials: Credentials {
            verdict: test.credentials.verdict,
            detail: test.credentials.detail,
        },
    }
}

/// A User Source that was just saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedUserSource {
    #[serde(flatten)]
    user_source: UserSourceResource,
    /// Warnings from asking the provider; they do not prevent saving.
    warnings: Vec<Warning>,
}

effects::changed! {
    /// A User Source that was changed, or what the change would affect.
    ChangedUserSource, SavedUserSource
}

/// A warning about a field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Warning {
    /// The field: a JSON pointer into what was saved (RFC 6901).
    pointer: String,
    /// What was found, what it means and what to do.
    detail: String,
}

impl From<Finding> for Warning {
    fn from(finding: Finding) -> Self {
        Self {
            pointer: finding.pointer,
            detail: format!("{} {}", finding.found, finding.remedy),
        }
    }
}

/// Which User Sources to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UserSourceQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Those whose name contains this text, ignoring case.
    search: Option<String>,
    /// Those of this status.
    #[param(schema_with = schema::status)]
    status: Option<UserSourceStatus>,
}

impl Resource for UserSourceResource {
    type Of = UserSource;

    fn version(source: &UserSource) -> Version {
        source.updated_at.into()
    }

    fn of(app: &Admin, source: UserSource) -> Self {
        let secret = source.client_secret;
        let now = app.now();
        Self {
            id: source.id,
            project_id: source.project_id,
            name: source.name,
            description: source.description,
            issuer: source.issuer,
            client_id: source.client_id,
            client_secret_changed_at: secret.changed_at,
            client_secret_confirmed_at: secret.confirmed_at,
            client_secret_refused_at: secret.refused_at,
            client_secret_expires_at: source.client_secret_expires_at,
            client_secret_has_fallback: secret.previous.is_some(),
            client_secret_in_use: secret.in_use(now),
            client_authentication: source.client_authentication.choice,
            client_authentication_worked: source.client_authentication.worked,
            needs_attention: secret.needs_attention(),
            scopes: source.scopes,
            subject_claim: source.subject_claim,
            status: source.status,
            verified_at: source.verified_at,
            last_test: source.last_test.map(tested),
            callback: source.callback,
            redirect_url: app.config.redirect_url(source.id, source.callback),
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }
}

impl Resource for SavedUserSource {
    type Of = Saved<UserSource>;

    fn version(saved: &Saved<UserSource>) -> Version {
        UserSourceResource::version(&saved.entity)
    }

    fn of(app: &Admin, saved: Saved<UserSource>) -> Self {
        Self {
            user_source: UserSourceResource::of(app, saved.entity),
            warnings: saved.warnings.into_iter().map(Warning::from).collect(),
        }
    }
}

/// Create a User Source
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/user-sources",
    tag = "User Sources",
    request_body = NewUserSource,
    responses((status = 201, body = SavedUserSource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Input(new): Input<NewUserSource>,
) -> Result<Created<Versioned<SavedUserSource>>, Problem> {
    let saved = service::create(&app, &authority, project, new).await?;
    let list = format!("/api/v1/projects/{project}/user-sources");
    Ok(created(&app, &list, saved.entity.id, saved))
}

/// List User Sources, oldest first
#[utoipa::path(get, path = "/api/v1/projects/{project}/user-sources", tag = "User Sources", params(UserSourceQuery), responses((status = 200, body = List<UserSourceResource>)))]
pub(super) async fn list_user_sources(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<UserSourceQuery>,
) -> Result<List<UserSourceResource>, Problem> {
    let page = Paging::request::<UserSourceId>(query.limit, query.cursor)?;
    let filter = UserSourceFilter {
        search: query.search,
        status: query.status,
    };
    let page = service::search(&app, &authority, project, &filter, &page).await?;
    Ok(List::of(page, |listed| {
        UserSourceResource::of(&app, listed.source)
    }))
}

/// Check a provider before a User Source is created for it
///
/// Asks the provider and stores nothing; each check says what was found and what to do. At most 30 a minute.
#[utoipa::path(post, path = "/api/v1/projects/{project}/user-source-checks", tag = "User Sources", request_body = UserSourceCandidate, responses((status = 200, body = Vec<ConnectionCheck>)))]
pub(super) async fn check_provider(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Input(candidate): Input<UserSourceCandidate>,
) -> Result<Json<Vec<ConnectionCheck>>, Problem> {
    let checks = service::check_provider(&app, &authority, project, candidate).await?;
    Ok(Json(checks.into_iter().map(ConnectionCheck::from).collect()))
}

/// Read a User Source
#[utoipa::path(get, path = "/api/v1/projects/{project}/user-sources/{user_source}", tag = "User Sources", responses((status = 200, body = UserSourceResource)))]
pub(super) async fn get_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, UserSourceId)>,
) -> Result<Versioned<UserSourceResource>, Problem> {
    let user_source = service::find(&app, &authority, project, id).await?;
    Ok(shown(&app, user_source))
}

/// Change a User Source
#[utoipa::path(patch, path = "/api/v1/projects/{project}/user-sources/{user_source}", tag = "User Sources", params(DryRun), request_body = UserSourcePatch, responses((status = 200, body = ChangedUserSource)))]
pub(super) async fn update_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, UserSourceId)>,
    Precondition(if_match): Precondition,
    Parameters(dry): Parameters<DryRun>,
    Input(patch): Input<UserSourcePatch>,
) -> Result<Response, Problem> {
    let done = service::update(&app, &authority, project, id, patch, &if_match, dry.run()).await?;
    Ok(changed::<SavedUserSource>(&app, done))
}

/// Delete a User Source
#[utoipa::path(delete, path = "/api/v1/projects/{project}/user-sources/{user_source}", tag = "User Sources", params(DryRun), responses((status = 204, description = "Deleted."), (status = 200, body = EffectsResource, description = "`?dry_run=true`: what would go.")))]
pub(super) async fn delete_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, UserSourceId)>,
    Precondition(if_match): Precondition,
    Parameters(dry): Parameters<DryRun>,
) -> Result<Response, Problem> {
    let done = service::delete(&app, &authority, project, id, &if_match, dry.run()).await?;
    Ok(deleted(done))
}

/// Test the connection of a User Source: repeat all checks, and ask whether the provider accepts the client ID and secret
#[utoipa::path(post, path = "/api/v1/projects/{project}/user-sources/{user_source}/test-connection", tag = "User Sources", responses((status = 200, body = UserSourceResource, description = "The source with the result in `last_test`.")))]
pub(super) async fn test_connection(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, UserSourceId)>,
) -> Result<Versioned<UserSourceResource>, Problem> {
    let user_source = service::test_connection(&app, &authority, project, id).await?;
    Ok(shown(&app, user_source))
}
