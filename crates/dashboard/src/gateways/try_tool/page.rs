//! The page of a tool, a prompt or a resource: `/projects/{project}/gateways/{gateway}/try/{tool}`, `…/try-prompts/{prompt}` and
//! `…/try-resources/read`. A form, and the outcome: a result, or what the server asks before there is one. A resource is
//! named in the query or the form, because a URI can be too long and too unusual for a path.

use std::sync::Arc;

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId};
use gatewright_mcp::{listing::ListKind, own_client::OfferedItem};
use http::{HeaderMap, StatusCode};

use super::{
    fields::{Kind, Row, Scalar},
    introduction::Introduction,
    live, path_of,
    people::{self, People},
    questions::{Action, Input, InputRequired, Questions, Waiting},
    request_form::{RequestForm, Subject},
    result::{Block, ResultView, reported},
    what::What,
};
use crate::{
    Admin,
    error::{Message, PageError},
    form::{Asked as Query, Posted},
    page::{self, Frame, ProjectLink, Section},
    request::RequestContext,
    resource_server::{Outcome, Report, Tried},
    service::{
        ServiceError, gateways,
        try_tool::{self as service, LogLevel},
    },
    session::InProject,
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
    /// What the server says about it, if it is offered as such; the ID of the server.
    introduction: Option<(Introduction, String)>,
    title: Option<String>,
    form: RequestForm,
    people: People,
    outcome: Option<Came>,
    /// The input schema of a tool.
    schema: Option<String>,
}

/// What came of a request.
enum Came {
    Questions(Questions),
    Result {
        /// The URI, if a resource was read.
        uri: Option<String>,
        view: ResultView,
    },
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

/// POST to the same: the request, an answer to its server, or a step on the way that keeps what was typed.
pub(super) async fn post(
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    place: InProject,
    headers: HeaderMap,
    posted: Posted,
    what: What,
) -> Result<Response, PageError> {
    let named = |name: &str| posted.text(name).to_owned();
    let mut opened = open(&app, &place, what, named).await?;
    let next = match Action::of(posted.text("do")) {
        Some(action) => opened.answer(&app, &place, action, &posted).await?,
        None => opened.request(&app, &place, &posted).await?,
    };
    let Some(next) = next else {
        return Ok(opened.render(&place));
    };
    if !live::is_wanted(&headers) {
        return opened.ask(&app, &place, next, &|_| {}).await;
    }
    Ok(live::respond(|tell| async move {
        let heard = move |report: &Report| {
            // The page has what finds no room here.
            let _ = tell.try_send(report.clone());
        };
        let page = opened.ask(&app, &place, next, &heard).await;
        page.unwrap_or_else(|error| Message::from(error).render(&context))
    }))
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
            // What servers say about it is not needed to ask for it.
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
    /// The request that was filled in, if it was sent and nothing is wrong with it.
    async fn request(
        &mut self,
        app: &Admin,
        place: &InProject,
        posted: &Posted,
    ) -> Result<Option<Waiting>, PageError> {
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
                return Ok(request.map(|request| Waiting::new(app, request)));
            }
        }
        Ok(None)
    }

    /// The request that continues with the answers, if nothing is wrong with them.
    async fn answer(
        &mut self,
        app: &Admin,
        place: &InProject,
        action: Action,
        posted: &Posted,
    ) -> Result<Option<Waiting>, PageError> {
        let sealed = posted.text("waiting");
        let waiting = Waiting::open(app, place, self.gateway.id, sealed).and_then(|waiting| {
            let is_of_page = self.form.show(&waiting.request);
            is_of_page
                .then_some(waiting)
                .ok_or("This question belongs to another page, so nothing was sent. Make the request again to be asked.")
        });
        let authentication = self.gateway.authentication;
        let user = waiting.as_ref().ok().and_then(|waiting| waiting.request.user());
        self.people = people::read(app, place, authentication, None, user).await?;
        let mut waiting = match waiting {
            Ok(waiting) => waiting,
            Err(why) => {
                self.form.problems.push(why.to_owned());
                return Ok(None);
            }
        };
        if self.people.error.is_some() {
            return Ok(None);
        }
        let mut questions = waiting.questions();
        if let Some(answers) = questions.answers(action, posted) {
            let answers = (!questions.all.is_empty()).then_some(answers);
            waiting.answer(answers);
            return Ok(Some(waiting));
        }
        questions.sealed = Some(sealed.to_owned());
        questions.focus();
        self.outcome = Some(Came::Questions(questions));
        Ok(None)
    }

    /// Makes a request and shows the outcome.
    async fn ask(
        mut self,
        app: &Arc<Admin>,
        place: &InProject,
        next: Waiting,
        heard: &(dyn Fn(&Report) + Send + Sync),
    ) -> Result<Response, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        match service::ask(app, authority, project, self.gateway.id, &next.request, heard).await {
            Ok(tried) => self.outcome = Some(self.came(app, place, next, tried)),
            Err(error) => super::refused(error, &mut self.people, &mut self.form.problems)?,
        }
        Ok(self.render(place))
    }

    /// What came of a request: a result, or what its server asks before there is one.
    fn came(&self, app: &Admin, place: &InProject, made: Waiting, mut tried: Tried) -> Came {
        // A server that continues an earlier call learns nothing again.
        if tried.told.claims.is_none() && made.told.claims.is_some() {
            tried.told = made.told.clone();
        }
        let asked = match &tried.outcome {
            Outcome::Result(result) => InputRequired::of(result),
            Outcome::Error { .. } | Outcome::Late | Outcome::TooLarge | Outcome::Broken => None,
        };
        let Some(asked) = asked else {
            return Came::Result {
                uri: made.request.uri().map(str::to_owned),
                view: ResultView::of(tried, self.what),
            };
        };
        let reports = tried.reports.iter().map(reported).collect();
        let waiting = made.asked(app, asked, tried);
        let mut questions = waiting.questions();
        questions.reports = reports;
        if questions.problem.is_none() {
            questions.sealed = waiting.seal(app, place, self.gateway.id);
            if questions.sealed.is_none() {
                questions.problem = Some(
                    "What the server asks is too large to be answered here. A client can answer it."
                        .to_owned(),
                );
            }
        }
        questions.focus();
        Came::Questions(questions)
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
        let is_wrong = matches!(&outcome, Some(Came::Questions(questions)) if questions.is_refused());
        let status = if form.is_refused() || people.error.is_some() || is_wrong {
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
        // Also where there are none yet: the script puts a result into the page that is open.
        page::with_pictures_inside(page::show_with(status, &page))
    }
}
