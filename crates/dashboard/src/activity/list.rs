//! The page of activity: charts, and the requests behind them.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    activity::{Outcome, RequestKind},
    words::Worded as _,
};

use super::{
    charts, filter,
    row::{Row, rows},
};
use crate::{
    Admin,
    chart::Figure,
    error::PageError,
    filters::{self, Filters},
    form::Asked,
    list,
    page::{self, Frame, ProjectLink, Section},
    service::{
        activity as service,
        traffic::{self, Range, Subject},
    },
    session::InProject,
};

/// A range to choose.
struct RangeTab {
    href: String,
    label: &'static str,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "dashboard/activity/list.html")]
struct ActivityPage {
    frame: Frame,
    project: ProjectLink,
    ranges: Vec<RangeTab>,
    caption: String,
    leaves_out: bool,
    figures: Vec<Figure>,
    filters: Filters,
    gateways: Vec<(String, String)>,
    servers: Vec<(String, String)>,
    outcomes: Vec<(&'static str, &'static str)>,
    kinds: Vec<(&'static str, &'static str)>,
    /// Filters that links set: what the list is about, and the address without it.
    only: Vec<(String, String)>,
    /// The same as in the address.
    linked: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    /// Whether nothing was found in what was looked at, and there is more to look at.
    is_search: bool,
    /// Where new requests come from, on the first page.
    live: Option<String>,
    refresh: String,
    /// Where the API has all of them.
    export: String,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/activity`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let filters = filter::read(&place, &asked);
    let range = filter::range(&filters);
    let request = list::request(&asked);
    let (authority, project) = (&place.visit.authority, place.project.id);
    // Before the rows are read: what arrives in the meantime is sent again, and the script leaves it out.
    let last = service::last_row(&app, authority, project).await?;
    let wanted = filter::wanted(&filters, range, app.now());
    let read = service::list(&app, authority, project, &wanted, &request).await?;
    let subject = filter::subject(&filters);
    let caption = filter::caption(&app, &place, &filters, &subject).await?;
    let is_first = request.after.is_none();
    let refresh = filters.address(None);
    let live = format!("{}/live{}", filters.path(), filters.query(None));
    let joint = if live.contains('?') { '&' } else { '?' };
    Ok(page::show(&ActivityPage {
        frame: place.frame(Section::Activity),
        project: place.project.clone(),
        ranges: ranges(&filters, range),
        figures: figures(&app, &place, &subject, range).await?,
        gateways: filters::gateways(&app, &place, filters.text("gateway")).await?,
        servers: filters::servers(&app, &place, filters.text("server")).await?,
        outcomes: Outcome::choices(),
        kinds: RequestKind::choices(),
        only: filter::only(&app, &place, &filters).await?,
        linked: filter::linked(&filters),
        rows: rows(&app, &place, &read.items).await?,
        is_search: read.items.is_empty() && read.next.is_some(),
        live: is_first.then(|| format!("{live}{joint}after={last}")),
        export: filter::at_api(&place, &wanted),
        first: request.after.is_some().then(|| refresh.clone()),
        refresh,
        next: read.next.map(|next| filters.address(Some(&next))),
        caption: caption.text,
        leaves_out: caption.leaves_out,
        filters,
    }))
}

fn ranges(filters: &Filters, range: Range) -> Vec<RangeTab> {
    let tab = |(known, word, label): (Range, &'static str, &'static str)| RangeTab {
        href: filters.with("range", word),
        label,
        is_current: known == range,
    };
    Range::ALL.into_iter().map(tab).collect()
}

async fn figures(
    app: &Admin,
    place: &InProject,
    subject: &Subject,
    range: Range,
) -> Result<Vec<Figure>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let traffic = traffic::of(app, authority, project, subject, range).await?;
    let mut figures = vec![
        charts::requests(&traffic, range),
        charts::latency(&traffic, range),
    ];
    if *subject == Subject::Project {
        let people = traffic::people(app, authority, project, range).await?;
        figures.push(charts::people(&people, range));
    }
    Ok(figures)
}
