//! The page of a tool, a prompt or a resource: `/projects/{project}/gateways/{gateway}/try/{tool}`, `…/try-prompts/{prompt}` and
//! `…/try-resources/read`. A form, and what came of it. A resource is named in the query or the form, because a URI may be too long
//! and too odd for a path.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId};
use gatewright_mcp::{listing::ListKind, own_client::OfferedItem};
use http::StatusCode;

use super::{
    fields::{Kind, Row, Scalar},
    introduction::Introduction,
    path_of,
    people::{self, People},
    request_form::{RequestForm, Subject},
    result::{Block, ResultView},
    what::What,
};
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        form::{Asked as Query, Posted},
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::{
        ServiceError, gateways,
        try_tool::{self as service, LogLevel, Request},
    },
};

#[derive(Template)]
#[template(path = "dashboard/gateways/try_one.html")]
struct TryOnePage {
    frame: Frame,
    project: ProjectLink,
    what: What,
    gateway: Gateway,
    /// The page of all of its kind.
    all: String,
    here: String,
    /// What the server says of it, where it is offered as such; the ID of the server.
    introduction: Option<(Introduction, String)>,
    title: Option<String>,
    form: RequestForm,
    people: People,
    outcome: Option<Came>,
    /// The input schema of a tool.
    schema: Option<String>,
}

/// What came of a request.
struct Came {
    /// The URI, where a resource was read.
    uri: Option<String>,
    view: ResultView,
}

/// What every request of the page needs.
struct Opened {
    what: What,
    gateway: Gateway,
    item: Option<OfferedItem>,
    form: RequestForm,
    people: People,
    outcome: Option<Came>,
}

/// GET.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Query,
    what: What,
) -> Result<Response, PageError> {
    let named = |name: &str| asked.text(name).unwrap_or_default().to_owned();
    let mut opened = open(&app, &place, what, named).await?;
    if asked.text("form") == Some("json") {
        opened.form.begin_with_json();
    }
    let authentication = opened.gateway.authentication;
    opened.people = people::read(&app, &place, authentication, None, asked.text("as")).await?;
    Ok(opened.render(&place))
}

/// POST to the same: the request, or a step on the way that keeps what was typed.
pub(super) async fn post(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
    what: What,
) -> Result<Response, PageError> {
    let named = |name: &str| posted.text(name).to_owned();
    let mut opened = open(&app, &place, what, named).await?;
    match opened.request(&app, &place, &posted).await? {
        Some(request) => opened.ask(&app, &place, &request).await,
        None => Ok(opened.render(&place)),
    }
}

async fn open(
    app: &Arc<Admin>,
    place: &InProject,
    what: What,
    named: impl Fn(&str) -> String,
) -> Result<Opened, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = gateways::find(app, authority, project, id).await?;
    let (form, item) = if what == What::Resource {
        let form = RequestForm::of_resource(named("uri"), named("template"));
        let list = if matches!(form.subject, Subject::Template(_)) {
            ListKind::ResourceTemplates
        } else {
            ListKind::Resources
        };
        let offered = match service::offered(app, authority, project, id, list).await {
            Ok(offered) => offered,
            // What servers say of it is not needed to ask for it.
            Err(ServiceError::Conflict(_)) => Vec::new(),
            Err(other) => return Err(other.into()),
        };
        let item = offered.into_iter().find(|item| item.name == form.name());
        (form, item)
    } else {
        let name: String = place.id(what.singular(), what.singular())?;
        let mut found = None;
        for list in what.lists() {
            let offered = service::offered(app, authority, project, id, *list).await?;
            found = found.or(offered.into_iter().find(|item| item.name == name));
        }
        let item = found.ok_or(PageError::NotFound(what.singular()))?;
        (RequestForm::of_item(what, &item), Some(item))
    };
    Ok(Opened {
        what,
        gateway,
        item,
        form,
        people: People::default(),
        outcome: None,
    })
}

impl Opened {
    /// The request that was filled in, where that is what was asked for and nothing is wrong with it.
    async fn request(
        &mut self,
        app: &Admin,
        place: &InProject,
        posted: &Posted,
    ) -> Result<Option<Request>, PageError> {
        let form = &mut self.form;
        form.take(posted);
        let authentication = self.gateway.authentication;
        self.people = people::read(app, place, authentication, Some(posted), None).await?;
        match posted.text("do") {
            "find" => {}
            "json" => form.turn_into_json(),
            "form" => form.turn_into_fields(),
            _ => {
                let request = form.request(self.people.user());
                let request = request.filter(|_| self.people.error.is_none());
                return Ok(request);
            }
        }
        Ok(None)
    }

    /// Makes a request and shows what came of it.
    async fn ask(
        mut self,
        app: &Arc<Admin>,
        place: &InProject,
        request: &Request,
    ) -> Result<Response, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        match service::ask(app, authority, project, self.gateway.id, request, &|_| {}).await {
            Ok(tried) => {
                self.outcome = Some(Came {
                    uri: request.uri().map(str::to_owned),
                    view: ResultView::of(tried, self.what),
                });
            }
            Err(error) => super::refused(error, &mut self.people, &mut self.form.problems)?,
        }
        Ok(self.render(place))
    }

    fn render(self, place: &InProject) -> Response {
        let Self {
            what,
            gateway,
            item,
            form,
            people,
            outcome,
        } = self;
        let status = if form.is_refused() || people.error.is_some() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        let all = place.path(&format!("/gateways/{}/{}", gateway.id, what.path()));
        let here = match &form.subject {
            Subject::Tool(name) | Subject::Prompt(name) => path_of(&all, name),
            Subject::Uri(_) | Subject::Template(_) => format!("{all}/read"),
        };
        let schema = item.as_ref().filter(|_| what == What::Tool).map(|tool| {
            let schema = String::from_utf8_lossy(tool.input_schema().unwrap_or(b"{}"));
            super::json::shown(&schema)
        });
        let introduced = |item: &OfferedItem| (Introduction::of(item), item.server.config.slug.clone());
        let introduction = item.as_ref().map(introduced);
        let title = introduction
            .as_ref()
            .and_then(|(introduction, _)| introduction.title_of(what));
        let page = TryOnePage {
            title: title.map(str::to_owned),
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            introduction,
            what,
            gateway,
            all,
            here,
            form,
            people,
            outcome,
            schema,
        };
        page::with_pictures_inside(page::show_with(status, &page))
    }
}
