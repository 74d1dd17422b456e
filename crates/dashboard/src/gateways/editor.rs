//! The form of a gateway, for a new one and for one that there is.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatewright_domain::{
    gateway::Gateway,
    id::{GatewayId, UserSourceId},
    server::Server,
    user_source::{UserSource, UserSourceStatus},
};
use gatewright_store::PageRequest;
use http::StatusCode;

use super::{
    fields::{self, PREFIX_MODES, REGISTRATION},
    kind::Kind,
    tree::{Node, Step, Tree},
    words::{MODES, ModeChoice},
};
use gatewright_gateway::known_clients::{KNOWN_CLIENTS, KnownClient};

use crate::{
    Admin,
    error::PageError,
    form::{Asked, Form, Posted},
    page::{self, Frame, ProjectLink, Section},
    service::{ServiceError, Version, gateways as service, servers, user_sources},
    session::InProject,
};

/// Sources and servers to choose from; the service takes no more servers at one gateway.
const CHOICES: u32 = 200;
/// Inactive sources that are shown if there is no other.
const NAMED: usize = 5;
/// Empty rows for further clients of one's own.
const SPARE_ROWS: usize = 2;

/// A source to choose.
struct SourceChoice {
    id: String,
    name: String,
    /// What keeps an active gateway from it, after its name.
    note: &'static str,
}

/// A client of one's own.
struct OwnClient {
    index: usize,
    url: String,
    allows_loopback: bool,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/form.html")]
struct FormPage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    /// Where the form goes.
    action: String,
    /// Where it came from.
    back: String,
    /// The gateway it is made from: its id, its name and its version.
    made_from: Option<(GatewayId, String, String)>,
    modes: &'static [ModeChoice],
    sources: Vec<SourceChoice>,
    /// If there is nothing to choose: sources that could be activated, by ID and name.
    inactive: Vec<(UserSourceId, String)>,
    servers: Vec<Server>,
    /// What there is to choose from of each kind.
    trees: Vec<Tree>,
    known: &'static [KnownClient],
    own: Vec<OwnClient>,
    registration: &'static [(&'static str, &'static str, &'static str)],
    prefix_modes: &'static [(&'static str, &'static str, &'static str)],
    /// The URL of a gateway up to its slug.
    prefix: String,
    /// Whether its values came with the address.
    is_from_link: bool,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/choices_part.html")]
struct ChoicesPart {
    tree: Tree,
    /// The one node to show.
    node: Option<Node>,
    /// Whether the tree is shown for the first time.
    is_unfolded: bool,
    /// The addresses for parts of the form, and for sending it.
    part: &'static str,
    here: &'static str,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/slug_part.html")]
struct SlugPart {
    url: Option<String>,
    problem: Option<String>,
}

/// What a form is shown after.
pub(super) struct After<'a> {
    /// The gateway it is made from.
    pub(super) gateway: Option<&'a Gateway>,
    /// What was posted, if anything.
    pub(super) posted: Option<&'a Posted>,
    /// The step in the tree of a kind.
    pub(super) step: Option<(Kind, Step)>,
    /// Whether it came with an address, which anyone can write.
    pub(super) is_from_link: bool,
}

/// The sources of the project.
pub(super) async fn sources(app: &Admin, place: &InProject) -> Result<Vec<UserSource>, PageError> {
    let page = PageRequest::first(CHOICES);
    let read = user_sources::list(app, &place.visit.authority, place.project.id, &page).await?;
    Ok(read.items)
}

/// What can be chosen: the active sources and the one the gateway has, even if that was deleted. Without a choice for it
/// nothing else of the gateway could be saved.
async fn choices(
    app: &Admin,
    place: &InProject,
    all: Vec<UserSource>,
    present: Option<UserSourceId>,
) -> Result<Vec<SourceChoice>, PageError> {
    let choice = |source: UserSource| SourceChoice {
        id: source.id.to_string(),
        note: match source.status {
            UserSourceStatus::Active => "",
            UserSourceStatus::Inactive => " (inactive)",
        },
        name: source.name,
    };
    let mut choices: Vec<_> = all
        .into_iter()
        .filter(|source| source.status == UserSourceStatus::Active || present == Some(source.id))
        .map(choice)
        .collect();
    if let Some(id) = present
        && !choices.iter().any(|choice| choice.id == id.to_string())
    {
        let found = user_sources::find(app, &place.visit.authority, place.project.id, id).await;
        choices.push(match found {
            Ok(source) => choice(source),
            Err(ServiceError::NotFound { .. }) => SourceChoice {
                id: id.to_string(),
                name: "The one it had".to_owned(),
                note: " (deleted)",
            },
            Err(error) => return Err(error.into()),
        });
    }
    Ok(choices)
}

async fn all_servers(app: &Admin, place: &InProject) -> Result<Vec<Server>, PageError> {
    let page = PageRequest::first(CHOICES);
    let read = servers::list(app, &place.visit.authority, place.project.id, &page).await?;
    Ok(read.items)
}

/// Shows the form.
pub(super) async fn show(
    app: &Admin,
    place: &InProject,
    form: Form,
    after: After<'_>,
) -> Result<Response, PageError> {
    let gateway = after.gateway;
    let servers = all_servers(app, place).await?;
    let mut trees = Vec::with_capacity(Kind::ALL.len());
    for kind in Kind::ALL {
        trees.push(match after.posted {
            Some(posted) => {
                let step = after.step.filter(|(of, _)| *of == kind).map(|(_, step)| step);
                Tree::after(app, place, &servers, gateway, posted, (kind, step)).await?
            }
            None => Tree::closed(&servers, gateway, kind),
        });
    }
    let present = gateway.and_then(|gateway| gateway.authentication.user_source());
    let all = sources(app, place).await?;
    let is_inactive = |source: &&UserSource| source.status == UserSourceStatus::Inactive;
    let inactive = all.iter().filter(is_inactive).take(NAMED);
    let inactive = inactive.map(|source| (source.id, source.name.clone())).collect();
    let sources = choices(app, place, all, present).await?;
    let path = |rest: &str| place.path(&format!("/gateways{rest}"));
    Ok(page::show_with(
        form.status(),
        &FormPage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            action: gateway.map_or_else(|| path("/new"), |gateway| path(&format!("/{}/edit", gateway.id))),
            back: gateway.map_or_else(|| path(""), |gateway| path(&format!("/{}", gateway.id))),
            made_from: gateway.map(|gateway| {
                let version = Version::from(gateway.updated_at);
                (gateway.id, gateway.name.clone(), version.0)
            }),
            modes: &MODES,
            sources,
            inactive,
            servers,
            trees,
            known: &KNOWN_CLIENTS,
            own: own_clients(&form),
            registration: &REGISTRATION,
            prefix_modes: &PREFIX_MODES,
            prefix: app.config.gateway_url(""),
            is_from_link: after.is_from_link,
            form,
        },
    ))
}

/// The form again, saying why what was typed was refused.
pub(super) async fn refused(
    app: &Admin,
    place: &InProject,
    posted: &Posted,
    gateway: Option<&Gateway>,
    error: ServiceError,
) -> Result<Response, PageError> {
    let form = Form::refused(posted, &fields::SHOWN, &fields::HIDDEN, error)?;
    let after = After {
        gateway,
        posted: Some(posted),
        step: None,
        is_from_link: false,
    };
    show(app, place, form, after).await
}

/// The form as an address carries it.
pub(super) async fn from_link(
    app: &Admin,
    place: &InProject,
    posted: &Posted,
    gateway: Option<&Gateway>,
) -> Result<Response, PageError> {
    let form = Form::again(posted, &fields::SHOWN);
    let after = After {
        gateway,
        posted: Some(posted),
        step: None,
        is_from_link: true,
    };
    show(app, place, form, after).await
}

/// The form again as it was typed, after a step in the tree of a kind.
pub(super) async fn again(
    app: &Admin,
    place: &InProject,
    posted: &Posted,
    gateway: Option<&Gateway>,
    step: Option<(Kind, Step)>,
) -> Result<Response, PageError> {
    let form = Form::again(posted, &fields::SHOWN);
    let after = After {
        gateway,
        posted: Some(posted),
        step,
        is_from_link: false,
    };
    show(app, place, form, after).await
}

fn own_clients(form: &Form) -> Vec<OwnClient> {
    let typed: Vec<&str> = form.all("own_client").collect();
    let used = typed.iter().filter(|url| !url.is_empty()).count();
    let rows = typed.len().max(used + SPARE_ROWS);
    (0..rows)
        .map(|index| OwnClient {
            index,
            url: typed.get(index).map_or_else(String::new, |url| (*url).to_owned()),
            allows_loopback: form.holds("own_loopback", &index.to_string()),
        })
        .collect()
}

/// POST `/projects/{project}/gateways/tools`: a part of the form, for a script. It changes nothing; it is a POST because it
/// includes what is chosen, which can be thousands of tools.
pub(super) async fn tools(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let gateway = match posted.text("gateway").parse::<GatewayId>() {
        Ok(id) => Some(service::find(&app, &place.visit.authority, place.project.id, id).await?),
        Err(_) => None,
    };
    let (kind, step) = match Step::of(&posted) {
        Some((kind, step)) => (kind, Some(step)),
        None => (Kind::Tools, None),
    };
    let only = step.and_then(Step::server);
    let mut servers = all_servers(&app, &place).await?;
    if let Some(only) = only {
        servers.retain(|server| server.id == only);
    }
    let mut tree = Tree::after(&app, &place, &servers, gateway.as_ref(), &posted, (kind, step)).await?;
    let node = if only.is_some() { tree.nodes.pop() } else { None };
    let (part, here) = paths(gateway.is_some());
    Ok(page::show(&ChoicesPart {
        tree,
        node,
        is_unfolded: step == Some(Step::Unfold),
        part,
        here,
    }))
}

/// GET `/projects/{project}/gateways/slug`: whether a slug is available, while it is entered.
pub(super) async fn slug(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let Some(slug) = asked.text("slug").map(str::trim).filter(|slug| !slug.is_empty()) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let own = asked.text("gateway").and_then(|id| id.parse().ok());
    let (authority, project) = (&place.visit.authority, place.project.id);
    let problem = match service::try_slug(&app, authority, project, own, slug).await {
        Ok(()) => None,
        Err(ServiceError::Invalid(invalid)) => invalid.violations().first().map(|one| one.detail.clone()),
        Err(other) => return Err(other.into()),
    };
    Ok(page::show(&SlugPart {
        url: problem.is_none().then(|| app.config.gateway_url(slug)),
        problem,
    }))
}

impl FormPage {
    /// Whether clients other than the known ones are trusted.
    fn has_own(&self) -> bool {
        self.own.iter().any(|client| !client.url.is_empty())
    }

    /// Where parts of the form are asked for.
    const fn part(&self) -> &'static str {
        paths(self.made_from.is_some()).0
    }

    /// Where the form is sent.
    const fn here(&self) -> &'static str {
        paths(self.made_from.is_some()).1
    }
}

/// The addresses for parts of a form and for sending it, from its own address: each server has several of these.
const fn paths(is_of_a_gateway: bool) -> (&'static str, &'static str) {
    if is_of_a_gateway {
        ("../tools", "edit")
    } else {
        ("tools", "new")
    }
}
