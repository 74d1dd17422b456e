//! `/` and `/projects`: what is open to the account, and new projects for administrators of the instance.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::id::ProjectId;
use gatewright_store::PageRequest;

use super::{
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    page::{self, Frame, Section},
    role,
    session::Visit,
};
use crate::{
    Admin,
    service::{
        members,
        projects::{self as service, NewProject},
    },
};

/// Projects on a page of the list.
const ON_A_PAGE: u32 = 50;

/// A project in the list.
struct ProjectRow {
    id: ProjectId,
    name: String,
    initial: String,
    /// What the account is there; `None` when it is not a member.
    role: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "dashboard/projects.html")]
struct ProjectsPage {
    frame: Frame,
    projects: Vec<ProjectRow>,
    first: Option<String>,
    next: Option<String>,
    may_create: bool,
    form: Form,
}

/// GET `/`: to the only project there is, or to the list.
pub(super) async fn start(visit: Visit) -> Response {
    match visit.session.memberships.as_slice() {
        [only] => page::go(&format!("/projects/{}", only.project_id), []),
        _ => page::go("/projects", []),
    }
}

/// GET `/projects`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    visit: Visit,
    asked: Asked,
) -> Result<Response, PageError> {
    render(&app, &visit, asked.text("cursor"), Form::default()).await
}

/// POST `/projects`.
pub(super) async fn create(
    State(app): State<Arc<Admin>>,
    visit: Visit,
    posted: Posted,
) -> Result<Response, PageError> {
    let new = NewProject {
        name: posted.text("name").to_owned(),
    };
    match service::create(&app, &visit.authority, new).await {
        Ok(project) => Ok(page::done(
            &format!("/projects/{}", project.id),
            Flash::ProjectCreated,
        )),
        Err(error) => {
            let form = Form::refused(&posted, &["name"], &[], error)?;
            render(&app, &visit, None, form).await
        }
    }
}

/// POST `/projects/{project}/join`: an administrator of the instance becomes an owner.
pub(super) async fn join(
    State(app): State<Arc<Admin>>,
    visit: Visit,
    axum::extract::Path(id): axum::extract::Path<String>,
) -> Result<Response, PageError> {
    let id: ProjectId = id.parse().map_err(|_| PageError::NotFound("project"))?;
    members::join(&app, &visit.authority, id).await?;
    Ok(page::done(&format!("/projects/{id}"), Flash::AddedOneself))
}

async fn render(app: &Admin, visit: &Visit, cursor: Option<&str>, form: Form) -> Result<Response, PageError> {
    let request = PageRequest {
        after: cursor.map(str::to_owned),
        limit: ON_A_PAGE,
    };
    let read = service::list(app, &visit.authority, &request).await?;
    let projects = read.items.into_iter().map(|project| ProjectRow {
        initial: page::initial(&project.name),
        role: visit
            .session
            .role_in(project.id)
            .map(|role| role::of_member(role).label),
        id: project.id,
        name: project.name,
    });
    Ok(page::show_with(
        form.status(),
        &ProjectsPage {
            frame: visit.frame(Section::Projects),
            projects: projects.collect(),
            first: cursor.map(|_| "/projects".to_owned()),
            next: read.next.map(|next| format!("/projects?cursor={next}")),
            may_create: visit.authority.manages_instance(),
            form,
        },
    ))
}
