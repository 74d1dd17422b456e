//! `/projects/{project}/gateways/{gateway}`: one gateway.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    gateway::{Gateway, GatewayStatus, Mode, TrustedClient, names_tools_by_server},
    id::{GatewayId, ServerId, UserSourceId},
    server::Server,
    user_source::{UserSource, UserSourceStatus},
};

use super::{
    fields::REGISTRATION,
    kind::Kind,
    names::{self, Names},
    selection::Selection,
    words::status_badge,
};
use gatewright_gateway::known_clients;

use crate::{
    Admin,
    activity::{self, Tiles},
    counted::counted,
    error::PageError,
    form::{Asked, Form},
    list::Badge,
    managed::Managed,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{ServiceError, gateways as service, traffic::Subject, user_sources},
    session::InProject,
};

/// Servers named; a gateway takes no more, and of a project with more the first say enough.
const SERVERS: usize = 200;
/// The number of chosen tools, prompts and resources shown for each server. The form has all of them.
const NAMED: usize = 50;

/// A server of the gateway.
struct ServerRow {
    id: ServerId,
    name: String,
    slug: String,
    /// What the names of its tools and prompts begin with, if that is not its slug.
    prefix: Option<String>,
    /// What is offered of each kind.
    offered: Vec<Offered>,
}

/// What a gateway offers of a server, of one kind.
struct Offered {
    heading: &'static str,
    /// "All its tools", or how many.
    count: String,
    /// The names of some, if they were chosen.
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
    /// "12 users, 14 sessions"; `None` if there are none.
    signed_in: Option<String>,
    /// The same for sessions that sleep while the gateway is inactive.
    asleep: Option<String>,
    servers: Vec<ServerRow>,
    /// Whether names of tools and prompts begin with the prefix of their server.
    is_prefixed: bool,
    names: Names,
    trusted: Vec<TrustedRow>,
    registration: Vec<&'static str>,
    day: Tiles,
    managed: Option<Managed>,
    created: Moment,
    updated: Moment,
}

/// GET `/projects/{project}/gateways/{gateway}`. With `ask`, servers whose resources are not known are asked for them first. A
/// script requests that automatically.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let is_asked = asked.text("ask").is_some();
    if is_asked {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let gateway = service::find(&app, authority, project, id).await?;
        let servers = service::servers_of(&app, authority, project, &gateway).await?;
        names::ask(&app, &place, &servers).await?;
    }
    render_after(&app, &place, id, Form::default(), is_asked).await
}

/// The page, with what is wrong with something that was asked of it.
pub(super) async fn render(
    app: &Admin,
    place: &InProject,
    id: GatewayId,
    action_form: Form,
) -> Result<Response, PageError> {
    render_after(app, place, id, action_form, false).await
}

async fn render_after(
    app: &Admin,
    place: &InProject,
    id: GatewayId,
    action_form: Form,
    were_asked: bool,
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
    let path = place.path(&format!("/gateways/{id}"));
    let mut names = names::of(app, authority, &gateway, &servers, &path)?;
    // The page that reports that a server could not be asked does not ask it again.
    names.ask = names.ask.filter(|_| !were_asked);
    let is_prefixed = names_tools_by_server(gateway.prefix_mode, servers.len());
    let selections = Kind::ALL.map(|kind| (kind, Selection::stored(&gateway, kind)));
    let servers = servers.into_iter().take(SERVERS);
    let settings = &gateway.settings;
    let switches = [
        settings.metadata_documents,
        settings.dynamic_registration,
        settings.preregistered_clients,
    ];
    let accepted = REGISTRATION.iter().zip(switches).filter(|(_, is_on)| *is_on);
    let day = activity::tiles_of(app, place, &Subject::Gateway(id), &format!("gateway={id}")).await?;
    let now = app.now();
    Ok(page::show_with(
        action_form.status(),
        &DetailPage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            may_change: place.may_change(),
            path,
            action_form,
            url: app.config.gateway_url(&gateway.slug),
            status: status_badge(gateway.status),
            mode: gateway.authentication.mode().label(),
            source,
            signed_in: (held.live > 0).then(|| holders(held.live)),
            asleep: (held.asleep > 0).then(|| holders(held.asleep)),
            servers: servers
                .map(|server| server_row(server, &gateway, &selections))
                .collect(),
            is_prefixed,
            names,
            trusted: gateway.trusted_clients.iter().map(trusted).collect(),
            registration: accepted.map(|((_, label, _), _)| *label).collect(),
            day,
            managed: Managed::of(app, place, id, Some(gateway.updated_at)).await?,
            created: Moment::new(gateway.created_at, now),
            updated: Moment::new(gateway.updated_at, now),
            gateway,
        },
    ))
}

fn server_row(server: Server, gateway: &Gateway, selections: &[(Kind, Selection)]) -> ServerRow {
    let offered = selections
        .iter()
        .map(|(kind, selection)| offered(*kind, selection, server.id, gateway));
    ServerRow {
        offered: offered.collect(),
        prefix: server.prefix.filter(|prefix| *prefix != server.slug),
        id: server.id,
        name: server.name,
        slug: server.slug,
    }
}

fn offered(kind: Kind, selection: &Selection, server: ServerId, gateway: &Gateway) -> Offered {
    let is_narrowed = !kind.named(gateway).is_empty();
    let chosen = if kind.is_offered(gateway) {
        selection.count_at(server)
    } else {
        0
    };
    let shown = selection.at(server).take(chosen.min(NAMED));
    Offered {
        heading: kind.heading(),
        count: match (kind.is_offered(gateway), is_narrowed, chosen) {
            (true, false, _) => format!("All its {}", kind.plural()),
            (false, ..) | (true, true, 0) => format!("None of its {}", kind.plural()),
            (true, true, count) => counted(i64::try_from(count).unwrap_or(i64::MAX), kind.singular()),
        },
        chosen: shown.map(str::to_owned).collect(),
        more: chosen.saturating_sub(NAMED),
    }
}

/// The source, unless it was deleted.
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
