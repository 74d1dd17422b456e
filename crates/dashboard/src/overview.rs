//! `/projects/{project}`: what needs attention, what is connected, how the last sign-ins went, and the way to the first
//! working gateway.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::gateway::{Gateway, GatewayStatus};
use gatewright_store::{
    PageRequest, gateway_list::GatewayFilter, project_contents::ProjectContents,
    sign_in_attempt::AttemptFilter,
};

use super::{
    activity::{self, Tiles, Tools},
    counted::noun,
    error::PageError,
    icon::Icon,
    matters::{self, MatterRow},
    page::{self, Frame, ProjectLink, Section},
    session::InProject,
    sign_ins::{self, AttemptRow},
};
use crate::{
    Admin,
    service::{attention, gateways, projects, sign_in_attempts},
};

/// Gateways shown here; the list of all is one click away.
const GATEWAYS: u32 = 5;
/// Sign-ins shown here.
const SIGN_INS: u32 = 10;

struct Step {
    title: &'static str,
    text: &'static str,
    is_done: bool,
    href: String,
    /// What its button says.
    label: &'static str,
}

struct Number {
    href: String,
    count: i64,
    label: String,
    icon: Icon,
}

struct GatewayRow {
    name: String,
    url: String,
    mode: &'static str,
    is_active: bool,
    /// Its page.
    href: String,
    /// Where it says how to connect clients.
    connect: String,
}

#[derive(Template)]
#[template(path = "dashboard/overview.html")]
struct OverviewPage {
    frame: Frame,
    project: ProjectLink,
    matters: Vec<MatterRow>,
    is_complete: bool,
    steps: Vec<Step>,
    /// The redirect URL to register at every provider.
    callback: String,
    numbers: Vec<Number>,
    day: Tiles,
    tools: Tools,
    gateways: Vec<GatewayRow>,
    attempts: Vec<AttemptRow>,
    may_change: bool,
}

/// GET `/projects/{project}`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let first = |limit| PageRequest { after: None, limit };
    let contents = projects::contents(&app, authority, project).await?;
    let all = GatewayFilter::default();
    let gateways = gateways::list(&app, authority, project, &all, &first(GATEWAYS)).await?;
    let newest = first(SIGN_INS);
    let attempts =
        sign_in_attempts::list(&app, authority, project, &AttemptFilter::default(), &newest).await?;
    // After the sign-ins, because reading them stores what this process has just seen of them.
    let matters = attention::of(&app, authority, project).await?;
    let now = app.now();
    Ok(page::show(&OverviewPage {
        frame: place.frame(Section::Overview),
        project: place.project.clone(),
        matters: matters
            .into_iter()
            .map(|matter| matters::row(&place, matter, now))
            .collect(),
        is_complete: contents.gateways > 0 && contents.servers > 0,
        steps: steps(&place, &contents),
        callback: app.config.callback_url(),
        numbers: numbers(&place, &contents),
        day: activity::tiles_of_project(&app, &place).await?,
        tools: activity::tools_of(&app, &place).await?,
        gateways: gateways
            .items
            .into_iter()
            .map(|gateway| gateway_row(&app, &place, gateway))
            .collect(),
        attempts: sign_ins::rows(&app, &place, attempts.items).await?,
        may_change: place.may_change(),
    }))
}

fn gateway_row(app: &Admin, place: &InProject, gateway: Gateway) -> GatewayRow {
    GatewayRow {
        href: place.path(&format!("/gateways/{}", gateway.id)),
        connect: place.path(&format!("/gateways/{}/connect", gateway.id)),
        url: app.config.gateway_url(&gateway.slug),
        mode: gateway.authentication.mode().label(),
        is_active: gateway.status == GatewayStatus::Active,
        name: gateway.name,
    }
}

fn steps(place: &InProject, contents: &ProjectContents) -> Vec<Step> {
    let step = |count: i64, title, text, path: &str, (add, list)| {
        let is_next = count == 0 && place.may_change();
        Step {
            title,
            text,
            is_done: count > 0,
            href: place.path(&if is_next {
                format!("{path}/new")
            } else {
                path.to_owned()
            }),
            label: if is_next { add } else { list },
        }
    };
    vec![
        step(
            contents.servers,
            "Register a server",
            "The MCP server whose tools your users call.",
            "/servers",
            ("Add a server", "Servers"),
        ),
        step(
            contents.user_sources,
            "Create a User Source",
            "The OpenID Connect provider your end users sign in with. Register Gatewright there with this redirect URL:",
            "/user-sources",
            ("Create User Source", "User Sources"),
        ),
        step(
            contents.gateways,
            "Create a gateway",
            "The URL that clients connect to. It brings servers and users together.",
            "/gateways",
            ("Create gateway", "Gateways"),
        ),
    ]
}

/// Only what has its own page leads on.
fn numbers(place: &InProject, contents: &ProjectContents) -> Vec<Number> {
    [
        ("/gateways", contents.gateways, "Gateway", Icon::Gateway),
        (
            "/user-sources",
            contents.user_sources,
            "User Source",
            Icon::Source,
        ),
        ("/servers", contents.servers, "Server", Icon::Server),
        ("/users", contents.users, "User", Icon::Person),
        ("/members", contents.members, "Member", Icon::Members),
        ("/api-keys", contents.api_keys, "API key", Icon::Key),
    ]
    .into_iter()
    .map(|(path, count, one, icon)| Number {
        href: place.path(path),
        count,
        label: noun(count, one),
        icon,
    })
    .collect()
}
