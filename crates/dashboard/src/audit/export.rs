//! The trail as a file: one event on each line, with the filters of the page.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_admin::export_audit_events;
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
};

use super::filter;
use crate::{Admin, error::PageError, form::Asked, session::InProject};

/// GET `/projects/{project}/audit/export`. What the API sends to a key, for those who are signed in.
pub(super) async fn download(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let filters = filter::read(&place, &asked);
    let wanted = filter::wanted(&filters).map_err(|_| PageError::NotFound("page"))?;
    let (authority, project) = (place.visit.authority, place.project.id);
    let mut file = export_audit_events(app, authority, Some(project), wanted).await?;
    let headers = file.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(file)
}
