//! `/projects/{project}/gateways/{gateway}`: one gateway.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    gateway::{Gateway, GatewayStatus, Mode, TrustedClient},
    id::{GatewayId, ServerId, UserSourceId},
    server::Server,
    user_source::{UserSource, UserSourceStatus},
};

use super::{fields::REGISTRATION, selection::Selection, words::status_badge};
use gatewright_gateway::known_clients;

use crate::{
    Admin,
    dashboard::{
        counted::counted,
        error::PageError,
        form::Form,
        list::Badge,
        moment::Moment,
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::{ServiceError, gateways as service, user_sources},
};

/// Servers named; a gateway takes no more, and of a project with more the first say enough.
const SERVERS: usize = 200;
/// Chosen tools named at each server. The form has all of them.
const TOOLS: usize = 50;

/// A server of the gateway.
struct ServerRow {
    id: ServerId,
    name: String,
    slug: String,
    /// "All its tools", or how many.
    tools: String,
    /// The names of some, where they were chosen.
    chosen: Vec<String>,
    /// How many more there are.
    more: usize,
}

struct TrustedRow {
    name: Option<&'static str>,
    url: String,
    allows_loopback: bool,
}

struct Source {
    id: UserSourceId,
    name: String,
    is_active: bool,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/detail.html")]
struct DetailPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    path: String,
    action_form: Form,
    gateway: Gateway,
    url: String,
    status: Badge,
    mode: &'static str,
    source: Option<Source>,
    /// "12 users, 14 sessions"; nothing where nobody is signed in.
    signed_in: Option<String>,
    /// The same for sessions that sleep while the gateway is inactive.
    asleep: Option<String>,
    servers: Vec<ServerRow>,
    trusted: Vec<TrustedRow>,
    registration: Vec<&'static str>,
    created: Moment,
    updated: Moment,
}

/// GET `/projects/{project}/gateways/{gateway}`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    render(&app, &place, id, Form::default()).await
}

/// The page, with what is wrong with something that was asked of it.
pub(super) async fn render(
    app: &Admin,
    place: &InProject,
    id: GatewayId,
    action_form: Form,
) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = service::find(app, authority, project, id).await?;
    let source = source(app, place, &gateway).await?;
    let servers = service::servers_of(app, authority, project, &gateway).await?;
    let held = service::held_at(app, authority, project, id).await?;
    let holders = |sessions: i64| {
        format!(
            "{}, {}",
            counted(held.users, "user"),
            counted(sessions, "session")
        )
    };
    let selection = Selection::stored(&gateway);
    let is_narrowed = !gateway.allowed_tools.is_empty();
    let servers = servers.into_iter().take(SERVERS);
    let settings = &gateway.settings;
    let switches = [
        settings.metadata_documents,
        settings.dynamic_registration,
        settings.preregistered_clients,
    ];
    let accepted = REGISTRATION.iter().zip(switches).filter(|(_, is_on)| *is_on);
    let now = app.now();
    Ok(page::show_with(
        action_form.status(),
        &DetailPage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            may_change: place.may_change(),
            path: place.path(&format!("/gateways/{id}")),
            action_form,
            url: app.config.gateway_url(&gateway.slug),
            status: status_badge(gateway.status),
            mode: gateway.authentication.mode().label(),
            source,
            signed_in: (held.live > 0).then(|| holders(held.live)),
            asleep: (held.asleep > 0).then(|| holders(held.asleep)),
            servers: servers
                .map(|server| server_row(server, &selection, is_narrowed))
                .collect(),
            trusted: gateway.trusted_clients.iter().map(trusted).collect(),
            registration: accepted.map(|((_, label, _), _)| *label).collect(),
            created: Moment::new(gateway.created_at, now),
            updated: Moment::new(gateway.updated_at, now),
            gateway,
        },
    ))
}

fn server_row(server: Server, selection: &Selection, is_narrowed: bool) -> ServerRow {
    let count = selection.count_at(server.id);
    ServerRow {
        tools: match (is_narrowed, count) {
            (false, _) => "All its tools".to_owned(),
            (true, 0) => "None of its tools".to_owned(),
            (true, count) => counted(i64::try_from(count).unwrap_or(i64::MAX), "tool"),
        },
        chosen: selection.at(server.id).take(TOOLS).map(str::to_owned).collect(),
        more: count.saturating_sub(TOOLS),
        id: server.id,
        name: server.name,
        slug: server.slug,
    }
}

/// The source, unless it is gone.
async fn source(app: &Admin, place: &InProject, gateway: &Gateway) -> Result<Option<Source>, PageError> {
    let Some(id) = gateway.authentication.user_source() else {
        return Ok(None);
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    match user_sources::find(app, authority, project, id).await {
        Ok(UserSource { name, status, .. }) => Ok(Some(Source {
            id,
            name,
            is_active: status == UserSourceStatus::Active,
        })),
        // An inactive gateway keeps naming a source that was deleted.
        Err(ServiceError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn trusted(client: &TrustedClient) -> TrustedRow {
    TrustedRow {
        name: known_clients::name_of(&client.url),
        url: client.url.clone(),
        allows_loopback: client.allow_loopback,
    }
}

impl DetailPage {
    fn is_active(&self) -> bool {
        self.gateway.status == GatewayStatus::Active
    }

    /// Whether it names a source that was deleted.
    fn has_lost_source(&self) -> bool {
        self.gateway.authentication.user_source().is_some() && self.source.is_none()
    }

    fn is_headers(&self) -> bool {
        self.gateway.authentication.mode() == Mode::Headers
    }
}
