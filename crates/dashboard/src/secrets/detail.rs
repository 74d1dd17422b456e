//! `/projects/{project}/secrets/{secret}`: where a secret can be sent and what uses it; changing its value and origins,
//! and deleting it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::id::SecretId;
use http::StatusCode;

use crate::{
    Admin,
    deleting::confirmed,
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{
        IfMatch, Patch, ServiceError, Version,
        secrets::{self as service, SecretPatch},
    },
    session::InProject,
};

#[derive(Template)]
#[template(path = "dashboard/secrets/detail.html")]
struct DetailPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    path: String,
    /// Not `name`, which means the field inside the macros of forms.
    secret_name: String,
    /// How headers name it.
    reference: String,
    origins: Vec<String>,
    created: Moment,
    changed: Moment,
    /// Findings that are worth knowing and not errors.
    warnings: Vec<String>,
    /// Servers that use it: their pages and names.
    users: Vec<(String, String)>,
    /// The origin that a server needs and that is filled in already.
    allow: Option<String>,
    version: String,
    form: Form,
    delete_form: Form,
}

/// GET `/projects/{project}/secrets/{secret}`. `allow` is an origin to fill in, from the form of a server that needs it.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    render(&app, &place, asked.text("allow"), None, None).await
}

/// POST `/projects/{project}/secrets/{secret}`.
pub(super) async fn save(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: SecretId = place.id("secret", "secret")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let typed = posted.secret("value");
    let patch = SecretPatch {
        value: if typed.expose().is_empty() {
            Patch::Keep
        } else {
            Patch::Set(typed)
        },
        origins: Patch::Set(super::origins(&posted)),
    };
    let if_match = IfMatch::OneOf(vec![Version(posted.text("version").to_owned())]);
    match service::update(&app, authority, project, id, patch, &if_match).await {
        Ok(_) => Ok(page::done(
            &place.path(&format!("/secrets/{id}")),
            Flash::SecretSaved,
        )),
        Err(error) => {
            let form = refused(&posted, &["origins"], error)?;
            render(&app, &place, None, Some(form), None).await
        }
    }
}

/// POST `/projects/{project}/secrets/{secret}/delete`: asks for the name, so that the wrong one is not deleted by mistake.
pub(super) async fn delete(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: SecretId = place.id("secret", "secret")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let name = service::find(&app, authority, project, id).await?.name;
    let deleted = match confirmed(&posted, "confirm_name", "name", "secret", &name) {
        Ok(()) => service::delete(&app, authority, project, id, &IfMatch::Any).await,
        Err(not_it) => Err(not_it.into()),
    };
    match deleted {
        Ok(()) => Ok(page::done(&place.path("/secrets"), Flash::SecretDeleted)),
        Err(error) => {
            let form = refused(&posted, &["confirm_name"], error)?;
            render(&app, &place, None, None, Some(form)).await
        }
    }
}

fn refused(posted: &Posted, shown: &[&'static str], error: ServiceError) -> Result<Form, PageError> {
    Form::refused(posted, shown, &["value"], error)
}

async fn render(
    app: &Admin,
    place: &InProject,
    allow: Option<&str>,
    form: Option<Form>,
    delete_form: Option<Form>,
) -> Result<Response, PageError> {
    let id: SecretId = place.id("secret", "secret")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let secret = service::find(app, authority, project, id).await?;
    let mut usage = service::usage(app, authority, project).await?;
    let users = usage.remove(&secret.name).unwrap_or_default();
    let allow = allow.filter(|origin| !secret.origins.iter().any(|other| other == origin));
    let form = form.unwrap_or_else(|| {
        let mut origins = secret.origins.clone();
        origins.extend(allow.map(str::to_owned));
        Form::with([("origins", &origins.join("\n"))])
    });
    let delete_form = delete_form.unwrap_or_default();
    let warnings = service::warnings(&secret).into_iter();
    let now = app.now();
    let status = if form.is_refused() || delete_form.is_refused() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok(page::show_with(
        status,
        &DetailPage {
            frame: place.frame(Section::Secrets),
            project: place.project.clone(),
            may_change: place.may_change(),
            path: place.path(&format!("/secrets/{id}")),
            created: Moment::new(secret.created_at, now),
            changed: Moment::new(secret.updated_at, now),
            warnings: warnings
                .map(|finding| format!("{} {}", finding.found, finding.remedy))
                .collect(),
            users: users
                .into_iter()
                .map(|(id, name)| (place.path(&format!("/servers/{id}")), name))
                .collect(),
            allow: allow.map(str::to_owned),
            version: Version::from(secret.updated_at).0,
            reference: format!("${{secret:{}}}", secret.name),
            secret_name: secret.name,
            origins: secret.origins,
            form,
            delete_form,
        },
    ))
}
