//! `/projects/{project}/servers/{server}`: how a server is, what it has and who uses it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State as Shared, response::Response};
use gatewright_domain::{
    id::ServerId,
    server::{CustomHeader, ProtocolChoice},
};
use gatewright_store::server::UsingGateway;

use super::{
    fields::{self, RETRIES},
    lists::{self, List, PROMPTS_FROM, RESOURCES_FROM},
    state::{self, State},
    tools::{self, Tools},
};
use crate::{
    Admin,
    activity::{self, Tiles},
    error::PageError,
    flash::Flash,
    form::Asked,
    incidents::{self, IncidentRow},
    list::GatewayLink,
    managed::Managed,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{
        server_checks::{self, Answered},
        servers as service,
        traffic::Subject,
    },
    session::InProject,
};

/// A header as everyone may see it.
struct HeaderLine {
    name: String,
    /// Its value, if it consists of references to secrets; anything entered as plain text may be a credential.
    value: Option<String>,
}

/// What the server showed.
struct Shown {
    called: String,
    protocol: &'static str,
    is_over_http_sse: bool,
    listed_in: String,
    tools: Tools,
    /// What it declares that it can do.
    declares: String,
    prompts: List,
    resources: List,
}

#[derive(Template)]
#[template(path = "dashboard/servers/detail.html")]
struct DetailPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    path: String,
    name: String,
    slug: String,
    /// What the names of its tools begin with if a gateway adds a prefix.
    prefix: String,
    id: ServerId,
    url: String,
    timeout: String,
    retries: &'static str,
    told: &'static str,
    /// Which versions of MCP are tried, if that was chosen.
    protocol: Option<&'static str>,
    headers: Vec<HeaderLine>,
    created: Moment,
    updated: Moment,
    state: State,
    shown: Option<Shown>,
    /// Where the page with the server asked is, while nothing is known about its tools.
    ask: Option<String>,
    gateways: Vec<GatewayLink>,
    incidents: Vec<IncidentRow>,
    day: Tiles,
    managed: Option<Managed>,
}

/// GET `/projects/{project}/servers/{server}`. It shows what is known; with `ask` the server is asked first, unless that was
/// done a moment ago. A script requests that automatically.
pub(super) async fn show(
    Shared(app): Shared<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let id: ServerId = place.id("server", "server")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let server = service::find(&app, authority, project, id).await?;
    let is_asked = asked.text("ask").is_some();
    let seen = if is_asked {
        Some(server_checks::look(&app, authority, project, id).await?)
    } else {
        server_checks::last(&app, authority, &server)?
    };
    let using = service::gateways_of(&app, authority, project, id).await?;
    let path = place.path(&format!("/servers/{id}"));
    let search = asked.text("tool").unwrap_or_default().trim();
    let from = |parameter| {
        let from = asked.text(parameter).and_then(|from| from.parse().ok());
        from.unwrap_or_default()
    };
    let turned = Turned {
        tools: from("from"),
        prompts: from(PROMPTS_FROM),
        resources: from(RESOURCES_FROM),
    };
    let shown = seen.as_ref().and_then(|check| check.outcome.as_ref().ok());
    let shown = shown.map(|answered| shown_of(answered, &path, search, &turned));
    let day = activity::tiles_of(&app, &place, &Subject::Server(id), &format!("server={id}")).await?;
    let now = app.now();
    Ok(page::show(&DetailPage {
        frame: place.frame(Section::Servers),
        project: place.project.clone(),
        may_change: place.may_change(),
        ask: seen.is_none().then(|| format!("{path}?ask=yes")),
        shown,
        state: state::of(server_checks::known(&app, authority, &server)?, now),
        timeout: fields::seconds(server.timeout_ms),
        retries: RETRIES
            .get(usize::from(server.retries))
            .map_or("", |(_, word)| word),
        told: server.identity.label(),
        protocol: (server.protocol != ProtocolChoice::default()).then(|| server.protocol.label()),
        headers: server.headers.iter().map(line).collect(),
        created: Moment::new(server.created_at, now),
        updated: Moment::new(server.updated_at, now),
        gateways: links(&place, using),
        incidents: incidents::of(&app, &place, id.to_string()).await?,
        day,
        managed: Managed::of(&app, &place, id, Some(server.updated_at)).await?,
        prefix: server.tool_prefix().to_owned(),
        name: server.name,
        slug: server.slug,
        url: server.url,
        id,
        path,
    }))
}

/// POST `/projects/{project}/servers/{server}/check`.
pub(super) async fn check(Shared(app): Shared<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id: ServerId = place.id("server", "server")?;
    server_checks::check(&app, &place.visit.authority, place.project.id, id).await?;
    Ok(page::done(
        &place.path(&format!("/servers/{id}")),
        Flash::ServerChecked,
    ))
}

/// Gateways to go to.
pub(super) fn links(place: &InProject, gateways: Vec<UsingGateway>) -> Vec<GatewayLink> {
    gateways
        .into_iter()
        .map(|gateway| GatewayLink {
            more: if gateway.names_it {
                ""
            } else {
                "offers all servers"
            },
            ..GatewayLink::new(place, gateway.id, gateway.name, gateway.status)
        })
        .collect()
}

/// After how many of each kind to begin.
struct Turned {
    tools: usize,
    prompts: usize,
    resources: usize,
}

fn shown_of(answered: &Answered, path: &str, search: &str, from: &Turned) -> Shown {
    let millis = answered.listed_in.as_millis();
    Shown {
        called: [answered.called.as_str(), &answered.version]
            .join(" ")
            .trim()
            .to_owned(),
        protocol: answered.protocol.as_str(),
        is_over_http_sse: answered.is_over_http_sse,
        listed_in: if millis == 0 {
            "under a millisecond".to_owned()
        } else {
            format!("{millis} ms")
        },
        tools: tools::page(answered, path, search, from.tools),
        declares: answered.declares().collect::<Vec<_>>().join(", "),
        prompts: lists::prompts(answered, path, from.prompts),
        resources: lists::resources(answered, path, from.resources),
    }
}

fn line(header: &CustomHeader) -> HeaderLine {
    let is_shown = service::is_reference(&header.value);
    HeaderLine {
        name: header.name.clone(),
        value: is_shown.then(|| header.value.clone()),
    }
}
