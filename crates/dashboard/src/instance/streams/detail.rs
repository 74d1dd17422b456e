//! `/instance/streams/{stream}`: how a stream stands, what it sends where, a test, its end.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::stream::StreamStatus;

use super::{
    super::Administrator,
    PATH, Shown,
    create::folder,
    fields::{self, HIDDEN, SHOWN},
    parse,
};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    page::{self, Frame, Section},
    service::{
        IfMatch, Patch, Version,
        streams::{self as service, Standing, StreamPatch},
    },
    session::Visit,
};

#[derive(Template)]
#[template(path = "dashboard/instance/streams/detail.html")]
struct DetailPage {
    frame: Frame,
    shown: Shown,
    kind: &'static str,
    folder: Option<String>,
    /// Why the test event did not arrive.
    test_error: Option<String>,
    projects: Vec<(String, String)>,
    version: String,
    form: Form,
}

/// GET `/instance/streams/{stream}`.
pub(in crate::instance) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let standing = service::find(&app, &visit.authority, parse(&id)?).await?;
    let form = fields::of_stream(&standing.stream);
    render(&app, &visit, &standing, form, None).await
}

/// POST `/instance/streams/{stream}`.
pub(in crate::instance) async fn save(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    let standing = service::find(&app, &visit.authority, id).await?;
    let patch = fields::patch(&posted, standing.stream.target.kind());
    let if_match = IfMatch::OneOf(vec![Version(posted.text("version").to_owned())]);
    match service::update(&app, &visit.authority, id, patch, &if_match).await {
        Ok(_) => Ok(page::done(&format!("{PATH}/{id}"), Flash::StreamSaved)),
        Err(error) => {
            let form = Form::refused(&posted, SHOWN, HIDDEN, error)?;
            render(&app, &visit, &standing, form, None).await
        }
    }
}

/// POST `/instance/streams/{stream}/status`.
pub(in crate::instance) async fn set_status(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    let (status, flash) = match posted.text("status") {
        "inactive" => (StreamStatus::Inactive, Flash::StreamStopped),
        _ => (StreamStatus::Active, Flash::StreamStarted),
    };
    let patch = StreamPatch {
        status: Patch::Set(status),
        ..StreamPatch::default()
    };
    service::update(&app, &visit.authority, id, patch, &IfMatch::Any).await?;
    Ok(page::done(&format!("{PATH}/{id}"), flash))
}

/// POST `/instance/streams/{stream}/test`.
pub(in crate::instance) async fn test(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    match service::send_test(&app, &visit.authority, id).await? {
        Ok(()) => Ok(page::done(&format!("{PATH}/{id}"), Flash::StreamTested)),
        Err(why) => {
            let standing = service::find(&app, &visit.authority, id).await?;
            let form = fields::of_stream(&standing.stream);
            render(&app, &visit, &standing, form, Some(why)).await
        }
    }
}

/// POST `/instance/streams/{stream}/delete`.
pub(in crate::instance) async fn delete(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    service::delete(&app, &visit.authority, parse(&id)?, &IfMatch::Any).await?;
    Ok(page::done(PATH, Flash::StreamDeleted))
}

async fn render(
    app: &Admin,
    visit: &Visit,
    standing: &Standing,
    form: Form,
    test_error: Option<String>,
) -> Result<Response, PageError> {
    let mut projects: Vec<_> = service::projects(app, &visit.authority)
        .await?
        .into_iter()
        .map(|(id, name)| (id.to_string(), name))
        .collect();
    let project = standing.stream.project_id.map(|id| id.to_string());
    if let Some(project) = project
        && projects.iter().all(|(id, _)| *id != project)
    {
        // Deleted, or beyond what fits into the list.
        projects.push((project.clone(), project));
    }
    Ok(page::show_with(
        form.status(),
        &DetailPage {
            frame: visit.frame(Section::InstanceStreams),
            shown: Shown::new(standing, app.now()),
            kind: standing.stream.target.kind().as_str(),
            folder: folder(app),
            test_error,
            projects,
            version: Version::from(standing.stream.updated_at).0,
            form,
        },
    ))
}
