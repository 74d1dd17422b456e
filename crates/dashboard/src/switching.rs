//! POST `…/status`: activate and deactivate.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::words::Worded;

use super::{
    deleting::Deletable,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    page,
    session::InProject,
};
use crate::{Admin, service::ServiceError};

/// A kind of things that can be inactive. All of them can be deleted too.
pub(super) trait Switchable: Deletable {
    type Status: Worded + Send;

    const INACTIVE: Self::Status;
    const ACTIVATED: Flash;
    const DEACTIVATED: Flash;

    /// Sets its status.
    fn set(
        app: &Admin,
        place: &InProject,
        id: Self::Id,
        status: Self::Status,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Its page, with what prevents it.
    fn render(
        app: &Admin,
        place: &InProject,
        id: Self::Id,
        form: Form,
    ) -> impl Future<Output = Result<Response, PageError>> + Send;
}

/// The handler. Where something prevents it, the page says what.
pub(super) async fn change<S: Switchable>(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: S::Id = place.id(S::PARAMETER, S::NOUN)?;
    let status = S::Status::of_word(posted.text("status")).unwrap_or(S::INACTIVE);
    let flash = if status == S::INACTIVE {
        S::DEACTIVATED
    } else {
        S::ACTIVATED
    };
    match S::set(&app, &place, id, status).await {
        Ok(()) => Ok(page::done(&place.path(&format!("{}/{id}", S::LIST)), flash)),
        Err(error) => {
            let form = Form::refused(&posted, &[], &[], error)?;
            S::render(&app, &place, id, form).await
        }
    }
}
