//! `/instance/streams/new`: a new stream of the kind that the address names.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{stream::StreamKind, words::Worded as _};

use super::{
    super::Administrator,
    PATH,
    fields::{self, HIDDEN, SHOWN},
};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    page::{self, Frame, Section},
    service::streams as service,
    session::Visit,
};

#[derive(Template)]
#[template(path = "dashboard/instance/streams/new.html")]
struct NewPage {
    frame: Frame,
    kind: &'static str,
    label: &'static str,
    /// The folder of files, where there is one.
    folder: Option<String>,
    projects: Vec<(String, String)>,
    form: Form,
}

/// GET `/instance/streams/new`.
pub(in crate::instance) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    asked: Asked,
) -> Result<Response, PageError> {
    let kind = asked.text("kind").and_then(StreamKind::of_word);
    let kind = kind.unwrap_or(StreamKind::Webhook);
    render(&app, &visit, kind, fields::of_kind(kind)).await
}

/// POST `/instance/streams/new`.
pub(in crate::instance) async fn save(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    posted: Posted,
) -> Result<Response, PageError> {
    let kind = StreamKind::of_word(posted.text("kind")).unwrap_or(StreamKind::Webhook);
    match service::create(&app, &visit.authority, fields::new(&posted, kind)).await {
        Ok(standing) => {
            let path = format!("{PATH}/{}", standing.stream.id);
            Ok(page::done(&path, Flash::StreamCreated))
        }
        Err(error) => {
            let form = Form::refused(&posted, SHOWN, HIDDEN, error)?;
            render(&app, &visit, kind, form).await
        }
    }
}

async fn render(app: &Admin, visit: &Visit, kind: StreamKind, form: Form) -> Result<Response, PageError> {
    let projects = service::projects(app, &visit.authority).await?;
    Ok(page::show_with(
        form.status(),
        &NewPage {
            frame: visit.frame(Section::InstanceStreams),
            kind: kind.as_str(),
            label: kind.label(),
            folder: folder(app),
            projects: projects
                .into_iter()
                .map(|(id, name)| (id.to_string(), name))
                .collect(),
            form,
        },
    ))
}

/// The folder of files.
pub(super) fn folder(app: &Admin) -> Option<String> {
    let folder = app.config.streams.directory.as_ref();
    folder.map(|folder| folder.display().to_string())
}
