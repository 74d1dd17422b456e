//! `/projects/{project}/gateways/{gateway}/try`, `…/try-prompts` and `…/try-resources`: what a gateway offers, to choose one.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId, member::Role};
use gatewright_mcp::{listing::ListKind, own_client::OfferedItem};
use url::form_urlencoded;

use super::{introduction::Introduction, path_of, what::What};
use crate::{
    Admin,
    error::PageError,
    form::Asked,
    page::{self, Frame, ProjectLink, Section},
    service::{ServiceError, gateways, try_tool as service},
    session::InProject,
};

/// Rows on a page of the list.
const ON_A_PAGE: usize = 50;
/// Characters of a description in the list.
const DESCRIPTION_MAX: usize = 180;

/// Something to try.
struct ItemRow {
    name: String,
    href: String,
    title: Option<String>,
    description: String,
    hint: Option<(&'static str, &'static str)>,
    server: String,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/try.html")]
struct TryPage {
    frame: Frame,
    project: ProjectLink,
    gateway: Gateway,
    what: What,
    /// Where the page is.
    here: String,
    may_call: bool,
    /// Why there is nothing to choose.
    in_the_way: Option<String>,
    search: String,
    items: Vec<ItemRow>,
    offered: usize,
    found: usize,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/gateways/{gateway}/try`, `…/try-prompts` or `…/try-resources`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
    what: What,
) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = gateways::find(&app, authority, project, id).await?;
    let may_call = place.role >= Role::Admin;
    let mut in_the_way = None;
    let mut offered: Vec<(ListKind, OfferedItem)> = Vec::new();
    if may_call {
        for list in what.lists() {
            match service::offered(&app, authority, project, id, *list).await {
                Ok(items) => offered.extend(items.into_iter().map(|item| (*list, item))),
                Err(ServiceError::Conflict(conflict)) => in_the_way = Some(conflict.detail),
                Err(other) => return Err(other.into()),
            }
        }
    }
    // One list of two is better than none.
    let in_the_way = in_the_way.filter(|_| offered.is_empty());
    let here = place.path(&format!("/gateways/{id}/{}", what.path()));
    let search = asked.text("q").unwrap_or_default().to_owned();
    let page: usize = asked.text("page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let wanted = search.trim().to_lowercase();
    let matching: Vec<_> = offered
        .iter()
        .filter(|(_, item)| {
            wanted.is_empty()
                || item.name.to_lowercase().contains(&wanted)
                || Introduction::of(item).mentions(&wanted)
        })
        .collect();
    let on_page = matching
        .iter()
        .skip(page.saturating_mul(ON_A_PAGE))
        .take(ON_A_PAGE);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", &search)
        .append_pair("page", &page.saturating_add(1).to_string())
        .finish();
    let is_more = matching.len() > page.saturating_add(1).saturating_mul(ON_A_PAGE);
    let found = matching.len();
    let items = on_page.map(|(list, item)| row(&here, *list, item)).collect();
    Ok(page::show(&TryPage {
        frame: place.frame(Section::Gateways),
        project: place.project.clone(),
        first: (page > 0).then(|| here.clone()),
        next: is_more.then(|| format!("{here}?{query}")),
        offered: offered.len(),
        gateway,
        what,
        here,
        may_call,
        in_the_way,
        search,
        items,
        found,
    }))
}

fn row(here: &str, list: ListKind, item: &OfferedItem) -> ItemRow {
    let introduction = Introduction::of(item);
    let description = introduction.description();
    let short: String = description.chars().take(DESCRIPTION_MAX).collect();
    let read = |parameter: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair(parameter, &item.name)
            .finish();
        format!("{here}/read?{query}")
    };
    let (href, title, hint) = match list {
        ListKind::Tools | ListKind::Prompts => (
            path_of(here, &item.name),
            introduction.title(),
            introduction.hint(),
        ),
        ListKind::Resources => (read("uri"), introduction.title_or_name(), None),
        ListKind::ResourceTemplates => (
            read("template"),
            introduction.title_or_name(),
            Some(("accent", "Template")),
        ),
    };
    ItemRow {
        href,
        title: title.map(str::to_owned),
        description: if short.len() < description.len() {
            format!("{}…", short.trim_end())
        } else {
            short
        },
        hint,
        server: item.server.config.slug.clone(),
        name: item.name.clone(),
    }
}
